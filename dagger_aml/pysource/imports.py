"""What the code of a project imports: read as syntax, never run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from ..data import frozen
from ..errors import ProjectError
from ..finding import FileLocation
from .import_statements import Imported
from .pythons import Python
from .source import read_source
from .texts import LONGEST_PATH
from .versions import Problem


@frozen
class Import:
    """One import of something that is neither Python's own nor the project's.

    :param module: as written, ``azure.identity``; for ``from azure import identity`` it is ``azure``.
    :param names: what ``from`` imports of it.
    :param file: relative to the code folder, posix separators.
    :param optional: in a ``try`` that survives its failure, or below ``if __name__ == "__main__"``.
    :param reached: the file is the entry script, or is imported from it, directly or through others.
    """

    module: str
    names: tuple[str, ...]
    file: str
    line: int
    optional: bool
    reached: bool

    @property
    def top(self) -> str:
        """``azure`` of ``azure.identity``."""
        return self.module.partition(".")[0]


@frozen
class Code:
    """What was read of a code folder.

    :param imports: in the order of the files, those that the entry script reaches first.
    :param unread: ``file:line: why`` of files that are no Python; the entry script is never among them.
    :param own: which of the modules that a model names are the project's own.
    """

    imports: tuple[Import, ...]
    unread: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()


def read_code(
    folder: Path,
    files: Iterable[str],
    script: str,
    *,
    installed: Callable[[str], bool],
    modules: Iterable[str] = (),
    python: Python | None = None,
) -> Code:
    """Read the imports of all Python files that travel.

    A module is the project's own if it lies beside the entry script or at the top of the code, or if it lies
    elsewhere in the code and is not installed: scripts that change ``sys.path`` find it there.

    :param files: that travel, relative to the folder.
    :param installed: whether a top-level name is a package's of this environment.
    :param modules: that a model names; those of the project's own are needed as if the entry script imported them.
    :param python: the version that is to run it; ours unless given.
    :raises ProjectError: a file cannot be read, or the entry script cannot be parsed.
    """
    tree = _Tree(frozenset(each for each in files if each.endswith(".py")), script, installed)
    found: dict[str, tuple[Imported, ...]] = {}
    unread: list[str] = []

    def read(file: str) -> tuple[Imported, ...]:
        if file not in found:
            found[file], problem = _read(folder / file, python)
            if problem and problem.kind == "broken" and file == script:
                place = FileLocation(str(folder / file), folder / file, problem.line or 1)
                raise ProjectError(problem.message, location=place)
            if problem:
                unread.append(f"{file}:{problem.line or 1}: {problem.message}")
        return found[file]

    own = frozenset(module for module in modules if tree.is_own(module))
    waiting = [script, *(file for module in sorted(own) for file in tree.own(module.split("."), ()))]
    reached = dict.fromkeys(waiting)
    while waiting:
        file = waiting.pop(0)
        for each in read(file):
            for other in tree.files_of(each, file):
                if other not in reached:
                    reached[other] = None
                    waiting.append(other)
    imports = [
        Import(each.module, each.names, file, each.line, each.optional, file in reached)
        for file in (*reached, *sorted(tree.files - reached.keys()))
        for each in read(file)
        if not each.level and not tree.is_own(each.module) and each.module.partition(".")[0] not in STANDARD
    ]
    return Code(tuple(imports), tuple(unread), own)


STANDARD = frozenset(sys.stdlib_module_names) | {"__main__", "__builtin__", "copy_reg"}
"""Top-level names that no package has to bring; the last two are Python 2's, in old pickles."""


@frozen
class _Tree:
    """The Python files of the code, and what an import finds among them."""

    files: frozenset[str]
    script: str
    installed: Callable[[str], bool]

    def is_own(self, module: str) -> bool:
        return self._place(module.partition(".")[0]) is not None

    def own(self, parts: list[str], names: tuple[str, ...]) -> Iterator[str]:
        """The files that importing a module of the project's runs: its packages' and its own."""
        place = self._place(parts[0])
        if place is not None:
            yield from self._below(place, parts, names)

    def files_of(self, each: Imported, importer: str) -> Iterator[str]:
        parts = each.module.split(".") if each.module else []
        if not each.level:
            yield from self.own(parts, each.names)
            return
        folders = PurePosixPath(importer).parts[:-1]
        up = each.level - 1
        if up <= len(folders):
            yield from self._below("/".join(folders[: len(folders) - up]), parts, each.names)

    def _below(self, place: str, parts: list[str], names: tuple[str, ...]) -> Iterator[str]:
        whole = "/".join([*([place] if place else []), *parts])
        paths = ["/".join([*([place] if place else []), *parts[:end]]) for end in range(1, len(parts) + 1)]
        for path in [*paths, *([] if parts else [whole]), *(f"{whole}/{name}".lstrip("/") for name in names)]:
            yield from self.files & {f"{path}.py", f"{path}/__init__.py".lstrip("/")}

    def _place(self, top: str) -> str | None:
        """The folder in which a module or package of the project's lies."""
        if top in STANDARD:
            return None
        beside = PurePosixPath(self.script).parent.as_posix()
        for place in dict.fromkeys(["", "" if beside == "." else beside]):
            if self._has(place, top):
                return place
        if self.installed(top):
            return None
        folders = {str(parent) for file in self.files for parent in PurePosixPath(file).parents[:-1]}
        return next(
            (place for place in sorted(folders, key=lambda each: (len(each), each)) if self._has(place, top)), None
        )

    def _has(self, place: str, top: str) -> bool:
        path = f"{place}/{top}" if place else top
        return f"{path}.py" in self.files or any(file.startswith(f"{path}/") for file in self.files)


def _read(path: Path, python: Python | None) -> tuple[tuple[Imported, ...], Problem | None]:
    """The imports of a file that are more than types, or why it is no Python."""
    try:
        source = read_source(path, python)
    except OSError as error:
        raise ProjectError(f"cannot be read ({error.strerror})", location=str(path)) from None
    return tuple(each for each in source.imports if not each.typing and _is_sure(each)), source.problem


def _is_sure(each: Imported) -> bool:
    """Whether an import is a statement, or a call that cannot but be one of a module."""
    named = len(each.module) <= LONGEST_PATH and all(part.isidentifier() for part in each.module.split("."))
    return each.by == "statement" or (each.by == "importlib" and named)
