"""What an entry script imports from elsewhere, each with its place and whether it is imported come what may."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from attrs import frozen

from ..fs.lookup import is_file, is_folder
from .newer import Python
from .reached import files_of, names_of
from .source import Imported, Source, read_source

_INSTALLS = re.compile(rb"\bpip3?\b"), re.compile(rb"\binstall\b")


@frozen
class Needed:
    """One import of a module that lies neither in the code folder nor in Python itself.

    :param module: as written, ``azure.identity``.
    :param names: what ``from`` imports of it.
    :param location: ``score.py:3``, the file relative to the code folder.
    :param sure: whether starting the server runs it and nothing catches its failure: a statement of the module
        itself, in a file that is imported by such statements only.
    """

    module: str
    names: tuple[str, ...]
    location: str
    sure: bool

    @property
    def top(self) -> str:
        """``azure`` of ``azure.identity``."""
        return self.module.partition(".")[0]


@frozen
class Elsewhere:
    """What an entry script, and the modules of its code folder that it imports, need from elsewhere.

    :param installs: whether one of the texts has the words ``pip`` and ``install``: it may install packages itself.
    """

    imports: tuple[Needed, ...] = ()
    installs: bool = False


def elsewhere(folder: Path, script: str, python: Python | None = None) -> Elsewhere:
    """Follow an entry script's imports through its code folder, and keep those that lead out of it.

    What cannot be read or parsed leads nowhere. Imports that only a type checker sees are none, and those that may
    fail (in a ``try`` that survives it, below ``if __name__ == "__main__"``) need nothing.

    :param script: relative to the folder.
    :param python: the version that is to run it; ours unless given.
    """
    read: dict[Path, Source | None] = {}

    def source(path: Path) -> Source | None:
        if path not in read:
            read[path] = _read(path, python)
        return read[path]

    begin = folder / script
    surely = _closure(begin, source, lambda path, each: _own(path, each, folder) if _is_sure(each) else ())
    every = _closure(begin, source, lambda path, each: _own(path, each, folder))
    found = [
        Needed(
            each.module,
            each.names,
            f"{path.relative_to(folder).as_posix()}:{each.line}",
            path in surely and _is_sure(each),
        )
        for path in every
        for each in _imports(source(path))
        if not each.optional and _is_elsewhere(each, path, folder)
    ]
    texts = [each.data for each in read.values() if each]
    return Elsewhere(tuple(found), any(_INSTALLS[0].search(text) and _INSTALLS[1].search(text) for text in texts))


def _closure(
    begin: Path, source: Callable[[Path], Source | None], leads_to: Callable[[Path, Imported], Iterable[Path]]
) -> dict[Path, None]:
    """The files that a file leads to, itself first, in the order in which they are met."""
    found, waiting = {begin: None}, [begin]
    while waiting:
        path = waiting.pop(0)
        for each in _imports(source(path)):
            for other in leads_to(path, each):
                if other not in found:
                    found[other] = None
                    waiting.append(other)
    return found


def _imports(source: Source | None) -> Iterator[Imported]:
    for each in source.imports if source else ():
        if not each.typing and each.by != "call" and all(part.isidentifier() for part in _parts(each)):
            yield each


def _parts(each: Imported) -> list[str]:
    return each.module.split(".") if each.module else []


def _is_sure(each: Imported) -> bool:
    return each.depth == 1 and not each.optional and each.by == "statement"


def _own(path: Path, each: Imported, folder: Path) -> Iterator[Path]:
    for name in names_of(each, path, folder):
        if all(part.isidentifier() for part in name.split(".")):
            yield from files_of(folder, name)


def _is_elsewhere(each: Imported, path: Path, folder: Path) -> bool:
    if each.level or not each.module:
        return False
    top = each.module.partition(".")[0]
    if top in sys.stdlib_module_names or top == "__main__":
        return False
    return not any(is_file(place / f"{top}.py") or is_folder(place / top) for place in {folder, path.parent})


def _read(path: Path, python: Python | None) -> Source | None:
    try:
        found = read_source(path, python)
    except (OSError, ValueError):
        return None
    return None if found.problem else found
