"""Command lines that take docker's words: what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import anyio
from anyio import to_thread

from ...data import frozen
from ...graph.base import From
from ...oci.credentials import docker_config
from ...process import CompletedProcess, run
from ...text import pattern
from ..base import Format
from . import docker_socket
from .endpoint import docker_elsewhere
from .program import Build, OnLine, StoredImage, first_json, found_image, random_name

if TYPE_CHECKING:
    from ...oci.offer import Served

_DIGEST = pattern(r"(?i)digest: (sha256:[0-9a-f]{64})")


@frozen
class DockerCli:
    """Drives a command line that takes docker's words, and is called as its builder is.

    :param form: ``buildkit`` or ``classic``: which builder is used.
    :param buildx: whether BuildKit is reached through buildx.
    :param at_socket: whether the store is asked at the daemon's socket, where that is known: for docker's own alone.
    """

    form: Format
    buildx: bool = False
    name: str = ""
    at_socket: bool = False
    tells_onbuild: ClassVar[bool] = True
    takes_isolation: ClassVar[bool] = False

    async def pull(self, reference: str, platform: str, heard: OnLine | None = None) -> CompletedProcess:
        """See :class:`~dagger_aml.backends.local.program.ContainerCli`, here and below."""
        return await run([self.name, "pull", "--platform", platform, reference], heard=heard)

    async def config_digest(self, image: str) -> str | None:
        return image

    def pulled_digest(self, output: str) -> str | None:
        match = _DIGEST.search(output)
        return match[1] if match else None

    async def load_base(self, base: From, name: str, work: Path) -> CompletedProcess:
        """As a tar of our own, since a user's may hold names that loading would take from other images; and older
        ones take no OCI layout."""
        from ...oci import layout as oci_layout

        tar = work / "base.tar"
        await to_thread.run_sync(oci_layout.write_tar, base, tar, name)
        return await self.load(tar, name)

    async def load(self, tar: Path, name: str) -> CompletedProcess:
        return await run([self.name, "load", "--input", str(tar)])

    def elsewhere(self) -> str | None:
        return docker_elsewhere()

    def served_as(self, served: Served) -> str:
        return served.by_digest

    def loaded_as(self, reference: str) -> tuple[str, ...]:
        return (reference,)

    async def pull_served(self, served: Served, platform: str) -> CompletedProcess:
        if self.at_socket and (done := await docker_socket.pull(served, platform)):
            return done
        from ...fs.temporary import temporary_directory

        # A login is only taken from a folder of settings, in which contexts lie too.
        with temporary_directory() as work:
            settings = work / "docker"
            await to_thread.run_sync(_settings, served, docker_config(), settings)
            command = [self.name, "pull", "--quiet", "--platform", platform, served.by_digest]
            return await run(command, env={"DOCKER_CONFIG": str(settings), "DOCKER_AUTH_CONFIG": None})

    async def untag(self, reference: str) -> CompletedProcess:
        done = await docker_socket.untag(reference) if self.at_socket else None
        return done or await run([self.name, "rmi", reference])

    async def inspect(self, reference: str) -> StoredImage | None:
        done = await docker_socket.inspect(reference) if self.at_socket else None
        done = done or await run([self.name, "image", "inspect", reference])
        return None if done.code else found_image(first_json(done.out))

    async def probe(self, image: str, argv: Sequence[str], stdin: str) -> CompletedProcess:
        name = random_name()
        flags = ["--rm", "--interactive", "--name", name, "--network", "none", "--user", "0:0", "--workdir", "/"]
        try:
            return await run(
                [self.name, "run", *flags, "--entrypoint", argv[0], image, *argv[1:]], stdin=stdin or "\n"
            )
        except BaseException:
            await self._remove(name)
            raise

    async def build(self, build: Build, on_line: Callable[[str], None]) -> CompletedProcess:
        if self.form == "buildkit":
            flags = ["--progress", "plain", "--platform", build.platform, *(["--load"] if self.buildx else [])]
            env = {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        else:
            flags, env = ["--force-rm"], {"DOCKER_BUILDKIT": "0"}
        # Absolute: BuildKit takes a file of the same size and time for the one it had from a folder so called before.
        location = ["--file", str(build.context / "Dockerfile"), str(build.context)]
        command = [self.name, "build", *build.flags, *flags, *location]
        return await run(command, on_line=on_line, cwd=build.context, env={**env, **build.env})

    async def push(
        self, images: Sequence[str], reference: str, work: Path, heard: OnLine | None = None
    ) -> tuple[CompletedProcess, str | None]:
        (image,) = images
        tagged = await self.tag(image, reference)
        if tagged.code:
            return tagged, None
        done = await run([self.name, "push", reference], heard=heard)
        return done, self.pulled_digest(done.out)

    async def save(self, image: str, tar: Path, reference: str | None, work: Path) -> CompletedProcess:
        """The image is saved by its ID and named in the tar: a name of the user's in the store is left alone."""
        with tar.open("wb") as file:
            done = await run([self.name, "save", image], stdout=file)
        if not done.code and reference:
            from ...oci.docker_archive import name_in_tar

            await to_thread.run_sync(name_in_tar, tar, (reference,))
        return done

    async def tag(self, image: str, reference: str) -> CompletedProcess:
        done = await docker_socket.tag(image, reference) if self.at_socket else None
        return done or await run([self.name, "tag", image, reference])

    async def copy_out(self, image: str, path: str, dest: Path, work: Path) -> CompletedProcess:
        name = random_name()
        try:
            made = await run([self.name, "create", "--name", name, image, "/bin/true"])
            return made if made.code else await run([self.name, "cp", f"{name}:{path.rstrip('/')}/.", str(dest)])
        finally:
            await self._remove(name)

    async def _remove(self, container: str) -> None:
        with anyio.CancelScope(shield=True):
            await run([self.name, "rm", "--force", "--volumes", container])


def _settings(served: Served, config: Path, new: Path) -> None:
    """Make a folder of docker's settings that is the user's, but for its logins."""
    from ...oci.offer import login_file

    new.mkdir()
    before = config.read_bytes() if config.is_file() else None
    if config.parent.is_dir():
        for each in config.parent.iterdir():
            if each.name != config.name:
                (new / each.name).symlink_to(each.absolute())
    (new / config.name).write_bytes(login_file(served, before))
