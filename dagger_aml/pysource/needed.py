"""What an entry script imports from elsewhere, each with its place and whether it is imported come what may."""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from ..data import frozen
from ..fs.lookup import is_file, is_folder
from .pythons import Python
from .reached import files_of, is_module_name, names_of
from .source import Imported, Source, read_sound

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


def elsewhere(
    folder: Path, script: str, python: Python | None = None, known: Mapping[Path, Source] | None = None
) -> Elsewhere:
    """Follow an entry script's imports through its code folder, and keep those that lead out of it.

    What cannot be read or parsed leads nowhere. Imports that only a type checker sees are none, and those that may
    fail (in a ``try`` that survives it, below ``if __name__ == "__main__"``) need nothing.

    :param script: relative to the folder.
    :param python: the version that is to run it; ours unless given.
    :param known: files that were read for this version already.
    """
    read: dict[Path, Source | None] = {
        path: None if source.problem else source for path, source in (known or {}).items()
    }

    def source(path: Path) -> Source | None:
        if path not in read:
            read[path] = read_sound(path, python)
        return read[path]

    # Most names are imported by many files.
    files = cache(lambda name: tuple(files_of(folder, name)))

    @cache
    def own(path: Path) -> list[tuple[Imported, list[Path]]]:
        return [
            (each, [file for name in names_of(each, path, folder) if is_module_name(name) for file in files(name)])
            for each in _imports(source(path))
        ]

    @cache
    def is_here(top: str, place: Path) -> bool:
        return is_file(place / f"{top}.py") or is_folder(place / top)

    begin = folder / script
    surely = _closure(begin, lambda path: (files for each, files in own(path) if _is_sure(each)))
    every = _closure(begin, lambda path: (files for _, files in own(path)))
    found = [
        Needed(
            each.module,
            each.names,
            f"{path.relative_to(folder).as_posix()}:{each.line}",
            path in surely and _is_sure(each),
        )
        for path in every
        for each, _ in own(path)
        if not each.optional
        and _leads_out(each)
        and not (is_here(each.top, folder) or is_here(each.top, path.parent))
    ]
    texts = [each.data for each in read.values() if each]
    return Elsewhere(tuple(found), any(_INSTALLS[0].search(text) and _INSTALLS[1].search(text) for text in texts))


def _closure(begin: Path, leads_to: Callable[[Path], Iterable[list[Path]]]) -> dict[Path, None]:
    """The files that a file leads to, itself first, in the order in which they are met."""
    found, waiting = {begin: None}, deque([begin])
    while waiting:
        for files in leads_to(waiting.popleft()):
            for other in files:
                if other not in found:
                    found[other] = None
                    waiting.append(other)
    return found


def _imports(source: Source | None) -> Iterator[Imported]:
    for each in source.imports if source else ():
        if not each.typing and each.by != "call" and (not each.module or is_module_name(each.module)):
            yield each


def _is_sure(each: Imported) -> bool:
    return each.depth == 1 and not each.optional and each.by == "statement"


def _leads_out(each: Imported) -> bool:
    """Whether it may, by its name alone."""
    return not each.level and each.top not in ("", "__main__") and each.top not in sys.stdlib_module_names
