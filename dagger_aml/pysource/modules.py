"""Where in a code folder imports lead; each name is looked for once, whoever asks of it.

Files are named by texts with slashes, as of ``Path.as_posix``: of thousands, each asked for several times, to make
paths of them takes a tenth of the time of parsing them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..fs.lookup import is_file, is_folder
from .import_statements import Imported
from .source import Source

Lead = tuple[Imported, tuple[str, ...]]
"""An import, and the dotted names of modules, as seen from the code folder, that it may import."""


class Modules:
    """The modules of a code folder, which is on ``sys.path`` in the image.

    What was found is remembered, so it is for one run over the folder.
    """

    def __init__(self, folder: Path) -> None:
        top = folder.as_posix()
        self._top = "" if top == "." else top if top.endswith("/") else f"{top}/"
        self._leads: dict[str, tuple[Lead, ...]] = {}
        self._absolute: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
        self._files: dict[str, tuple[str, ...]] = {}
        self._tops: dict[str, bool] = {}
        self._places: dict[str, tuple[tuple[str, ...], bool]] = {}

    def within(self, path: str) -> str:
        """The name of a file relative to the folder."""
        return path.removeprefix(self._top)

    def leads(self, path: str, source: Source) -> tuple[Lead, ...]:
        """What each import of a file may import, in the order of the text."""
        found = self._leads.get(path)
        if found is None:
            found = self._leads[path] = tuple((each, self._names(each, path)) for each in source.imports)
        return found

    def files(self, name: str) -> tuple[str, ...]:
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

    def has_folder(self, top: str) -> bool:
        """Whether the folder has a folder of a name."""
        found = self._tops.get(top)
        if found is None:
            found = self._tops[top] = self._at(f"{self._top}{top}")[1]
        return found

    def _at(self, place: str) -> tuple[tuple[str, ...], bool]:
        found = self._places.get(place)
        if found is None:
            files = (f"{place}.py", f"{place}/__init__.py")
            found = tuple(filter(is_file, files)), is_folder(place)
            self._places[place] = found
        return found

    def _names(self, each: Imported, path: str) -> tuple[str, ...]:
        if each.by != "statement":
            name = each.module.strip(".")
            return (name,) if is_module_name(name) else ()
        if each.level:
            above = self._package(path, each.level)
            return () if above is None else tuple(_dotted(above, each))
        # Many files have the same imports.
        written = each.module, each.names
        found = self._absolute.get(written)
        if found is None:
            found = self._absolute[written] = tuple(_dotted("", each))
        return found

    def _package(self, path: str, level: int) -> str | None:
        """The package that a relative import starts from; None where it leaves the folder."""
        parts = self.within(path).split("/")[:-1]
        kept = len(parts) - (level - 1)
        return ".".join(parts[:kept]) if kept >= 0 else None


def _dotted(above: str, each: Imported) -> Iterator[str]:
    module = f"{above}.{each.module}" if above and each.module else above or each.module
    names = [f"{module}.{name}" for name in each.names] if module else each.names
    for name in (module, *names):
        if name and (not above or is_module_name(name)):
            yield name


def is_module_name(name: str) -> bool:
    """Whether a text can be a module's dotted name."""
    return all(part.isidentifier() for part in name.split("."))
