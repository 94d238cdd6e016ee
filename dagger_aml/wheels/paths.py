"""Paths of several trees that are laid together: no two may differ, none may lie below another's file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import ProjectError
from ..text import named
from .manifest import Manifest, TreeFile


def check_paths(manifests: Sequence[Manifest]) -> None:
    """Refuse two wheels with one path of different bytes.

    :raises ProjectError: there are two.
    """
    seen: dict[str, tuple[TreeFile, str]] = {}
    for manifest in manifests:
        title = ", ".join(each.name for each in manifest.packages)
        for each in manifest.files:
            before, of = seen.setdefault(each.path, (each, title))
            if before.sha256 != each.sha256:
                raise _clash(of, title, each.path)
    for path, (_, title) in seen.items():
        for folder in parents(path):
            if folder in seen:
                raise _clash(seen[folder][1], title, folder)


def _clash(one: str, two: str, path: str) -> ProjectError:
    return ProjectError(
        f"{one} and {two} both have {path}, and not the same",
        hint="Lock without one of the two; or have pip install the packages, the later over the earlier: "
        f"{named('packages_as', 'installed')}.",
    )


def parents(path: str) -> Iterator[str]:
    """The folders above a path, outermost first."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)
