"""Images with a Python and no inference server: Docker's official ``python``, and what is assumed of all such."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.base import From
from ..graph.checks import parse_reference
from ..text import pattern
from .facts import BaseFacts, PathFact

PYTHONS = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9", "3.8", "3.7", "3.6")
"""Those that the inference server has a version for and Docker an image of, the newest first (tried from 3.6 to 3.13
on 2026-11-29, docs/bases.md)."""

_TAG = pattern(r"(3\.\d+)(?:\.|-|\Z)")
"""``3.10`` of ``3.10.13-slim-bookworm``; ``3`` and ``slim`` name no version."""

DIRECTORIES: Mapping[str, PathFact] = {
    **{path: PathFact("dir") for path in ("/etc", "/home", "/opt", "/usr", "/usr/share", "/var")},
    "/tmp": PathFact("dir", 0o1777),
}


def is_plain(base: From) -> bool:
    """Whether a base is Docker's official image of Python, or a mirror's, as far as its name tells."""
    *above, name = parse_reference(base.reference)[0].split("/")
    is_host = len(above) == 1 and (above[0] == "localhost" or any(mark in above[0] for mark in ".:"))
    return name == "python" and (not above or is_host or above[-1] == "library")


def python_of(base: From) -> str | None:
    """The version of such a base's Python, ``3.10``, as far as its tag tells."""
    tag = parse_reference(base.reference)[1]
    found = _TAG.match(tag or "") if is_plain(base) else None
    return found[1] if found else None


def assumed_plain(base: From) -> BaseFacts:
    """What is assumed of a base with a Python and no server: the layout of Docker's official image."""
    return BaseFacts(
        source="catalog" if is_plain(base) else "assumed",
        user="",
        uid=0,
        gid=0,
        environment="/usr/local",
        interpreter="/usr/local/bin/python3",
        python=python_of(base),
        server="",
        starts=False,
        extras=False,
        cmd=("python3",),
        paths=DIRECTORIES,
    )


def image_for(versions: str) -> str | None:
    """The image with the newest Python that a range has, ``python:3.10-slim``; None where it has none of them.

    :param versions: as pip writes them, ``==3.10.*``.
    """
    return next((f"python:{python}-slim" for python in PYTHONS if is_for(versions, python)), None)


def is_for(versions: str, python: str) -> bool:
    """Whether a range has some release of a Python such as ``3.12``."""
    from packaging.specifiers import SpecifierSet

    wanted = SpecifierSet(versions)
    return any(wanted.contains(f"{python}.{patch}") for patch in range(100))
