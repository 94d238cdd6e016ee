"""Python packages as files: the wheels of a lock, copied into a folder in front of the base's packages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..base import catalog
from ..errors import ProjectError, UsageError
from ..graph.graph import Graph
from ..text import named
from .packages import FOLDER, Via, in_front
from .pip import needing_python

if TYPE_CHECKING:
    from ..requirements.conda_twins import CondaSettings

PackagesAs = Literal["installed", "files"]


async def packages_files(
    graph: Graph,
    requirements: str | Path | None = None,
    *,
    more: Iterable[str] = (),
    via: Via = "pythonpath",
    root: Path | None = None,
    check: bool = True,
    conda: CondaSettings | None = None,
) -> Graph:
    """Copy the wheels of a lock, unpacked, into a folder beside the entry script, as root's; nothing runs.

    The base's environment stays as it is, and its packages are found after those of the folder. Which wheel of a
    package fits is decided by the base's Python, platform and C library. Reads the lock and the wheels that it names
    by their paths; needs the network when it is built, for what is not kept on this machine, none when it starts.
    Call it after ``code``.

    :param requirements: a pylock.toml or uv.lock that names each wheel and its SHA-256.
    :param more: requirements beside it; refused, since no lock has them.
    :param via: how the folder is found, as of ``packages``.
    :param root: the project, outside of which no file may lie; the lock's own folder unless given.
    :param check: whether what the packages require is looked for, in the folder and the base.
    :param conda: how a conda file is read, which is refused then: it is no lock.
    :raises ProjectError: the file is missing, no lock, empty, or has a package without a wheel.
    :raises UsageError: something of ``more``.
    :raises GraphError: another way of adding packages at start is set.
    """
    added = tuple(more)
    if added:
        raise UsageError(
            f"{added[0]} is in no lock, so it cannot be copied as files",
            location=named("pip"),
            hint="Add it to the list that the lock is made of, and lock again.",
        )
    from ..requirements.read import read_requirements

    found = read_requirements(Path(requirements), root=root, conda=conda) if requirements else None
    if found is None or not found.titles:
        raise ProjectError("lists no packages", location=str(found.path) if found else None)
    from ..requirements.wheels import locked_wheels

    source = locked_wheels(found, checked=check, python=catalog.python(graph.base) if graph.base else None)
    graph = needing_python(graph, found)
    return in_front(graph, source, FOLDER, via, f"packages of {found.path.name}")
