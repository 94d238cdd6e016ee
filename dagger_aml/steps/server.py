"""The inference server, for a base that has a Python and no server."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .. import contract
from ..graph.base import Need
from ..graph.graph import Copy, Graph, Run
from ..graph.source import Empty, Text
from ..graph.values import FromBase
from ..text import named
from .pip import HAS_PIP, NOT_MANAGED, SHARE

if TYPE_CHECKING:
    from ..requirements.conda_twins import CondaSettings
    from ..requirements.model import Requirements
    from .installer import Installer

PACKAGE: Final = contract.SERVER

START: Final = f"{SHARE}/serve"
"""The command of the image."""

_START: Final = f"""\
#!/bin/sh
# Becomes the inference server, with the variables that the start script of Azure ML's images reads.
cd "${{{contract.APP}:-{contract.APP_ROOT}}}" || exit
PATH="${contract.ENVIRONMENT_PATH}/bin:$PATH"
exec azmlinfsrv --entry_script "${{{contract.ENTRY_SCRIPT}:-main.py}}" --port {contract.SCORING_PORT}
"""

USER: Final = "dockeruser"
HOME: Final = f"/home/{USER}"

_ADD_USER: Final = f"""\
! cut -d: -f1,3 /etc/passwd | grep -q -e '^{USER}:' -e ":$1\\$" || exit 0
for file in /etc/passwd /etc/group; do [ -z "$(tail -c 1 "$file")" ] || echo >> "$file"; done
echo "{USER}:*:$1:$2::{HOME}:/bin/sh" >> /etc/passwd
cut -d: -f1,3 /etc/group | grep -q -e '^{USER}:' -e ":$2\\$" || echo "{USER}:*:$2:" >> /etc/group
mkdir -p {HOME}
chown "$1:$2" {HOME}"""
"""Gives the number a name and a home. useradd would write the day, and files of its own, into the image."""


def has_no_start() -> Need:
    """What a base must be to which the server is added."""
    return Need(
        "starts",
        False,
        f"the base image has Azure ML's start script ({contract.START_SCRIPT}) already, so no server is to be added",
        f'Leave it to the base image: {named("server", "base")}, or server = "base" in dagger-aml.toml.',
    )


async def server(
    graph: Graph,
    requirements: str | Path | None = None,
    *,
    more: Iterable[str] = (),
    root: Path | None = None,
    installer: Installer = "pip",
    check: bool = True,
    conda: CondaSettings | None = None,
) -> Graph:
    """Add the inference server to a base without it, such as ``python:3.10-slim``, and have the image start it.

    Installs the newest version that the base's Python takes, as the owner of its environment; not where the list
    names the server without a marker, which brings it then. Gives the image a user of the name and number that Azure
    ML's images have (dockeruser, 1000:1000), unless the base has one that is not root; makes ``/var/azureml-app``,
    that user's; writes the start command to ``/usr/share/dagger-aml``; sets user, command, port 5001 and the
    variables that Azure ML's images have, and no entrypoint, whatever the base's is. Call it first, after ``base``:
    code that follows belongs to the same user, and the project's variables win. Needs the network when it is built.

    :param requirements: what is installed later, which may list the server itself.
    :param more: requirements to be installed beside those of the file.
    :param root: the project, outside of which no file may lie.
    :param installer: as of ``pip``, and so is ``check``.
    :param conda: how a conda file is read.
    :raises ProjectError: the list cannot be read.
    """
    from ..requirements.read import read_requirements
    from .installer import install
    from .pip_check import checked

    graph = graph.need(has_no_start()).need(HAS_PIP).need(NOT_MANAGED)
    uid, gid = FromBase("service_uid"), FromBase("service_gid")
    graph = graph.add(
        Run(
            ("/bin/sh", "-euc", _ADD_USER, "user", uid, gid),
            touches=("/etc/passwd", "/etc/group", HOME),
            name="server user",
            verb="server",
        ),
        Copy(Empty(), contract.APP_ROOT, "tree", uid, gid, name=f"server folder {contract.APP_ROOT}"),
        Copy(Text(_START.encode(), executable=True), START, "file", name="server start command"),
    )
    found = read_requirements(Path(requirements), root=root, conda=conda) if requirements else None
    if PACKAGE not in {*(_certain(found) if found else ()), *_names(more)}:
        made = install(installer, graph.access)
        command = (*made.argv, PACKAGE)
        graph = graph.add(
            Run(
                checked(command) if check else command,
                FromBase("environment_owner"),
                made.env,
                touches=(FromBase("environment"), "/tmp"),
                mounts=made.mounts,
                name=f"server {PACKAGE}",
                verb="server",
                ages=True,
            )
        )
    return graph.configure(
        user=FromBase("service_user"),
        cmd=(START,),
        entrypoint=(),
        ports=(contract.SCORING_PORT,),
        env={
            contract.APP: contract.APP_ROOT,
            contract.ENVIRONMENT_PATH: FromBase("environment"),
            "AZUREML_INFERENCE_SERVER_HTTP_ENABLED": "True",
            contract.WORKER_TIMEOUT: "300",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
        },
    )


def user_of(graph: Graph) -> tuple[FromBase, FromBase]:
    """UID and GID of the user as whom a graph's image runs its server, which code belongs to."""
    prefix = "service_" if is_added(graph) else ""
    return FromBase(f"{prefix}uid"), FromBase(f"{prefix}gid")


def is_added(graph: Graph) -> bool:
    """Whether a graph's image gets its server by this step."""
    return graph.config.cmd == (START,)


def _certain(found: Requirements) -> set[str]:
    """The normalised names of what a list installs on whatever Python; of a lock, of all that it has."""
    from packaging.utils import canonicalize_name

    names = [each.name for each in found.listed if each.name and not each.marker and not each.constraint]
    return {canonicalize_name(name) for name in (names if found.listed else found.names)}


def _names(listed: Iterable[str]) -> set[str]:
    """The normalised names of some requirements without a marker; what is none is refused where it is installed."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    for text in listed:
        with suppress(InvalidRequirement):
            read = Requirement(text)
            if read.marker is None:
                found.add(canonicalize_name(read.name))
    return found
