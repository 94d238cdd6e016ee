"""What the server will find as an entry script's ``init`` and ``run``, told from the text.

A name that the script imports from a module of the code folder is followed there. Where the text does not decide
(a package's module, a changed ``sys.path``, a file that does not parse), nothing is said.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .. import contract
from ..data import frozen
from ..fs.lookup import is_file, is_folder
from .bindings import Binding
from .pythons import Python
from .source import Source, read_sound

TRANSPARENT = frozenset({"input_schema", "output_schema", "rawhttp"})
"""Decorators of the server's own: what they decorate is called as it is written."""

_MOST = 20
"""Modules through which a name is followed."""


@frozen
class Candidate:
    """What a name may be when the server looks at it.

    :param file: relative to the code folder, in which it is bound.
    :param binding: None where it is not bound at all.
    :param line: of the import in the entry script that leads there, or of the binding.
    """

    file: str
    binding: Binding | None
    line: int | None


@frozen
class EntryPoint:
    """``init`` or ``run`` of an entry script.

    :param candidates: what the text says that it may be.
    :param unknown: why it may be something else: ``elsewhere``, it comes from a module that is not looked into; ``*``
        and a star import; ``code``, which binds names while it runs.
    """

    name: str
    candidates: tuple[Candidate, ...]
    unknown: frozenset[str] = frozenset()

    @property
    def bound(self) -> tuple[tuple[Candidate, Binding], ...]:
        """The candidates that are something."""
        return tuple((each, each.binding) for each in self.candidates if each.binding)

    @property
    def is_missing(self) -> bool:
        """Whether it is certainly not there."""
        return not self.unknown and not self.bound

    @property
    def may_be_missing(self) -> bool:
        """Whether it may not be there, as far as the text tells."""
        if self.bound or "elsewhere" in self.unknown:
            return any(each.binding is None for each in self.candidates)
        return bool(self.unknown)


def entry_points(folder: Path, script: str, source: Source, python: Python | None) -> tuple[EntryPoint, ...]:
    """``init`` and ``run`` of an entry script.

    :param script: relative to the folder, which is on ``sys.path`` in the image.
    :param source: what stands in the script.
    :param python: the version that is to run it; None where that is not known.
    """
    finder = _Finder(folder, python, not source.changes_path)
    return tuple(finder.point(script, source, name) for name in ("init", "run"))


def is_own(module: str) -> bool:
    """Whether a module of the code folder with this name is what ``import`` finds, unless a package has it too."""
    top = module.partition(".")[0]
    return bool(top) and top not in sys.stdlib_module_names and top not in contract.SERVER_MODULES


_Found = Iterator[Candidate | str]
"""Candidates, and why there may be others."""


@frozen
class _Finder:
    folder: Path
    python: Python | None
    follows: bool

    def point(self, script: str, source: Source, name: str) -> EntryPoint:
        found = list(self.look(script, source, name, ()))
        candidates = dict.fromkeys(each for each in found if isinstance(each, Candidate))
        return EntryPoint(name, tuple(candidates), frozenset(each for each in found if isinstance(each, str)))

    def look(self, file: str, source: Source, name: str, seen: tuple[str, ...]) -> _Found:
        """All that a name of a file may be."""
        scope = source.scope
        key = f"{file}:{name}"
        if key in seen or len(seen) > _MOST:
            yield "elsewhere"
            return
        if scope.dynamic or name in scope.declared:
            yield "code"
        possible = scope.get(name)
        for each in sorted(possible, key=lambda each: (each is None, each.line if each else 0)):
            if each is None:
                yield from self.unbound(file, source, name, (*seen, key))
            elif each.kind == "import":
                yield from self.imported(file, each, (*seen, key))
            else:
                yield Candidate(file, each, each.line)
        if scope.stars and None not in possible:
            stars = self.stars(file, source, name, (*seen, key))
            yield from (each for each in stars if isinstance(each, str) or each.binding)

    def unbound(self, file: str, source: Source, name: str, seen: tuple[str, ...]) -> _Found:
        """What a name is that the text of a file does not bind, or not always."""
        if source.scope.answers:
            yield "code"
        elif source.scope.stars:
            yield from self.stars(file, source, name, seen)
        else:
            yield Candidate(file, None, None)

    def stars(self, file: str, source: Source, name: str, seen: tuple[str, ...]) -> _Found:
        """What a star import may bind a name to."""
        found: list[Candidate | str] = []
        for module, line in source.scope.stars:
            target = self.target(file, module)
            if target is None:
                found.append(f"*from {module} import *")
                continue
            other_file, other = target
            listed = other.scope.listed
            if listed is not None and name not in listed:
                continue
            for each in self.look(other_file, other, name, seen):
                if isinstance(each, str):
                    found.append(each)
                elif each.binding:
                    found.append(Candidate(each.file, each.binding, line))
        yield from found or [Candidate(file, None, None)]

    def imported(self, file: str, binding: Binding, seen: tuple[str, ...]) -> _Found:
        """What a name is that is imported: by ``from``, of a module of the project's."""
        target = self.target(file, binding.module) if binding.module is not None else None
        if target is None:
            yield "elsewhere"
            return
        other_file, other = target
        if other_file.endswith("__init__.py") and not other.scope.get(binding.origin) - {None}:
            inner = self.folder / PurePosixPath(other_file).parent / binding.origin
            if is_folder(inner) or is_file(inner.with_name(f"{inner.name}.py")):
                yield "elsewhere"
                return
        for each in self.look(other_file, other, binding.origin, seen):
            yield each if isinstance(each, str) or each.binding else Candidate(other_file, None, binding.line)

    def target(self, file: str, module: str) -> tuple[str, Source] | None:
        """The module of the project's that an import names, seen from a file; None for any other."""
        name = module.lstrip(".")
        level = len(module) - len(name)
        if level:
            folders = PurePosixPath(file).parts[:-1]
            kept = len(folders) - (level - 1)
            if kept < 1:
                return None
            name = ".".join([*folders[:kept], *([name] if name else [])])
        if not self.follows or not is_own(name):
            return None
        found = _module_file(self.folder, name)
        source = read_sound(self.folder / found, self.python) if found else None
        return (found, source) if found and source and not source.changes_path else None


def _module_file(folder: Path, module: str) -> str | None:
    """The file that importing a dotted name runs last, relative to the folder; None where it is not in there."""
    here = PurePosixPath(*module.split("."))
    for each in (here / "__init__.py", here.with_name(f"{here.name}.py")):
        if is_file(folder / each):
            return each.as_posix()
    return None
