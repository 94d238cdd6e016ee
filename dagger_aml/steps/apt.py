"""Debian packages."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ProjectError
from ..graph.graph import Graph, Run
from ..text import named

_SCRIPT = """\
apt-get update
apt-get install -y --no-install-recommends -- "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \
/var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log"""


_ARCHIVES = r"https?://([a-z0-9-]+\.)*(archive|security|ports)\.ubuntu\.com/(ubuntu|ubuntu-ports)|"
_ARCHIVES += r"https?://(deb|security|ftp\.[a-z]+|cdn-fastly\.deb)\.debian\.org/debian"


def _from_mirror(file: str) -> str:
    """Puts the base's own apt sources, a mirror in the archive's place, into a folder for this command alone.

    :param file: that has the URL.
    """
    return f"""\
sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
read -r mirror < {file}
mkdir "$sources/parts"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  [ ! -f "$file" ] || sed -E "s#{_ARCHIVES}#${{mirror%/}}#g" "$file" > "$sources/parts/${{file##*/}}"
done
chmod -R a+rX "$sources"
"""


_THOSE_SOURCES = 'apt-get -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$sources/parts" '


async def apt(graph: Graph, packages: Iterable[str]) -> Graph:
    """Install packages with apt-get, as root. Needs the network when it is built.

    Writes where the packages write; package lists, caches and apt's own logs are removed again, so that a layer holds
    the packages and nothing that differs from build to build. After the how-to "Extend a prebuilt Docker image",
    without its ``USER`` lines: the image's own user is untouched.

    The graph's ``access`` says which mirror, logins and CAs the command sees; the image's own apt sources stay as
    they are.

    :param packages: ``NAME``, ``NAME=VERSION``, ``NAME/RELEASE`` or ``NAME:ARCH``; none is no step.
    :raises GraphError: one is not a package name.
    """
    from ..network.mounts import APT_MIRROR, apt_mounts
    from ..requirements.apt import check_apt

    names = check_apt(tuple(packages))
    if not names:
        return graph
    script = _SCRIPT
    if graph.access.apt_mirror:
        script = _from_mirror(APT_MIRROR) + _SCRIPT.replace("apt-get ", _THOSE_SOURCES)
    run = Run(
        ("/bin/sh", "-euc", script, "apt", *names),
        env={"DEBIAN_FRONTEND": "noninteractive"},
        mounts=apt_mounts(graph.access),
        name=f"apt {' '.join(names)}",
        verb="apt",
        ages=True,
    )
    return graph.add(run)


async def no_apt(graph: Graph, packages: Iterable[str]) -> Graph:
    """For recipes that install nothing when the image is built: refuse apt packages.

    :raises ProjectError: there are some.
    """
    names = " ".join(packages)
    if names:
        raise ProjectError(
            f"this recipe installs nothing when the image is built, so it cannot install apt packages: {names}",
            location="apt",
            hint=f"Use the `extended` recipe (`{named('recipe', 'extended')}`), which installs them.",
        )
    return graph
