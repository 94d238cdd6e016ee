"""The local image store that ``--load`` puts an image into: docker's, else podman's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import anyio

from ..errors import BuildError, DaggerAmlError

_DEADLINE = 10.0
"""Seconds in which a daemon must answer."""


async def docker_answers() -> bool:
    """Whether a Docker daemon answers within ten seconds."""
    if not shutil.which("docker"):
        return False
    try:
        with anyio.fail_after(_DEADLINE):
            asked = await anyio.run_process(["docker", "version", "--format", "{{.Server.Version}}"], check=False)
    except (TimeoutError, OSError):
        return False
    return asked.returncode == 0 and bool(asked.stdout.strip())


async def image_store() -> str:
    """``docker`` or ``podman``, whichever is there, docker first.

    :raises DaggerAmlError: neither.
    """
    if await docker_answers():
        return "docker"
    if shutil.which("podman"):
        return "podman"
    raise DaggerAmlError(
        "there is no local image store to load into: no Docker daemon answers and podman is not installed",
        where="--load",
        do="Start Docker, install podman, or write a tar with -o IMAGE.tar.",
    )


async def load_tar(store: str, tar: Path) -> None:
    """``docker load`` or ``podman load`` of a tar.

    :raises BuildError: it failed.
    """
    command = [store, "load", "-i", str(tar)]
    done = await anyio.run_process(command, check=False, stderr=subprocess.STDOUT)
    if done.returncode:
        output = done.stdout.decode(errors="replace")
        raise BuildError(f"{store} refused the image", step="load", command=tuple(command), output=output)
