"""Rules about a folder of installed packages: what they need of each other, of the base, and the server of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING, Final

from .. import contract
from ..base.facts import BaseFacts, Distribution
from ..finding import Finding
from ..graph.base import From
from .packages_server import servers_of
from .rule import rule
from .site_packages import at, named

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from ..sitepackages.model import Package, PackagesFolder

_OF_ENVIRONMENTS: Final = frozenset({"pip", "setuptools", "wheel"})
"""What environments are made with; which of them a base has depends on the day."""


@rule("AML920", "warning")
def missing(
    packages_folder: PackagesFolder, base_python: str, base_packages: Mapping[str, str], base: BaseFacts
) -> Iterator[Finding]:
    """A package that another one of the folder requires is missing.

    The folder must have all that its packages need and the base does not bring (`Requires-Dist` of their metadata,
    with the markers of the base's Python).

    Bad `shell`:

        pip install --no-deps --target libs pandas

    Good `shell`:

        pip install --target libs pandas

    Silent: what the base brings, as far as it is known; what only an extra requires; pip, setuptools and wheel; where
    nothing is known of the base's packages.
    """
    from ..plan.fitting import unmet

    own = _versions(packages_folder)
    there = {each.key for each in packages_folder.packages} | base_packages.keys()
    found: dict[str, list[Package]] = {}
    for package in packages_folder.packages:
        for _, requirement in unmet((package.distribution,), own, base, only=_Not(there | _OF_ENVIRONMENTS)):
            found.setdefault(str(requirement.name), []).append(package)
    for name, packages in found.items():
        verb = "requires" if len(packages) == 1 else "require"
        yield Finding(
            f"{named([each.name for each in packages])} {verb} {name}, which neither the folder nor the base has",
            location=at(packages_folder, packages[0].folder),
            hint=f"Add {name} to the folder, in a version that they take.",
        )


@rule("AML921", "warning")
def at_odds(packages_folder: PackagesFolder, base_python: str, base: BaseFacts) -> Iterator[Finding]:
    """A package of the folder requires another version of a package than the folder has.

    What `pip check` would say of the folder. `pip install --target` does not look at what is there already.

    Bad `shell`:

        pip install --target libs numpy==2.3.5; pip install --target libs numba==0.61.0   # numpy<2.2

    Good `shell`:

        pip install --target libs numpy numba

    Silent: packages that are missing (AML920 tells) or there twice (AML917); what only an extra requires.
    """
    from packaging.utils import canonicalize_name

    from ..plan.fitting import unmet

    own = _versions(packages_folder)
    for package in packages_folder.packages:
        for _, requirement in unmet((package.distribution,), own, base, only=own):
            has = own[canonicalize_name(requirement.name)]
            yield Finding(
                f"{package.title} requires {requirement.name}{requirement.specifier}, and the folder has {has}",
                location=at(packages_folder, package.folder),
                hint="Install all packages of the folder in one call, so that their versions fit.",
            )


@rule("AML922", "warning")
def at_odds_with_server(
    packages_folder: PackagesFolder, base_python: str, base: BaseFacts, reference: From
) -> Iterator[Finding]:
    """The folder has a package in another version than the inference server needs.

    The folder comes before the base's packages, for the server too. Whether it then starts is a matter of luck. Tried
    with server 1.5.1, which requires pydantic ~=2.12.0 and opentelemetry 1.33.0: it does not start with pydantic 1.10
    or 2.5, nor with opentelemetry-api 1.40 in the folder, and it serves with pydantic 2.9 and 2.13.

    Bad `folder`:

        libs/pydantic-1.10.24.dist-info/METADATA

    Good `folder`:

        libs/pydantic-2.12.5.dist-info/METADATA

    Silent: a folder with a server of its own (AML921 holds its packages against that); bases that are known to have
    no server; a version with which some server works that the base may have, if the base was not probed.
    """
    from packaging.utils import canonicalize_name

    own = _versions(packages_folder)
    if contract.SERVER in own or base.server == "":
        return
    told = set()
    for owner, requirement in _unmet_of_server(own, base, reference):
        name = canonicalize_name(requirement.name)
        if name in told or canonicalize_name(owner.name) in own:
            continue
        told.add(name)
        yield Finding(
            f"the inference server would get {requirement.name} {own[name]} of the folder, and {owner.name} "
            f"{owner.version} requires {requirement.name}{requirement.specifier}",
            location=at(packages_folder, _folder_of(packages_folder, name)),
            hint=f"Leave {requirement.name} out of the folder, or take a version that the server takes.",
        )


def _unmet_of_server(
    own: Mapping[str, str], base: BaseFacts, reference: From
) -> Iterator[tuple[Distribution, Requirement]]:
    """What the base's server does not get of the folder; of several that the base may have, the newest tells."""
    from ..plan.fitting import needed_by_server, unmet

    if base.distributions is not None:
        yield from unmet(needed_by_server(base), own, base, only=own)
        return
    servers = [
        Distribution(contract.SERVER, version, tuple(f"{name}{versions}" for name, versions in needs.items()))
        for version, needs in servers_of(reference.reference, base.python).items()
    ]
    found = [list(unmet((server,), own, base, only=own)) for server in servers]
    fought = [{requirement.name for _, requirement in each} for each in found]
    for owner, requirement in found[-1] if found else ():
        if all(requirement.name in names for names in fought):
            yield owner, requirement


def _versions(folder: PackagesFolder) -> dict[str, str]:
    """The versions of the folder's packages, of those that are there once and say one that can be compared."""
    from ..requirements.versions import is_version

    found: dict[str, str] = {}
    twice = set()
    for each in folder.packages:
        name = each.key
        twice |= {name} & found.keys()
        found[name] = each.distribution.version
    return {name: version for name, version in found.items() if name not in twice and is_version(version)}


def _folder_of(folder: PackagesFolder, name: str) -> str:
    return next(each.folder for each in folder.packages if each.key == name)


class _Not:
    """A collection that has everything but some names."""

    def __init__(self, names: Set[str]) -> None:
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name not in self._names
