"""The packages that a script names, as a file that the reader of conda files takes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..requirements.conda_spec import NotASpec, parse_spec
from .core.conda_dependencies import is_python

if TYPE_CHECKING:
    from .core.environment import Environment

_NAME = "conda_dependencies.yml"


def conda_file(environment: Environment, folder: Path) -> Path | None:
    """The conda file of an environment's packages; None where nothing is to be installed.

    One that the script did not change is taken itself; else what it says is written into a folder, with the files
    that it names by relative paths. A Python that only SDK v1 says, where the script says none, is left out.

    :raises ProjectError: such a file is missing, or is not below the folder of the list.
    """
    said = environment.python.conda_dependencies
    if environment.python.user_managed_dependencies or said is None:
        return None
    listed: list[Any] = said.as_dict().get("dependencies") or []
    if not said.names_python:
        listed = [each for each in listed if not is_python(each)]
    if not listed:
        return None
    if said.unchanged_file:
        return said.unchanged_file.absolute()
    for each in listed:
        if isinstance(each, dict) and each.get("pip"):
            each["pip"] = [line for line in each["pip"] if line.strip()]  # A requirements file has empty lines too.
    import yaml

    path = folder / _NAME
    path.write_text(yaml.safe_dump({"dependencies": listed}, sort_keys=False, width=10_000), encoding="utf-8")
    _copy_named(path, said._folder)
    return path


def _copy_named(path: Path, source: Path) -> None:
    """Copy to beside a conda file what its lines for pip name by relative paths, from where that is looked for.

    :raises ProjectError: as of :func:`~..requirements.read.read_requirements`, each line as one of a file in the
        source's folder.
    """
    from ..requirements.conda_yaml import read_conda_file
    from ..requirements.requirements_txt import read_pip_lines

    lines = [(each.line, each.text) for each in read_conda_file(path).pip]
    beside = source / _NAME
    for each in read_pip_lines(beside, lines, source.resolve()).files[1:]:
        made = path.parent / os.path.relpath(each, source)
        made.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(each, made)


def python_of(environment: Environment) -> str:
    """The Pythons that an environment's packages are for, such as ``==3.11.*``; empty for any."""
    said = environment.python.conda_dependencies
    if environment.python.user_managed_dependencies or said is None or not said.names_python:
        return ""
    line = next(each for each in said.conda_packages if is_python(each))
    try:
        return parse_spec(line).versions
    except NotASpec:
        return ""  # Its reader says what is wrong with it.
