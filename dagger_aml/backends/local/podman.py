"""The podman and buildah commands, which share their image store and the code that builds.

They keep the containers of an interrupted build. So a build is marked by a secret that nothing mounts: the path of
its file stands in the state of each of these containers, and in no image.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio import to_thread
from attrs import field, frozen

from ...fs.temporary import workplace
from ...graph.base import From
from ...graph.checks import parse_reference
from ...oci import layout as oci_layout
from ...process import Done, run
from ..base import Format
from .program import (
    Build,
    Found,
    Heard,
    docker_config_file,
    first_json,
    found_image,
    full_name,
    full_reference,
    is_plain_http,
    random_name,
    with_algorithm,
)

_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Low enough for root in a container, which may not set those that podman gives root by default."""


@frozen
class Podman:
    """Drives ``podman``."""

    form: Format = "buildkit"
    name: str = "podman"
    _always: tuple[str, ...] = field(default=(), init=False)

    async def pull(self, reference: str, platform: str, heard: Heard | None = None) -> Done:
        """See :class:`~dagger_aml.backends.local.program.Tool`, here and below."""
        with workplace() as work:
            flags = [*self._always, "--platform", platform, *_tls(reference)]
            return await self._run("pull", *flags, full_reference(reference), work=work, heard=heard)

    def pulled_digest(self, output: str) -> str | None:
        return None

    async def load_base(self, base: From, name: str, work: Path) -> Done:
        # They call a layout's image what its folder is called, and fail where no image may be called so.
        called = random_name()
        if base.digest:
            (work / called).mkdir()
            await to_thread.run_sync(oci_layout.write_layout, base, work / called)
            source = f"oci:{called}:base"
        else:
            await to_thread.run_sync(oci_layout.write_tar, base, work / "base.tar")
            source = "docker-archive:base.tar"
        done = await self._run("pull", "--quiet", *self._always, source, work=work, cwd=work)
        if not done.code:
            done = await self.tag(done.out.split()[-1], name)
            if base.digest:
                await self._shielded("rmi", f"localhost/{called}")  # the name alone, since it has another
        return done

    async def inspect(self, reference: str) -> Found | None:
        for name in _names(reference):
            done = await self._run("image", "inspect", name)
            if not done.code:
                return found_image(first_json(done.out))
        return None

    async def probe(self, image: str, argv: Sequence[str], stdin: str) -> Done:
        done = await self._probe(image, argv, stdin, [])
        if done.code == 126 and "rlimit" in done.err:
            done = await self._probe(image, argv, stdin, _LIMITS)
        return done

    async def _probe(self, image: str, argv: Sequence[str], stdin: str, limits: Sequence[str]) -> Done:
        name = random_name()
        flags = ["--rm", "--interactive", "--name", name, "--network", "none", "--user", "0:0", "--workdir", "/"]
        try:
            return await self._run(
                "run", *flags, *limits, "--entrypoint", argv[0], image, *argv[1:], stdin=stdin or "\n"
            )
        except BaseException:
            await self._shielded("rm", "--force", name)
            raise

    async def build(self, build: Build, on_line: Callable[[str], None]) -> Done:
        tls = ["--tls-verify=false"] if build.plain_http else []
        # Its own proxies are not passed on, or those of the machine would reach commands unasked.
        flags = [*build.flags, "--layers", "--format", "docker", "--http-proxy=false", *tls]
        flags += ["--file", "Dockerfile", "."]  # a comma in the path would end it
        return await self._build(*flags, cwd=build.context, work=build.work, on_line=on_line, env=build.env)

    async def _build(
        self,
        *argv: str,
        work: Path,
        cwd: Path,
        on_line: Callable[[str], None] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """A build that leaves no container, failed or interrupted; bases are only pulled if missing."""
        mark = work / random_name()
        mark.touch()
        flags = ["--force-rm", "--pull=false", "--secret", f"id=dagger-aml,src={os.path.relpath(mark, cwd)}"]
        try:
            return await self._run("build", *flags, *argv, work=work, on_line=on_line, cwd=cwd, env=env)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._tidy(mark.name)
            raise

    async def push(
        self, images: Sequence[str], reference: str, work: Path, heard: Heard | None = None
    ) -> tuple[Done, str | None]:
        file, name = work / "digest", random_name()
        flags = ["push", "--digestfile", str(file), *_tls(reference)]
        dest = f"docker://{full_reference(reference)}"
        if len(images) == 1:
            done = await self._run(*flags, images[0], dest, work=work, heard=heard)
        else:
            try:
                done = await self._listed(name, images)
                if not done.code:
                    kind = ["--all", "--format", "v2s2"]
                    done = await self._run("manifest", *flags, *kind, name, dest, work=work, heard=heard)
            finally:
                await self._shielded("manifest", "rm", name)
        return done, None if done.code else file.read_text().strip()

    async def _listed(self, name: str, images: Sequence[str]) -> Done:
        """A manifest list of images that the store has."""
        done = await self._run("manifest", "create", name)
        for image in images:
            if not done.code:
                stored = f"containers-storage:{image.removeprefix('sha256:')}"
                done = await self._run("manifest", "add", name, stored)
        return done

    async def save(self, image: str, tar: Path, reference: str | None, work: Path) -> Done:
        names = [full_reference(reference)] if reference else []
        link = _without_colon(tar, work)
        flags = ["--format", "docker-archive", "-o", link.name]
        return await self._run("save", *flags, image, *names, work=work, cwd=work)

    async def tag(self, image: str, reference: str) -> Done:
        return await self._run("tag", image, reference)

    async def copy_out(self, image: str, path: str, dest: Path, work: Path) -> Done:
        name = random_name()
        try:
            made = await self._run("create", "--name", name, image, "/bin/true")
            return made if made.code else await self._run("cp", f"{name}:{path.rstrip('/')}/.", str(dest))
        finally:
            await self._shielded("rm", "--force", "--volumes", name)

    async def _run(
        self,
        *argv: str,
        work: Path | None = None,
        stdin: str = "",
        on_line: Callable[[str], None] | None = None,
        heard: Heard | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        more = {"TMPDIR": str(work / "tmp")} if work else {}
        config = docker_config_file()
        if config and not os.environ.get("REGISTRY_AUTH_FILE"):
            more["REGISTRY_AUTH_FILE"] = str(config)
        env = {**more, **(env or {})}
        return await run([self.name, *argv], env=env, stdin=stdin, on_line=on_line, heard=heard, cwd=cwd)

    async def _shielded(self, *argv: str) -> None:
        with anyio.CancelScope(shield=True):
            await self._run(*argv)

    async def _tidy(self, mark: str) -> None:
        """Remove the containers that an interrupted build left in the store."""
        for state in await self._states():
            with contextlib.suppress(OSError):
                if mark in state.read_text(errors="replace"):
                    await self._run("rm", *(["--force"] if self.name == "podman" else []), state.parts[-3])

    async def _states(self) -> list[Path]:
        info = await self._run("info", *(["--format", "json"] if self.name == "podman" else []))
        try:
            store = {key.lower(): value for key, value in json.loads(info.out)["store"].items()}
            root, driver = Path(store["graphroot"]), store["graphdrivername"]
        except (ValueError, KeyError):
            return []
        return list(root.glob(f"{driver}-containers/*/userdata/buildah.json"))


@frozen
class Buildah(Podman):
    """Drives ``buildah``."""

    name: str = "buildah"
    _always: tuple[str, ...] = field(default=("--policy", "always"), init=False)
    """Otherwise an image that the store has is never looked for again."""

    async def inspect(self, reference: str) -> Found | None:
        for name in _names(reference):
            done = await self._run("inspect", "--type", "image", name)
            if done.code:
                continue
            read = first_json(done.out)
            docker = read["Docker"]
            platform = f"{docker.get('os')}/{docker.get('architecture')}"
            repository = full_name(parse_reference(reference)[0])
            digest = read.get("FromImageDigest")
            digests = ((repository, digest),) if digest else ()
            return Found(with_algorithm(read["FromImageID"]), digests, platform, docker.get("config") or {})
        return None

    async def probe(self, image: str, argv: Sequence[str], stdin: str) -> Done:
        async with self._container(image) as (made, name):
            if made.code:
                return made
            flags = ["--network", "none", "--user", "0:0", "--workingdir", "/"]
            return await self._run("run", *flags, name, "--", *argv, stdin=stdin or "\n")

    async def save(self, image: str, tar: Path, reference: str | None, work: Path) -> Done:
        link = _without_colon(tar, work)
        named = f":{full_reference(reference)}" if reference else ""
        return await self._run("push", image, f"docker-archive:{link.name}{named}", work=work, cwd=work)

    async def copy_out(self, image: str, path: str, dest: Path, work: Path) -> Done:
        """By a build, since mounting needs root or a user namespace."""
        (work / "empty").mkdir()
        lines = ["FROM scratch", f"COPY --from={image.removeprefix('sha256:')} {json.dumps([path + '/', '/'])}"]
        (work / "Copy").write_text("\n".join(lines) + "\n")
        (work / "out").mkdir()
        flags = ["--layers=false", "--iidfile", "copied", "--output", "type=local,dest=out", "--file", "Copy"]
        done = await self._build(*flags, "empty", work=work, cwd=work)
        if not done.code:
            await self._shielded("rmi", (work / "copied").read_text().strip())
            _move(work / "out", dest)
        return done

    @asynccontextmanager
    async def _container(self, image: str) -> AsyncIterator[tuple[Done, str]]:
        name = random_name()
        try:
            yield await self._run("from", "--pull-never", "--name", name, image), name
        finally:
            await self._shielded("rm", name)


def _names(reference: str) -> tuple[str, ...]:
    """What an image may be called in the store: as docker means it, else as it was written."""
    return tuple(dict.fromkeys((full_reference(reference), reference)))


def _tls(reference: str) -> tuple[str, ...]:
    return ("--tls-verify=false",) if is_plain_http(reference) else ()


def _without_colon(tar: Path, work: Path) -> Path:
    """Another way to the file, since a colon ends a file's name for these programs."""
    link = work / "image.tar"
    link.symlink_to(tar.absolute())
    return link


def _move(source: Path, dest: Path) -> None:
    import shutil

    own = (os.geteuid(), os.getegid()) if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    for root, folders, files in os.walk(source):
        for name in (*folders, *files):
            if own:
                os.chown(Path(root) / name, *own, follow_symlinks=False)
    for each in source.iterdir():
        shutil.move(each, dest / each.name)
