"""Packages as files and what the base has: which wheels fit, what they are found before, what that would break."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from attrs import evolve
from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ..base.facts import BaseFacts, Distribution
from ..contract import SERVER
from ..errors import BaseError, GraphError
from ..graph.base import From
from ..graph.graph import Copy, LayerOp
from ..graph.wheels import LockedWheels, Wheels
from ..requirements.wheels import ASSUMED_GLIBC, Home, choose, in_layers, make
from ..text import named


def with_wheels(layers: Iterable[LayerOp], base: From, facts: BaseFacts) -> list[LayerOp]:
    """The layers, with the wheels that the base takes in place of a lock's: a copy for each layer that they become.

    :raises BaseError: the base's Python is not known, or its C library is no glibc.
    :raises ProjectError: a package has no wheel that fits the base.
    :raises GraphError: a wheel comes before a package of the base that its server needs in another version.
    """
    found: list[LayerOp] = []
    for layer in layers:
        if not isinstance(layer, Copy) or not isinstance(layer.source, LockedWheels):
            found.append(layer)
            continue
        home = home_of(base, facts)
        wheels = choose(layer.source, home)
        whole = make(layer.source, wheels, home, bytecode=home.python == _OURS)
        if whole.checked:
            check_server(whole, facts, layer.name)
        parts = in_layers(wheels)
        for part in parts:
            name = layer.name if len(parts) == 1 or len(part) > 1 else f"{layer.name}: {part[0].name}"
            found.append(evolve(layer, source=evolve(whole, wheels=part), name=name))
    return found


_OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""The Python that compiles, whose releases of one minor version have one magic number."""


def home_of(base: From, facts: BaseFacts) -> Home:
    """What of a base decides which wheels it takes.

    :raises BaseError: its Python is not known, or its C library is no glibc.
    """
    facts.literal("environment")
    if facts.python is None:
        raise BaseError(
            "the Python of the base image is not known, and with it which wheels fit",
            location=base.pinned,
            hint=f"Add {named('probe')} to inspect the base image. `dagger-aml build` always does this.",
        )
    if facts.source == "probed" and facts.full_python and not facts.glibc:
        raise BaseError(
            "the base image's C library is not glibc, and wheels for it cannot be chosen",
            location=base.pinned,
            hint=f"Have pip install the packages: {named('packages_as', 'installed')}.",
        )
    platform = "/".join(base.platform.split("/")[:2])
    return Home(facts.python, platform, facts.full_python, facts.glibc_version or ASSUMED_GLIBC)


def chosen_for(source: Wheels, facts: BaseFacts) -> Iterator[str]:
    """What the wheels were chosen by, and why they are not compiled: a line each."""
    glibc = facts.glibc or f"{ASSUMED_GLIBC[0]}.{ASSUMED_GLIBC[1]} (assumed)"
    yield f"chosen for Python {facts.full_python or source.python} and glibc {glibc}"
    if not source.bytecode:
        yield f"not compiled, so they are slower to import: that needs Python {source.python}, and this is {_OURS}"


def shadowed(source: Wheels, distributions: Iterable[Distribution]) -> Mapping[str, str]:
    """What of the base the wheels are found before: its version by the wheel's package, where that is another."""
    there = {canonicalize_name(each.name): each.version for each in distributions}
    names = {each.name: there.get(canonicalize_name(each.name)) for each in source.wheels}
    versions = {each.name: each.version for each in source.wheels}
    return {name: version for name, version in names.items() if version and version != versions[name]}


def check_server(source: Wheels, facts: BaseFacts, location: str) -> None:
    """Refuse a wheel that comes before a package of the base which the inference server needs in another version.

    :raises GraphError: there is one.
    """
    versions = {canonicalize_name(each.name): each.version for each in source.wheels}
    found = list(unmet(needed_by_server(facts), versions, facts, only=versions))
    if not found:
        return
    lines = [
        f"{owner.name} {owner.version} requires {requirement}, but the lock has {requirement.name} "
        f"{versions[canonicalize_name(requirement.name)]}"
        for owner, requirement in found
    ]
    wanted = " ".join(dict.fromkeys(f"'{each.name}{each.specifier}'" for _, each in found))
    raise GraphError(
        f"the inference server of the base image would get other packages than it needs: {'; '.join(lines)}",
        location=location,
        hint=f"Lock again together with {wanted}, or build without this check: {named('no_pip_check')}.",
    )


def needed_by_server(facts: BaseFacts) -> tuple[Distribution, ...]:
    """The inference server of a base and all that it needs there, whatever extras; none where that is not known."""
    there = {canonicalize_name(each.name): each for each in facts.distributions or ()}
    found: dict[str, Distribution] = {}
    waiting = [canonicalize_name(SERVER)]
    while waiting:
        name = waiting.pop()
        if name in there and name not in found:
            found[name] = there[name]
            waiting += [canonicalize_name(each.name) for each in requirements_of(there[name], facts)]
    return tuple(found.values())


def unmet(
    owners: Iterable[Distribution], versions: Mapping[Any, str], facts: BaseFacts, *, only: Container[Any]
) -> Iterator[tuple[Distribution, Requirement]]:
    """What packages require and do not get.

    :param versions: by normalised name, of what is there.
    :param only: the names of what is looked at.
    """
    for owner in owners:
        for requirement in requirements_of(owner, facts):
            name = canonicalize_name(requirement.name)
            version = versions.get(name)
            if name in only and (version is None or not requirement.specifier.contains(version, prereleases=True)):
                yield owner, requirement


def requirements_of(owner: Distribution, facts: BaseFacts) -> Iterator[Requirement]:
    """What a package requires on a base, without extras; what is no requirement is left to the package."""
    full = facts.full_python or f"{facts.python}.0"
    environment = {
        "implementation_name": "cpython", "implementation_version": full, "os_name": "posix",
        "platform_python_implementation": "CPython", "platform_system": "Linux", "python_full_version": full,
        "python_version": facts.python or "", "sys_platform": "linux", "extra": "",
    }  # fmt: skip
    for text in owner.requires:
        try:
            requirement = _requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(environment):
                yield requirement
        except (InvalidRequirement, UndefinedEnvironmentName):
            continue


@lru_cache(maxsize=4096)
def _requirement(text: str) -> Requirement:
    """Of the same packages several things are asked, and reading a line takes long."""
    return Requirement(text)
