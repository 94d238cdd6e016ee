"""The builder behind ``--with docker``, ``podman`` or ``buildah``."""

from __future__ import annotations

import json
import shutil
import subprocess

from ...errors import DaggerAmlError, UsageError
from ...events import OnEvent, Said, ignore
from ..base import Format
from .builder import LocalBuilder
from .docker import Docker, docker_form
from .podman import Buildah, Podman
from .program import DEADLINE, Tool

INSTALL = {
    "docker": "Install Docker (https://docs.docker.com/engine/install; Debian and Ubuntu: apt-get install docker.io)",
    "podman": "Install podman (https://podman.io/docs/installation; Debian and Ubuntu: apt-get install podman)",
    "buildah": "Install buildah, on Linux only (Debian and Ubuntu: apt-get install buildah)",
}


def local_builder(
    name: str,
    *,
    format: Format | None = None,
    no_cache: bool = False,
    pull: bool = False,
    on_event: OnEvent = ignore,
) -> LocalBuilder:
    """The builder behind ``build --with docker``, ``podman`` or ``buildah``.

    :param format: of the Dockerfile. By default ``buildkit`` where the program takes it, which docker's client and
        daemon must both do; an event says which.
    :param no_cache: run every step again.
    :param pull: take a base only as its registry has it now, never as the store does.
    :raises UsageError: no such builder, or docker has no BuildKit and ``format`` asks for it.
    :raises DaggerAmlError: the program is not installed, or does not answer within 10 s.
    """
    if name not in INSTALL:
        raise UsageError(f"no such builder: {name}", where="--with", do=f"Take {', '.join(INSTALL)} or dagger.")
    if not shutil.which(name):
        raise DaggerAmlError(f"{name} is not installed", where=f"--with {name}", do=INSTALL[name] + ".")
    if name == "docker":
        tool: Tool = _docker(format, on_event)
    else:
        _answer(name, "version")
        tool = (Podman if name == "podman" else Buildah)(format or "buildkit")
    return LocalBuilder(tool, no_cache, on_event, pull)


def _docker(format: Format | None, on_event: OnEvent) -> Docker:
    version = json.loads(_answer("docker", "version", "--format", "{{json .}}"))
    try:
        _answer("docker", "buildx", "version")
        buildx = True
    except DaggerAmlError:
        buildx = False
    form, why = docker_form(version, buildx)
    if format == "buildkit" and form == "classic":
        raise UsageError(
            f"docker cannot build the buildkit form here ({why})",
            where="--format buildkit",
            do="Install Docker's buildx plugin, or take --format classic.",
        )
    on_event(Said(f"{why}: building the {format or form} form"))
    client = int((str(version["Client"].get("Version", "0")).split(".")[0]) or 0)
    return Docker(format or form, buildx and client >= 23)


def _answer(*command: str) -> str:
    """What a short command prints.

    :raises DaggerAmlError: it fails, or takes more than 10 s.
    """
    name = command[0]
    do = "Start the Docker daemon, or name another with $DOCKER_HOST." if name == "docker" else f"Try: {name} version"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired:
        raise DaggerAmlError(f"{name} does not answer within 10 s", where=f"--with {name}", do=do) from None
    except OSError as error:
        raise DaggerAmlError(f"{name} cannot be started ({error.strerror})", where=f"--with {name}") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise DaggerAmlError(f"{name} does not answer: {last}", where=f"--with {name}", do=do)
    return done.stdout
