"""buildah, which builds without running a daemon and cannot serve: podman, which shares its store, does that."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import field

from ...data import frozen
from ...errors import UsageError
from ...events import OnEvent
from ...graph.checks import parse_reference
from ...policy import Policy
from ...process import CompletedProcess
from ..base import Capabilities, Format, Runtime
from . import podman
from .containers_cli import ContainersCli, names, without_colon
from .kind import LocalKind
from .limits import limit_flags
from .moved import move_as_own
from .program import StoredImage, answer, first_json, full_name, full_reference, random_name, with_algorithm

CAPABILITIES = Capabilities(
    name="buildah",
    install="Install buildah, on Linux only (Debian and Ubuntu: apt-get install buildah)",
    forms=("classic", "buildkit"),
    connects_to_engine=False,
    own_store=True,
    pushes_index=True,
    one_at_a_time=True,
    serves=False,
    leaves_containers=True,
)


@frozen
class Buildah(ContainersCli):
    """Drives ``buildah``."""

    name: str = "buildah"
    _always: tuple[str, ...] = field(default=("--policy", "always"), init=False)
    """Otherwise an image that the store has is never looked for again."""

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def runtime(self) -> Runtime:
        return _runtime()

    async def inspect(self, reference: str) -> StoredImage | None:
        for name in names(reference):
            done = await self.run("inspect", "--type", "image", name)
            if done.code:
                continue
            read = first_json(done.out)
            docker = read["Docker"]
            platform = f"{docker.get('os')}/{docker.get('architecture')}"
            repository = full_name(parse_reference(reference)[0])
            digest = read.get("FromImageDigest")
            digests = ((repository, digest),) if digest else ()
            return StoredImage(with_algorithm(read["FromImageID"]), digests, platform, docker.get("config") or {})
        return None

    async def probe(self, image: str, argv: Sequence[str], stdin: str) -> CompletedProcess:
        async with self._container(image) as (made, name):
            if made.code:
                return made
            flags = ["--network", "none", "--user", "0:0", "--workingdir", "/"]
            return await self.run("run", *flags, name, "--", *argv, stdin=stdin or "\n")

    async def save(self, image: str, tar: Path, reference: str | None, work: Path) -> CompletedProcess:
        link = without_colon(tar, work)
        named = f":{full_reference(reference)}" if reference else ""
        return await self.run("push", image, f"docker-archive:{link.name}{named}", work=work, cwd=work)

    async def copy_out(self, image: str, path: str, dest: Path, work: Path) -> CompletedProcess:
        """By a build, since mounting needs root or a user namespace."""
        (work / "empty").mkdir()
        lines = ["FROM scratch", f"COPY --from={image.removeprefix('sha256:')} {json.dumps([path + '/', '/'])}"]
        (work / "Copy").write_text("\n".join(lines) + "\n")
        (work / "out").mkdir()
        flags = ["--layers=false", "--iidfile", "copied", "--output", "type=local,dest=out", "--file", "Copy"]
        done = await self.build_marked(*flags, "empty", work=work, cwd=work)
        if not done.code:
            await self.shielded("rmi", (work / "copied").read_text().strip())
            move_as_own(work / "out", dest)
        return done

    @asynccontextmanager
    async def _container(self, image: str) -> AsyncIterator[tuple[CompletedProcess, str]]:
        name = random_name()
        try:
            yield await self.run("from", "--pull-never", *limit_flags(), "--name", name, image), name
        finally:
            await self.shielded("rm", name)


def _found(format: Format | None, _: OnEvent, policy: Policy) -> Buildah:
    answer("buildah", "version", policy=policy)
    return Buildah(format or "buildkit")


def _runtime() -> Runtime:
    """podman's.

    :raises UsageError: it is not installed.
    """
    if not shutil.which(podman.CAPABILITIES.name):
        raise UsageError(
            "buildah cannot serve an image, and podman, which shares its images, is not installed",
            hint="Install podman, or use another builder.",
        )
    return podman.KIND.runtime()


KIND = LocalKind(CAPABILITIES, _found, _runtime, Buildah)
