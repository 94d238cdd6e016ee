"""Ignore files: what of a code folder does not travel, by git's rules.

``.amlignore`` files are read where the project or its code folder has one, else ``.gitignore`` files; a deeper file
overrules one above it, and within a file the last pattern that matches decides, as gitignore(5) has it. Nothing below
an ignored folder can be taken back. A ``.dockerignore`` is never read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ProjectError, unreadable

if TYPE_CHECKING:
    from .gitignore import Patterns

AML_IGNORE, GIT_IGNORE = ".amlignore", ".gitignore"


class IgnoreFiles:
    """The ignore files that apply below a code folder, read when they are first needed.

    :param name: ``.amlignore`` or ``.gitignore``.
    :param top: the uppermost folder whose file counts.
    """

    def __init__(self, name: str, top: Path) -> None:
        self.name = name
        self.top = top
        self._read: dict[str, tuple[tuple[int, Patterns], ...]] = {}

    def ignores(self, path: Path, *, folder: bool) -> bool:
        """Whether the last pattern that matches this very path excludes it; its parents were asked before it.

        :raises ProjectError: an ignore file that cannot be read.
        """
        encoded = os.fsencode(path)
        for length, patterns in self._above(path.parent):
            said = patterns.excludes(encoded[length:], folder=folder)
            if said is not None:
                return said
        return False

    def _above(self, folder: Path) -> tuple[tuple[int, Patterns], ...]:
        """The ignore files of a folder and those above it, the deepest first, each with its folder's length."""
        key = str(folder)
        if key not in self._read:
            higher = () if folder in (self.top, folder.parent) else self._above(folder.parent)
            own = _read(folder / self.name)
            length = len(os.fsencode(folder).rstrip(b"/")) + 1
            self._read[key] = ((length, own), *higher) if own else higher
        return self._read[key]


def ignore_files(project: Path, code: Path) -> IgnoreFiles:
    """The ignore files of a project's code folder.

    ``.gitignore`` files of the repository that the project lies in count too, up to the folder with ``.git``.

    :param project: the project folder, resolved.
    :param code: the code folder, resolved; the project itself or beneath it.
    """
    top = project if code.is_relative_to(project) else code
    if (top / AML_IGNORE).is_file() or (code / AML_IGNORE).is_file():
        return IgnoreFiles(AML_IGNORE, top)
    return IgnoreFiles(GIT_IGNORE, next((each for each in (top, *top.parents) if (each / ".git").exists()), top))


def _read(path: Path) -> Patterns | None:
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(error, path) from None
    if len(data) > _MOST or max(map(len, data.split(b"\n"))) > _LONGEST:
        raise ProjectError(
            f"has more than {_MOST:,} bytes, or more than {_LONGEST:,} in one line",
            location=str(path),
            hint="Name folders, where it names files one by one.",
        )
    from .gitignore import Patterns

    return Patterns(data)


_MOST, _LONGEST = 100_000, 4096
"""Bytes of an ignore file, and of a pattern: no path is longer."""
