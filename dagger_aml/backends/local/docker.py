"""docker, with the classic builder or with BuildKit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from ...data import frozen
from ...errors import DaggerAmlError, UsageError
from ...events import Message, OnEvent
from ...policy import Policy
from ...text import named
from ..base import Capabilities, Format, Runtime
from .docker_cli import DockerCli
from .kind import LocalKind
from .program import answer

CAPABILITIES = Capabilities(
    name="docker",
    install="Install Docker (https://docs.docker.com/engine/install; Debian and Ubuntu: apt-get install docker.io)",
    forms=("classic", "buildkit"),
    connects_to_engine=False,
    own_store=True,
    pushes_index=False,
    one_at_a_time=False,
    serves=True,
    leaves_containers=True,
)


def _denied() -> str:
    from ..store import LET_IN

    return (
        f"{LET_IN}\nOr use a builder without a daemon: {named('builder', 'podman')}, {named('builder', 'buildah')}."
    )


_SILENT = "Start the Docker daemon, or name another with $DOCKER_HOST."


def docker_form(version: Mapping[str, Any], buildx: bool) -> tuple[Format, str]:
    """Which builder ``docker build`` has here, and why.

    :param version: what ``docker version --format '{{json .}}'`` prints.
    :param buildx: whether ``docker buildx version`` works; clients from 23.0 on have no BuildKit of their own.
    """
    client = str(version["Client"].get("Version", ""))
    server: Mapping[str, Any] = version.get("Server") or {}
    numbers = [int(part) for part in re.findall(r"\d+", client)[:2]] or [0]
    daemon = str(server.get("Version", "unknown"))
    said = f"docker {client}, daemon {daemon}"
    if any("podman" in str(each.get("Name", "")).lower() for each in server.get("Components") or ()):
        return "classic", f"{said}: the daemon is podman's, without BuildKit"
    if _api(server) < (1, 39) or numbers < [18, 9]:
        return "classic", f"{said}: too old for BuildKit"
    if numbers[0] >= 23 and not buildx:
        return "classic", f"{said}: the client has no working buildx"
    return "buildkit", said


def _api(server: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", str(server.get("ApiVersion", "0"))))


@frozen
class Docker(DockerCli):
    """Drives ``docker``."""

    name: str = "docker"

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def runtime(self) -> Runtime:
        return _runtime()

    async def config_digest(self, image: str) -> str | None:
        """The image's ID, but not in containerd's store, the default since Docker 29: there it is the manifest's."""
        found = await self.inspect(image)
        return found.config_digest if found else None


def _found(format: Format | None, on_event: OnEvent, policy: Policy) -> Docker:
    """The docker that is here, for the form that its client and daemon can both build; an event says which."""
    version = json.loads(
        answer("docker", "version", "--format", "{{json .}}", hint=_SILENT, denied=_denied(), policy=policy)
    )
    try:
        answer("docker", "buildx", "version", hint=_SILENT, policy=policy)
        buildx = True
    except DaggerAmlError:
        buildx = False
    form, why = docker_form(version, buildx)
    if format == "buildkit" and form == "classic":
        raise UsageError(
            f"docker cannot build the buildkit format on this machine ({why})",
            location=named("format", "buildkit"),
            hint="Install Docker's buildx plugin, or use a builder that needs none: "
            f"{named('builder', 'podman')}, {named('builder', 'buildah')}. Where no step needs a mount, "
            f"{named('format', 'classic')} does.",
        )
    on_event(Message(f"{why}; using the {format or form} Dockerfile format"))
    client = int((str(version["Client"].get("Version", "0")).split(".")[0]) or 0)
    return Docker(format or form, buildx and client >= 23)


def _runtime() -> Runtime:
    from .containers import Containers

    return Containers(CAPABILITIES.name, KIND.tool)


KIND = LocalKind(CAPABILITIES, _found, _runtime, partial(Docker, "classic", at_socket=True))
