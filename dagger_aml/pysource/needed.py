"""What an entry script imports from elsewhere, each with its place and whether it is imported come what may."""

from __future__ import annotations

import posixpath
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

from ..data import frozen
from ..fs.lookup import is_file, is_folder
from ..text import pattern
from .import_statements import Imported
from .modules import Lead, Modules, is_module_name
from .pythons import Python
from .reached import Reached
from .source import Source, read_sound

_INSTALLS = pattern(rb"\bpip3?\b"), pattern(rb"\binstall\b")


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


def elsewhere(folder: Path, script: str, python: Python | None = None, used: Reached | None = None) -> Elsewhere:
    """Follow an entry script's imports through its code folder, and keep those that lead out of it.

    What cannot be read or parsed leads nowhere. Imports that only a type checker sees are none, and those that may
    fail (in a ``try`` that survives it, below ``if __name__ == "__main__"``) need nothing.

    :param script: relative to the folder.
    :param python: the version that is to run it; ours unless given.
    :param used: what was read of the same script for this version already.
    """
    read: dict[str, Source | None] = {
        path: None if source.problem else source for path, source in (used.sources if used else {}).items()
    }

    def source(path: str) -> Source | None:
        if path not in read:
            read[path] = read_sound(path, python)
        return read[path]

    there = used.there if used and used.there else Modules(folder)

    @cache
    def own(path: str) -> list[Lead]:
        found = source(path)
        return [lead for lead in (there.leads(path, found) if found else ()) if _counts(lead[0])]

    @cache
    def is_here(top: str, place: str) -> bool:
        return is_file(f"{place}/{top}.py") or is_folder(f"{place}/{top}")

    begin, beside = (folder / script).as_posix(), folder.as_posix()
    surely = _closure(begin, lambda path: (ends.files for each, ends in own(path) if _is_sure(each)))
    every = _closure(begin, lambda path: (ends.files for _, ends in own(path)))
    found = [
        Needed(
            each.module,
            each.names,
            f"{there.within(path)}:{each.line}",
            path in surely and _is_sure(each),
        )
        for path in every
        for each, _ in own(path)
        if not each.optional
        and _leads_out(each)
        and not (is_here(each.top, beside) or is_here(each.top, posixpath.dirname(path) or "."))
    ]
    texts = [each.data for each in read.values() if each]
    return Elsewhere(tuple(found), any(map(_installs, texts)))


def _installs(text: bytes) -> bool:
    if b"pip" not in text or b"install" not in text:
        return False
    return all(each.search(text) for each in _INSTALLS)


def _closure(begin: str, leads_to: Callable[[str], Iterable[Sequence[str]]]) -> dict[str, None]:
    """The files that a file leads to, itself first, in the order in which they are met."""
    found, waiting = {begin: None}, deque([begin])
    while waiting:
        for files in leads_to(waiting.popleft()):
            for other in files:
                if other not in found:
                    found[other] = None
                    waiting.append(other)
    return found


def _counts(each: Imported) -> bool:
    if each.by == "statement":
        return not each.typing
    return not each.typing and each.by != "call" and is_module_name(each.module)


def _is_sure(each: Imported) -> bool:
    return each.depth == 1 and not each.optional and each.by == "statement"


def _leads_out(each: Imported) -> bool:
    """Whether it may, by its name alone."""
    return not each.level and each.top not in ("", "__main__") and each.top not in sys.stdlib_module_names
