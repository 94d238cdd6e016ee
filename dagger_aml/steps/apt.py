"""Debian packages."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ProjectError
from ..graph import Graph, Run
from ..requirements import check_apt

_SCRIPT = """\
apt-get update
apt-get install -y --no-install-recommends -- "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \
/var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log"""


async def apt(graph: Graph, packages: Iterable[str]) -> Graph:
    """Install packages with apt-get, as root. Needs the network when it is built.

    Writes where the packages write; package lists, caches and apt's own logs are removed again, so that a layer holds
    the packages and nothing that differs from build to build. After the how-to "Extend a prebuilt Docker image",
    without its ``USER`` lines: the image's own user is untouched.

    :param packages: ``NAME``, ``NAME=VERSION``, ``NAME/RELEASE`` or ``NAME:ARCH``; none is no step.
    :raises GraphError: one is not a package name.
    """
    names = check_apt(tuple(packages))
    if not names:
        return graph
    run = Run(
        ("/bin/sh", "-euc", _SCRIPT, "apt", *names),
        env={"DEBIAN_FRONTEND": "noninteractive"},
        step=f"apt {' '.join(names)}",
    )
    return graph.add(run)


async def no_apt(graph: Graph, packages: Iterable[str]) -> Graph:
    """For recipes that install nothing when the image is built: refuse apt packages.

    :raises ProjectError: there are some.
    """
    names = " ".join(packages)
    if names:
        raise ProjectError(
            f"this recipe installs nothing when the image is built, so no apt packages either: {names}",
            where="apt",
            do="Take the recipe extended (`--recipe extended`), which does.",
        )
    return graph
