"""The local image store that ``--load`` puts an image into: docker's, else podman's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import anyio

from ..errors import BuildError, DaggerAmlError
from ..policy import DEFAULT, Policy


async def docker_answers(policy: Policy = DEFAULT) -> bool:
    """Whether a Docker daemon answers, in ten seconds unless the policy says otherwise."""
    if not shutil.which("docker"):
        return False
    try:
        with anyio.fail_after(policy.program_answer_timeout_seconds):
            asked = await anyio.run_process(["docker", "version", "--format", "{{.Server.Version}}"], check=False)
    except (TimeoutError, OSError):
        return False
    return asked.returncode == 0 and bool(asked.stdout.strip())


async def image_store(policy: Policy = DEFAULT) -> str:
    """``docker`` or ``podman``, whichever is there, docker first.

    :raises DaggerAmlError: neither.
    """
    if await docker_answers(policy):
        return "docker"
    if shutil.which("podman"):
        return "podman"
    raise DaggerAmlError(
        "there is no local image store to load into: no Docker daemon answers and podman is not installed",
        location="--load",
        hint="Start Docker, install podman, or write a tar with -o IMAGE.tar.",
    )


async def load_tar(store: str, tar: Path, reference: str) -> str | None:
    """``docker load`` or ``podman load`` of a tar; the ID by which the store has the image then, as far as it tells.

    :param reference: the image's name in it.
    :raises BuildError: it failed.
    """
    command = [store, "load", "-i", str(tar)]
    done = await anyio.run_process(command, check=False, stderr=subprocess.STDOUT)
    if done.returncode:
        output = done.stdout.decode(errors="replace")
        raise BuildError(f"{store} refused the image", location="load", command=tuple(command), output=output)
    asked = [store, "image", "inspect", "--format", "{{.Id}}", reference]
    told = await anyio.run_process(asked, check=False)
    found = told.stdout.decode(errors="replace").strip()
    if told.returncode or not found:
        return None
    return found if ":" in found else f"sha256:{found}"
