"""Ignore files: what of a code folder does not travel, by git's rules.

``.amlignore`` files are read where the project or its code folder has one, else ``.gitignore`` files; a deeper file
overrules one above it, and within a file the last pattern that matches decides, as gitignore(5) has it. Nothing below
an ignored folder can be taken back. A ``.dockerignore`` is never read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ProjectError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


OWN, GIT = ".amlignore", ".gitignore"


class IgnoreFiles:
    """The ignore files that apply below a code folder, read when they are first needed.

    :param name: ``.amlignore`` or ``.gitignore``.
    :param top: the uppermost folder whose file counts.
    """

    def __init__(self, name: str, top: Path) -> None:
        self.name = name
        self.top = top
        self._read: dict[Path, GitIgnoreSpec | None] = {}

    def ignores(self, path: Path, *, folder: bool) -> bool:
        """Whether the files say that ``path`` is left out; its parents were asked before it.

        :raises ProjectError: an ignore file that cannot be read or holds a pattern that is none.
        """
        for above in path.parents:
            rules = self._rules(above)
            if rules:
                relative = path.relative_to(above).as_posix() + ("/" if folder else "")
                said = rules.check_file(relative).include
                if said is not None:
                    return said
            if above == self.top:
                break
        return False

    def _rules(self, folder: Path) -> GitIgnoreSpec | None:
        if folder not in self._read:
            self._read[folder] = _read(folder / self.name)
        return self._read[folder]


def ignore_files(project: Path, code: Path) -> IgnoreFiles:
    """The ignore files of a project's code folder.

    ``.gitignore`` files of the repository that the project lies in count too, up to the folder with ``.git``.

    :param project: the project folder, resolved.
    :param code: the code folder, resolved; the project itself or beneath it.
    """
    top = project if code.is_relative_to(project) else code
    if (top / OWN).is_file() or (code / OWN).is_file():
        return IgnoreFiles(OWN, top)
    return IgnoreFiles(GIT, next((each for each in (top, *top.parents) if (each / ".git").exists()), top))


def _read(path: Path) -> GitIgnoreSpec | None:
    if not path.is_file():
        return None
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, ValueError) as error:
        raise ProjectError(f"is not an ignore file ({error})", location=str(path)) from None
