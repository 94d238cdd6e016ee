"""What packages bring: the modules that they give and the packages that they need, by a table made elsewhere.

The table, ``packages.json``, has the packages that scoring projects list most and all that these need, each in the
version that was the newest on its day. ``python -m tools.packages`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from ..data import frozen


@frozen
class Table:
    """The table.

    :param date: on which it was made, ``2026-11-29``.
    :param listed: how many packages it was made for; the others are what these need.
    :param packages: the modules and the needs of each, by its name as indexes write it.
    :param givers: the packages that give a module; one that is called like it comes first.
    """

    date: str
    listed: int
    packages: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    givers: Mapping[str, tuple[str, ...]]


@cache
def table() -> Table:
    """The table, read once."""
    read = json.loads(Path(__file__).with_name("packages.json").read_text(encoding="utf-8"))
    packages = {name: (tuple(modules), tuple(needs)) for name, (modules, needs) in read["packages"].items()}
    givers: dict[str, list[str]] = {}
    for name, (modules, _) in packages.items():
        for module in modules:
            givers.setdefault(module, []).append(name)
    for module, each in givers.items():
        each.sort(key=lambda name: (name != module.replace(".", "-").replace("_", "-"), name))
    return Table(read["date"], read["listed"], packages, {module: tuple(each) for module, each in givers.items()})


@frozen
class Brought:
    """What a list of packages brings with it.

    :param modules: that it gives, ``numpy``, ``azure.identity``.
    :param unknown: packages that are in it and not in the table: they may bring any module.
    """

    modules: frozenset[str]
    unknown: tuple[str, ...]

    def missing(self, module: str, names: Iterable[str] = ()) -> tuple[str, ...]:
        """The modules of an import that the list does not give: none, the one that is written, or, of a namespace
        that many packages fill, what ``from`` imports of it.

        :param module: ``azure``, and ``names`` what ``from`` imports of it, ``identity``.
        """
        if self._gives(module):
            return ()
        if not _is_namespace(module):
            return (module,)
        if not names:
            inside = any(given.startswith(f"{module.lower()}.") for given in self.modules)
            return () if inside else (module,)
        return tuple(f"{module}.{name}" for name in names if not self._gives(f"{module}.{name}"))

    def _gives(self, module: str) -> bool:
        parts = module.lower().split(".")
        return any(".".join(parts[:end]) in self.modules for end in range(1, len(parts) + 1))


def _is_namespace(module: str) -> bool:
    known = table().givers
    return module not in known and any(each.startswith(f"{module}.") for each in known)


def brought_by(names: Iterable[str]) -> Brought:
    """What packages bring, with all that they need, and so on.

    A package that is not in the table gives at least the module of its own name.

    :param names: of packages, written in any way.
    """
    known, seen = table().packages, with_needs(names)
    modules = {module.lower() for name in seen if name in known for module in known[name][0]}
    unknown = tuple(name for name in seen if name not in known)
    return Brought(frozenset(modules | {name.replace("-", "_") for name in unknown}), unknown)


def with_needs(names: Iterable[str]) -> tuple[str, ...]:
    """Packages and all that they need, and so on, by their normalised names."""
    from packaging.utils import canonicalize_name

    known = table().packages
    waiting: list[str] = [canonicalize_name(name) for name in names]
    seen: dict[str, None] = {}
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen[name] = None
            waiting += known[name][1] if name in known else ()
    return tuple(seen)
