"""Rules about packages that the inference server needs too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..base import catalog
from ..base.facts import BaseFacts
from ..contract import SERVER
from ..finding import FileLocation, Finding, Fix
from ..graph.base import From
from ..pysource.versions import version_of
from .facts import Places
from .pins import is_published, pinned
from .rule import rule

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from ..requirements.model import Requirements

_NEEDS: Mapping[str, Mapping[str, str]] = {
    "1.0.0": {"flask": "<2.3.0", "flask-cors": "~=3.0.1", "pydantic": ">=1.9,<1.11", "gunicorn": "==20.1.0"},
    "1.2.2": {"flask": "<=2.3.2", "flask-cors": "~=3.0.1", "pydantic": "~=2.0", "gunicorn": "==22.0.0"},
    "1.3.4": {"flask": "<=2.3.2", "flask-cors": "~=5.0.0", "pydantic": "~=2.9.0", "gunicorn": ">=23.0.0"},
    "1.4.1": {"flask": "~=3.1.0", "flask-cors": "~=6.0.0", "pydantic": "~=2.11.0", "gunicorn": ">=23.0.0"},
    "1.5.1": {
        **{"flask": "~=3.1.0", "flask-cors": "~=6.0.0", "pydantic": "~=2.12.0", "gunicorn": ">=23.0.0"},
        **{"opentelemetry-api": "==1.33.0", "opentelemetry-sdk": "==1.33.0"},
    },
}
"""What versions of the server need, by their own metadata on PyPI (read on 2026-11-29), the newest last."""

_NEWEST = "1.5.1"

_SINCE = (((3, 12), "1.3.4"), ((3, 9), "1.0.0"))
"""The oldest server that an image of Azure ML with a Python may have: there was no older one when the image came."""


@rule("AML317", "warning")
def fights_the_server(
    places: Places,
    requirements: Requirements,
    allowed: Mapping[str, SpecifierSet],
    base: BaseFacts,
    reference: From,
    adds_server: bool,
) -> Iterator[Finding]:
    """A package is listed in a version that the inference server does not work with.

    The server needs flask, pydantic and others in versions of its own, such as `pydantic~=2.12.0` and
    `opentelemetry-api==1.33.0`. Another takes their place for the server too: `pip check` ends the build, and without
    it the server does not start. Where the server is installed with the list, pip takes an old one without a word.

    Bad `requirements.txt`:

        pydantic==1.10.13

    Good `requirements.txt`:

        scikit-learn==1.5.2     # and the base's own pydantic

    Silent: a version with which some server works that the base may have, if the base was not probed; bases that are
    not Azure ML's.
    """
    needed = _needed(allowed, base, reference, adds_server=adds_server)
    listed = _listed(requirements, allowed)
    for name in dict.fromkeys(name for needs in needed.values() for name in needs):
        said = listed.get(name)
        if said is None or any(_meet(said, needs.get(name)) for needs in needed.values()):
            continue
        version, needs = [*needed.items()][-1]
        yield Finding(
            f"{name}{said} does not go with the inference server, which needs {name}{needs[name]} "
            f"({SERVER} {version})",
            location=_where(places, requirements, name),
            hint=f"Leave {name} out, so that the server's own stays, or allow {needs[name]}.",
            fixes=_fixes(requirements, base, name, needed) if SERVER not in listed else (),
        )


def _fixes(
    requirements: Requirements, base: BaseFacts, name: str, needed: Mapping[str, Mapping[str, str]]
) -> tuple[Fix, ...]:
    """The version that the base has, else what its server needs; nothing where it may be one of several servers."""
    if len(needed) != 1:
        return ()
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    (needs,) = needed.values()
    has = [each.version for each in base.distributions or () if canonicalize_name(each.name) == name]
    fits = len(has) == 1 and is_published(has[0]) and SpecifierSet(needs[name]).contains(has[0], prereleases=True)
    return pinned(requirements, name, f"=={has[0]}" if fits else needs[name])


def _needed(
    allowed: Mapping[str, SpecifierSet], base: BaseFacts, reference: From, *, adds_server: bool
) -> Mapping[str, Mapping[str, str]]:
    """What the servers need that the image may have, by their versions."""
    from packaging.utils import canonicalize_name

    own = [str(each.version) for each in allowed.get(SERVER, ()) if each.operator == "=="]
    if own:
        return {version: _NEEDS[version] for version in own if version in _NEEDS}
    for each in base.distributions or ():
        if canonicalize_name(each.name) == SERVER:
            from ..plan.fitting import requirements_of

            needs = (said for said in requirements_of(each, base) if said.specifier)
            return {each.version: {canonicalize_name(said.name): str(said.specifier) for said in needs}}
    if adds_server:
        return {_NEWEST: _NEEDS[_NEWEST]}
    return servers_of(reference.reference, base.python)


def shared_with_the_server(name: str) -> bool:
    """Whether a package, by its normalised name, is one that some server needs in versions of its own."""
    return any(name in needs for needs in _NEEDS.values())


def servers_of(reference: str, base_python: str | None) -> Mapping[str, Mapping[str, str]]:
    """What the servers need that an image of Azure ML's may have, by their versions; none of another image.

    :param base_python: the image's, ``3.12``.
    """
    python = version_of(base_python)
    if catalog.find(reference) is None or python is None:
        return {}
    oldest = next((version for since, version in _SINCE if python >= since), None)
    versions = [*_NEEDS]
    return {version: _NEEDS[version] for version in versions[versions.index(oldest) :]} if oldest else {}


def _listed(requirements: Requirements, allowed: Mapping[str, SpecifierSet]) -> Mapping[str, SpecifierSet]:
    """The versions that are listed or locked, by normalised names; of what has a marker nothing is said."""
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

    marked = {canonicalize_name(each.name) for each in requirements.listed if each.name and each.marker}
    found: dict[str, SpecifierSet] = {
        str(name): said for name, said in allowed.items() if name not in marked and said
    }
    for each in requirements.locked:
        if each.version and not each.marker:
            found[str(canonicalize_name(each.name))] = SpecifierSet(f"=={each.version}")
    return found


def _meet(said: SpecifierSet, needs: str | None) -> bool:
    """Whether a version may be of both; one that is named, or one a little newer than it."""
    if needs is None:
        return True
    from packaging.specifiers import SpecifierSet

    both = said & SpecifierSet(needs)
    named = [each.version.removesuffix(".*") for each in both]
    return any(both.contains(version, prereleases=True) for each in named for version in (each, f"{each}.1"))


def _where(places: Places, requirements: Requirements, name: str) -> str:
    from packaging.utils import canonicalize_name

    listed = [(each.name, each.location) for each in requirements.listed]
    listed += [(each.name, each.location) for each in requirements.locked]
    for written, place in listed:
        if written and canonicalize_name(written) == name and isinstance(place, FileLocation):
            return places.at(place.path, place.line).of(written)
    return places.at(requirements.path)
