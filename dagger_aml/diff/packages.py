"""The Python packages in which two images differ, by the folders of their metadata."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Mapping

from ..base.distributions import of_folder
from ..data import frozen
from ..oci.layer import Node

_METADATA = ".dist-info/METADATA"


@frozen
class PackageChange:
    """A package that only one image has, or both in other versions.

    :param name: as it is compared, ``scikit-learn``.
    :param site: the folder in which it is installed.
    :param before: its version in the first image; None where that has none. :param after: in the second.
    """

    name: str
    site: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.name} {self.after}"
        if self.after is None:
            return f"- {self.name} {self.before}"
        return f"{self.name} {self.before} → {self.after}"


def package_changes(one: Mapping[str, Node], two: Mapping[str, Node]) -> tuple[PackageChange, ...]:
    """What differs, by folder and name. A package that a folder has twice, as a broken update leaves it, has both
    versions.

    :param one: the paths of the first image. :param two: of the second.
    """
    before, after = _packages(one), _packages(two)
    return tuple(
        PackageChange(name, site, before.get((site, name)), after.get((site, name)))
        for site, name in sorted(before.keys() | after.keys())
        if before.get((site, name)) != after.get((site, name))
    )


def _packages(files: Mapping[str, Node]) -> dict[tuple[str, str], str]:
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for path in files:
        if path.endswith(_METADATA):
            folder = posixpath.dirname(path)
            if said := of_folder(posixpath.basename(folder)):
                found[posixpath.dirname(folder), said[0]].append(said[1])
    return {each: ", ".join(sorted(versions)) for each, versions in found.items()}
