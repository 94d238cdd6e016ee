"""Reading whatever lists a project's packages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conda_twins import CondaSettings
    from .model import Requirements


def read_requirements(path: Path, *, root: Path | None = None, conda: CondaSettings | None = None) -> Requirements:
    """Read a requirements file, ``pylock.toml`` (or ``pylock.NAME.toml``), ``uv.lock``, ``pyproject.toml`` or a conda
    environment file (``.yml`` or ``.yaml``).

    Of a requirements file all is read that ``-r``, ``-c`` and ``--find-links`` name, and the archives that it lists.
    As pip has it, an included file is relative to the file that includes it, and an archive to the folder in which
    pip runs, which is this file's own.

    :param root: the project; nothing outside it is taken. The file's own folder unless given, and where the file
        itself lies outside, as one that a flag or a deployment file may name.
    :param conda: how a conda file is read.
    :raises ProjectError: missing, unreadable, not UTF-8, a line that is not a requirement, a file that is missing or
        lies outside, an editable install, what of a lock cannot travel; each with file:line.
    """
    if path.name == "pyproject.toml":
        from .pyproject import read_pyproject

        return read_pyproject(path)
    if path.name == "uv.lock":
        from .uv_lock import read_uv_lock

        return read_uv_lock(path)
    if is_pylock(path.name):
        from .pylock import read_pylock

        return read_pylock(path)
    if is_yaml(path.name):
        from .conda import read_conda

        return read_conda(path, _top(path, root), conda)
    from .requirements_txt import read_requirements_txt

    found = read_requirements_txt(path, _top(path, root))
    if conda is not None and conda.python:
        from .conda import for_python

        return for_python(found, conda)
    return found


def _top(path: Path, root: Path | None) -> Path:
    folder, top = path.parent.resolve(), (root or path.parent).resolve()
    return top if folder.is_relative_to(top) else folder


def is_yaml(name: str) -> bool:
    """Whether a file of this name can only be a conda environment file, of all that lists packages."""
    return name.lower().endswith((".yml", ".yaml"))


def is_pylock(name: str) -> bool:
    """Whether a file of this name is a lock file after the packaging standards (PEP 751)."""
    return re.fullmatch(r"pylock\.([^.]+\.)?toml", name) is not None
