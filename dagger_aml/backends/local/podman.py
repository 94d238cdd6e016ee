"""podman, which keeps images in the store that it shares with buildah."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from attrs import field

from ...data import frozen
from ...events import OnEvent
from ...policy import Policy
from ...process import CompletedProcess
from ..base import Capabilities, Format, Runtime
from .containers_cli import ContainersCli, names, without_colon
from .kind import LocalKind
from .program import StoredImage, answer, first_json, found_image, full_reference, random_name

CAPABILITIES = Capabilities(
    name="podman",
    install="Install podman (https://podman.io/docs/installation; Debian and Ubuntu: apt-get install podman)",
    forms=("classic", "buildkit"),
    connects_to_engine=False,
    own_store=True,
    pushes_index=True,
    one_at_a_time=True,
    serves=True,
    leaves_containers=True,
)

_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Low enough for root in a container, which may not set those that podman gives root by default."""


@frozen
class Podman(ContainersCli):
    """Drives ``podman``."""

    name: str = "podman"
    _forced: tuple[str, ...] = field(default=("--force",), init=False)
    _as_json: tuple[str, ...] = field(default=("--format", "json"), init=False)
    tells_onbuild: ClassVar[bool] = False

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def runtime(self) -> Runtime:
        return _runtime()

    async def inspect(self, reference: str) -> StoredImage | None:
        for name in names(reference):
            done = await self.run("image", "inspect", name)
            if not done.code:
                return found_image(first_json(done.out))
        return None

    async def probe(self, image: str, argv: Sequence[str], stdin: str) -> CompletedProcess:
        done = await self._probe(image, argv, stdin, [])
        if done.code == 126 and "rlimit" in done.err:
            done = await self._probe(image, argv, stdin, _LIMITS)
        return done

    async def _probe(self, image: str, argv: Sequence[str], stdin: str, limits: Sequence[str]) -> CompletedProcess:
        name = random_name()
        flags = ["--rm", "--interactive", "--name", name, "--network", "none", "--user", "0:0", "--workdir", "/"]
        try:
            return await self.run(
                "run", *flags, *limits, "--entrypoint", argv[0], image, *argv[1:], stdin=stdin or "\n"
            )
        except BaseException:
            await self.shielded("rm", "--force", name)
            raise

    async def save(self, image: str, tar: Path, reference: str | None, work: Path) -> CompletedProcess:
        names = [full_reference(reference)] if reference else []
        link = without_colon(tar, work)
        flags = ["--format", "docker-archive", "-o", link.name]
        return await self.run("save", *flags, image, *names, work=work, cwd=work)

    async def copy_out(self, image: str, path: str, dest: Path, work: Path) -> CompletedProcess:
        name = random_name()
        try:
            made = await self.run("create", "--name", name, image, "/bin/true")
            return made if made.code else await self.run("cp", f"{name}:{path.rstrip('/')}/.", str(dest))
        finally:
            await self.shielded("rm", "--force", "--volumes", name)


def _found(format: Format | None, _: OnEvent, policy: Policy) -> Podman:
    answer("podman", "version", policy=policy)
    return Podman(format or "buildkit")


def _runtime() -> Runtime:
    from .containers import Containers

    return Containers(CAPABILITIES.name, KIND.tool, to_user="notmpcopyup,U")


KIND = LocalKind(CAPABILITIES, _found, _runtime, Podman)
