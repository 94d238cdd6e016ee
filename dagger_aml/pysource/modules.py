"""Where in a code folder imports lead; each name is looked for once, whoever asks of it.

Files are named by texts with slashes, as of ``Path.as_posix``: of thousands, each asked for several times, to make
paths of them takes a tenth of the time of parsing them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..data import frozen
from ..fs.lookup import is_file, is_folder
from .import_statements import Imported
from .source import Source


@frozen
class Ends:
    """Where the modules that an import may import lie, as seen from the code folder.

    :param tops: the first parts of their names.
    :param here: those of ``tops`` that the folder has.
    :param absent: those that neither the folder nor the standard library has.
    :param files: what importing them executes, as far as it lies in the folder.
    """

    tops: tuple[str, ...]
    here: tuple[str, ...]
    absent: tuple[str, ...]
    files: tuple[str, ...]


Lead = tuple[Imported, Ends]
"""An import, and where it leads."""


class Modules:
    """The modules of a code folder, which is on ``sys.path`` in the image.

    What was found is remembered, so it is for one run over the folder.
    """

    def __init__(self, folder: Path) -> None:
        top = folder.as_posix()
        self._top = "" if top == "." else top if top.endswith("/") else f"{top}/"
        self._leads: dict[str, tuple[Lead, ...]] = {}
        self._absolute: dict[tuple[str, tuple[str, ...]], Ends] = {}
        self._files: dict[str, tuple[str, ...]] = {}
        self._places: dict[str, tuple[tuple[str, ...], bool]] = {}
        self._listed: dict[str, frozenset[str] | None] = {}

    def within(self, path: str) -> str:
        """The name of a file relative to the folder."""
        return path.removeprefix(self._top)

    def leads(self, path: str, source: Source) -> tuple[Lead, ...]:
        """Where each import of a file leads, in the order of the text."""
        found = self._leads.get(path)
        if found is None:
            found = self._leads[path] = tuple((each, self._ends(each, path)) for each in source.imports)
        return found

    def _ends(self, each: Imported, path: str) -> Ends:
        if each.level or each.by != "statement":
            return self._ends_of(self._names(each, path))
        # Many files have the same imports.
        written = each.module, each.names
        found = self._absolute.get(written)
        if found is None:
            found = self._absolute[written] = self._ends_of(tuple(_dotted("", each)))
        return found

    def _ends_of(self, names: tuple[str, ...]) -> Ends:
        tops = tuple(dict.fromkeys(name.partition(".")[0] for name in names))
        here = tuple(top for top in tops if any(self._at(f"{self._top}{top}")))
        absent = tuple(top for top in tops if top not in here and top not in sys.stdlib_module_names)
        return Ends(tops, here, absent, tuple(file for name in names for file in self._files_of(name)))

    def _files_of(self, name: str) -> tuple[str, ...]:
        """The files that importing a dotted name executes, as far as they lie in the folder."""
        found = self._files.get(name)
        if found is None:
            place, files = self._top, list[str]()
            for part in name.split("."):
                own, goes_on = self._at(f"{place}{part}")
                files += own
                if not goes_on:
                    break
                place = f"{place}{part}/"
            found = self._files[name] = tuple(files)
        return found

    def _at(self, place: str) -> tuple[tuple[str, ...], bool]:
        """The files of a module, and whether there is a folder of its name."""
        found = self._places.get(place)
        if found is None:
            own = (f"{place}.py",) if self._may_have(f"{place}.py") and is_file(f"{place}.py") else ()
            goes_on = self._may_have(place) and is_folder(place)
            inner = f"{place}/__init__.py"
            found = self._places[place] = (*own, *((inner,) if goes_on and is_file(inner) else ())), goes_on
        return found

    def _may_have(self, path: str) -> bool:
        """Whether the listing of a path's folder has it; to look for each of thousands takes far longer."""
        above, slash, name = path.rpartition("/")
        folder = f"{above}{slash}" or "."
        if folder not in self._listed:
            self._listed[folder] = _listing(folder)
        listed = self._listed[folder]
        return listed is None or name in listed

    def _names(self, each: Imported, path: str) -> tuple[str, ...]:
        if each.by != "statement":
            name = each.module.strip(".")
            return (name,) if is_module_name(name) else ()
        if each.level:
            above = self._package(path, each.level)
            return () if above is None else tuple(_dotted(above, each))
        return tuple(_dotted("", each))

    def _package(self, path: str, level: int) -> str | None:
        """The package that a relative import starts from; None where it leaves the folder."""
        parts = self.within(path).split("/")[:-1]
        kept = len(parts) - (level - 1)
        return ".".join(parts[:kept]) if kept >= 0 else None


def _listing(folder: str) -> frozenset[str] | None:
    """What a folder has; None where it does not say."""
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names alone
    except (OSError, ValueError):
        return None


def _dotted(above: str, each: Imported) -> Iterator[str]:
    module = f"{above}.{each.module}" if above and each.module else above or each.module
    names = [f"{module}.{name}" for name in each.names] if module else each.names
    for name in (module, *names):
        if name and (not above or is_module_name(name)):
            yield name


def is_module_name(name: str) -> bool:
    """Whether a text can be a module's dotted name."""
    return all(part.isidentifier() for part in name.split("."))
