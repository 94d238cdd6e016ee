"""The podman and buildah commands, which share their image store and the code that builds.

They keep the containers of an interrupted build. So a build is marked by a secret that nothing mounts: the path of
its file stands in the state of each of these containers, and in no image.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import anyio
from anyio import to_thread
from attrs import field

from ...data import frozen
from ...fs.temporary import temporary_directory
from ...graph.base import From
from ...oci.offer import Served, login_file
from ...process import CompletedProcess
from ...process import run as process_run
from ..base import Format
from .endpoint import podman_elsewhere
from .limits import limit_flags
from .program import (
    Build,
    OnLine,
    docker_config_file,
    full_reference,
    is_plain_http,
    random_name,
)


@frozen
class ContainersCli:
    """Drives a command line of the family, which is called as its builder is.

    :param always: flags with which it pulls what its store may have already.
    :param forced: flags with which it removes a container that an interrupted build left.
    :param as_json: flags with which ``info`` prints JSON.
    """

    form: Format = "buildkit"
    name: str = ""
    _always: tuple[str, ...] = field(default=(), init=False)
    _forced: tuple[str, ...] = field(default=(), init=False)
    _as_json: tuple[str, ...] = field(default=(), init=False)
    tells_onbuild: ClassVar[bool] = True
    takes_isolation: ClassVar[bool] = True

    async def pull(self, reference: str, platform: str, heard: OnLine | None = None) -> CompletedProcess:
        """See :class:`~dagger_aml.backends.local.program.ContainerCli`, here and below."""
        with temporary_directory() as work:
            flags = [*self._always, "--platform", platform, *tls(reference)]
            return await self.run("pull", *flags, full_reference(reference), work=work, heard=heard)

    async def config_digest(self, image: str) -> str | None:
        return image

    def pulled_digest(self, output: str) -> str | None:
        return None

    async def load_base(self, base: From, name: str, work: Path) -> CompletedProcess:
        from ...oci import layout as oci_layout

        # They call a layout's image what its folder is called, and fail where no image may be called so.
        called = random_name()
        if base.digest:
            (work / called).mkdir()
            await to_thread.run_sync(oci_layout.write_layout, base, work / called)
            source = f"oci:{called}:base"
        else:
            await to_thread.run_sync(oci_layout.write_tar, base, work / "base.tar")
            source = "docker-archive:base.tar"
        done = await self.run("pull", "--quiet", *self._always, source, work=work, cwd=work)
        if not done.code:
            done = await self.tag(done.out.split()[-1], name)
            if base.digest:
                await self.shielded("rmi", f"localhost/{called}")  # the name alone, since it has another
        return done

    async def load(self, tar: Path, name: str) -> CompletedProcess:
        # By a relative name, as a colon in a path would end it.
        with temporary_directory() as work:
            done = await self.run("pull", "--quiet", f"docker-archive:{tar.name}", work=work, cwd=tar.parent)
        return done if done.code else await self.tag(done.out.split()[-1], name)

    def elsewhere(self) -> str | None:
        return podman_elsewhere()

    def served_as(self, served: Served) -> str:
        # Newer ones take no digest's name from an image again.
        return served.by_tag

    def loaded_as(self, reference: str) -> tuple[str, ...]:
        # A tar is loaded under both: as docker means a name, and as these commands do.
        return names(reference)

    async def pull_served(self, served: Served, platform: str) -> CompletedProcess:
        with temporary_directory() as work:
            logins = work / "logins.json"
            logins.write_bytes(login_file(served))
            flags = [
                "--quiet",
                *self._always,
                "--platform",
                platform,
                "--tls-verify=false",
                "--authfile",
                str(logins),
            ]
            done = await self.run("pull", *flags, served.by_tag, work=work)
        if not done.code and not served.config.endswith(f":{(done.out.split() or [''])[-1]}"):
            return CompletedProcess(1, done.out, "another image was pulled than the one that was offered")
        return done

    async def untag(self, reference: str) -> CompletedProcess:
        return await self.run("rmi", reference)

    async def build(self, build: Build, on_line: Callable[[str], None]) -> CompletedProcess:
        tls = ["--tls-verify=false"] if build.plain_http else []
        # Its own proxies are not passed on, or those of the machine would reach commands unasked.
        flags = [*build.flags, "--layers", "--format", "docker", "--http-proxy=false", *tls]
        flags += ["--file", "Dockerfile", "."]  # a comma in the path would end it
        return await self.build_marked(*flags, cwd=build.context, work=build.work, on_line=on_line, env=build.env)

    async def build_marked(
        self,
        *argv: str,
        work: Path,
        cwd: Path,
        on_line: Callable[[str], None] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CompletedProcess:
        """A build that leaves no container, failed or interrupted; bases are only pulled if missing."""
        mark = work / random_name()
        mark.touch()
        flags = ["--force-rm", "--pull=false", "--secret", f"id=dagger-aml,src={os.path.relpath(mark, cwd)}"]
        flags += limit_flags()
        try:
            return await self.run("build", *flags, *argv, work=work, on_line=on_line, cwd=cwd, env=env)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._tidy(mark.name)
            raise

    async def push(
        self, images: Sequence[str], reference: str, work: Path, heard: OnLine | None = None
    ) -> tuple[CompletedProcess, str | None]:
        file, name = work / "digest", random_name()
        flags = ["push", "--digestfile", str(file), *tls(reference)]
        dest = f"docker://{full_reference(reference)}"
        if len(images) == 1:
            done = await self.run(*flags, images[0], dest, work=work, heard=heard)
        else:
            try:
                done = await self._listed(name, images)
                if not done.code:
                    kind = ["--all", "--format", "v2s2"]
                    done = await self.run("manifest", *flags, *kind, name, dest, work=work, heard=heard)
            finally:
                await self.shielded("manifest", "rm", name)
        return done, None if done.code else file.read_text().strip()

    async def _listed(self, name: str, images: Sequence[str]) -> CompletedProcess:
        """A manifest list of images that the store has."""
        done = await self.run("manifest", "create", name)
        for image in images:
            if not done.code:
                stored = f"containers-storage:{image.removeprefix('sha256:')}"
                done = await self.run("manifest", "add", name, stored)
        return done

    async def tag(self, image: str, reference: str) -> CompletedProcess:
        return await self.run("tag", image, reference)

    async def run(
        self,
        *argv: str,
        work: Path | None = None,
        stdin: str = "",
        on_line: Callable[[str], None] | None = None,
        heard: OnLine | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CompletedProcess:
        more: dict[str, str | None] = {"TMPDIR": str(work / "tmp")} if work else {}
        config = docker_config_file()
        if config and not os.environ.get("REGISTRY_AUTH_FILE"):
            more["REGISTRY_AUTH_FILE"] = str(config)
        elif os.environ.get("DOCKER_CONFIG") and not config:
            # They fail where that folder has no such file, as docker does not.
            more["DOCKER_CONFIG"] = None
        return await process_run(
            [self.name, *argv], env={**more, **(env or {})}, stdin=stdin, on_line=on_line, heard=heard, cwd=cwd
        )

    async def shielded(self, *argv: str) -> None:
        with anyio.CancelScope(shield=True):
            await self.run(*argv)

    async def _tidy(self, mark: str) -> None:
        """Remove the containers that an interrupted build left in the store."""
        for state in await self._states():
            with contextlib.suppress(OSError):
                if mark in state.read_text(errors="replace"):
                    await self.run("rm", *self._forced, state.parts[-3])

    async def _states(self) -> list[Path]:
        info = await self.run("info", *self._as_json)
        try:
            store = {key.lower(): value for key, value in json.loads(info.out)["store"].items()}
            root, driver = Path(store["graphroot"]), store["graphdrivername"]
        except (ValueError, KeyError):
            return []
        return list(root.glob(f"{driver}-containers/*/userdata/buildah.json"))


def names(reference: str) -> tuple[str, ...]:
    """What an image may be called in the store: as docker means it, else as it was written."""
    return tuple(dict.fromkeys((full_reference(reference), reference)))


def tls(reference: str) -> tuple[str, ...]:
    return ("--tls-verify=false",) if is_plain_http(reference) else ()


def without_colon(tar: Path, work: Path) -> Path:
    """Another way to the file, since a colon ends a file's name for these programs."""
    link = work / "image.tar"
    link.symlink_to(tar.absolute())
    return link
