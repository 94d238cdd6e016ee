"""Where the daemons are whose command lines are driven, as far as the environment and docker's own files tell."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from ...oci.credentials import docker_config

_SOCKET = "unix://"


def docker_elsewhere() -> str | None:
    """Why docker's daemon is not on this machine; None where it may be. One sentence without a full stop."""
    if sys.platform != "linux":
        return "docker runs in a virtual machine here"
    host = _docker_host()
    return f"docker's daemon is at {host}" if _is_elsewhere(host) else None


def docker_socket() -> Path | None:
    """The socket of docker's daemon on this machine; None where it has none that is known."""
    if sys.platform != "linux" or _is_elsewhere(host := _docker_host()):
        return None
    return Path(host.removeprefix(_SOCKET) if host else "/var/run/docker.sock")


def _docker_host() -> str | None:
    return os.environ.get("DOCKER_HOST") or _of_context(docker_config().parent)


def _is_elsewhere(host: str | None) -> bool:
    return bool(host) and not str(host).startswith(_SOCKET)


def podman_elsewhere() -> str | None:
    """The same of podman's."""
    if sys.platform != "linux":
        return "podman runs in a virtual machine here"
    for name in ("CONTAINER_HOST", "CONTAINER_CONNECTION"):
        where = os.environ.get(name)
        if where and not where.startswith(_SOCKET):
            return f"${name} names another machine"
    return None


def _of_context(folder: Path) -> str | None:
    """The daemon's address as docker's context says it; None where none is chosen."""
    name = os.environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext")
    if not isinstance(name, str) or name in ("", "default"):
        return None
    kept = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        return str(_read(kept)["Endpoints"]["docker"]["Host"])
    except (KeyError, TypeError):
        return f"an address that the context {name} does not tell"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
