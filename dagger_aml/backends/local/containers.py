"""Images run as containers of this machine."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from attrs import field

from ... import contract
from ...data import frozen
from ...errors import BuildError, UsageError
from ...graph.base import DEFAULT_PLATFORM
from ...oci.messages import Peer
from ...oci.reference import is_image_id
from ...policy import DEFAULT
from ...process import CompletedProcess, run
from ...tasks import background_task
from ...text import named
from ..base import Image, own_image
from ..runtime import ImageOutput, Published, Start, Started, port_taken
from .image import LocalImage
from .program import ContainerCli, failed, refused

if TYPE_CHECKING:
    import dagger

LABEL = "io.dagger-aml.serve"
"""On every container that is started here, so that one that was left behind can be found."""

_LOW_LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
"""For podman under a root without CAP_SYS_RESOURCE, which may not set the higher ones that are podman's own."""

_UID, _GID = contract.ARBITRARY_USER


@frozen
class Containers:
    """Starts images as containers; see :class:`~dagger_aml.backends.base.Runtime`.

    :param name: of the builder, which is the command's too.
    :param tool: gives its driver.
    :param to_user: the options of ``--tmpfs`` for an empty mount that belongs to the arbitrary user.
    """

    name: str
    tool: Callable[[], ContainerCli] = field(repr=False, eq=False)
    to_user: str = f"uid={_UID},gid={_GID}"

    def _restricted(self) -> list[str]:
        """The limits of a pod that is restricted; what a cluster mounts as an ``emptyDir`` is in memory here.

        runc gives a mount the mode of the image's folder, whatever the flag says, so it must be the user's.
        """
        limits = [f"--user={_UID}:{_GID}", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"]
        folders = [f"--tmpfs={path}:rw,exec,{self.to_user}" for path in contract.WRITABLE]
        return [*limits, *folders, f"--env=HOME={contract.WRITABLE_HOME}"]

    @property
    def offline(self) -> str:
        """A container has no network then, and is asked from inside."""
        return "without network"

    @asynccontextmanager
    async def serve(
        self, what: Image | dagger.Container | str | Path, start: Start, output: ImageOutput
    ) -> AsyncIterator[Started]:
        """Run an image's own command, as its own user, and remove the container afterwards."""
        async with self._stored(what, start) as image:
            published = None if start.offline else start.published
            mark, kept = secrets.token_hex(8), False
            name = start.name or f"dagger-aml-serve-{mark}"
            network = ["--publish", published.flag] if published else ["--network", "none"]
            flags = ["--name", name, "--label", f"{LABEL}={mark}", *network]
            flags += self._restricted() if start.restricted else []
            flags += [f"--env={key}={value}" for key, value in start.env.items()]
            words: list[str] = []
            if start.debug:
                shell, *words = start.debugged(await _command(self.name, image))
                flags += ["--publish", start.debug.flag, "--entrypoint", shell]
            ports = {"publish": published, "debug": start.debug}
            try:
                await _start(self.name, [*flags, image, *words], image, name, mark, ports)
                async with background_task(lambda: follow(self.name, name, output)):
                    uid = await _uid(self.name, name)
                    if published is None:
                        inside = partial(run_inside, self.name, name)
                        yield Started(f"container {name}, no network", uid, name, inside)
                    else:
                        yield Started(await _url(self.name, name, published), uid, name)
                kept = start.keep
            finally:
                if not kept:
                    await _remove(self.name, mark)

    async def run_probe(
        self, image: Image | str | Path, argv: Sequence[str], *, offline: bool, platform: str = DEFAULT_PLATFORM
    ) -> tuple[list[str], int]:
        """Run a command in an image, as its own user; its output and exit code. Nothing is left of it."""
        async with self._stored(image, Start(platform=platform)) as stored:
            return await self._probed(stored, argv, offline=offline)

    async def _probed(self, image: str, argv: Sequence[str], *, offline: bool) -> tuple[list[str], int]:
        mark, (first, *words) = secrets.token_hex(8), argv
        flags = ["--label", f"{LABEL}={mark}", "--entrypoint", first]
        flags += ["--network", "none"] if offline else []
        lines: list[str] = []
        try:
            for limits in ((), _LOW_LIMITS):
                lines.clear()
                asked = [self.name, "run", *flags, *limits, image, *words]
                done = await run(asked, on_line=lines.append)
                if done.code != 126 or not any("rlimit" in line for line in lines):
                    break
            return lines, done.code
        finally:
            await _remove(self.name, mark)

    def _id(self, image: object) -> str:
        made = own_image(image, LocalImage, self.name, "serve").id
        if made is None:
            raise UsageError("an image for several platforms cannot be started", hint=f"Use one {named('platform')}.")
        return made

    @asynccontextmanager
    async def _stored(self, what: Image | dagger.Container | str | Path, start: Start) -> AsyncIterator[str]:
        """What ``run`` calls an image, loaded or pulled if need be."""
        if isinstance(what, Path):
            async with _loaded(self.name, what, keep=start.keep) as name:
                yield name
        elif isinstance(what, str):
            yield what if is_image_id(what) else await self._pulled(what, start.platform)
        else:
            yield self._id(what)

    async def _pulled(self, reference: str, platform: str) -> str:
        tool = self.tool()
        found = await tool.inspect(reference)
        if found is None:
            done = await tool.pull(reference, platform)
            if done.code:
                raise refused(done, Peer("image", reference), [self.name, "pull", reference])
            found = await tool.inspect(reference)
        if found is None:
            raise BuildError(f"{self.name} does not have the image", location=f"image {reference}")
        return found.id


async def run_inside(
    runtime: str, name: str, argv: Sequence[str], stdin: str, *, user: str | None = None
) -> CompletedProcess:
    """Run a command in a container, given its standard input; as the image's user unless another is named."""
    who = ["--user", user] if user else []
    return await run([runtime, "exec", "--interactive", *who, name, *argv], stdin=stdin)


async def _command(runtime: str, image: str) -> list[str]:
    """What an image runs.

    :raises BuildError: it names nothing, or is not there.
    """
    asked = [runtime, "image", "inspect", "--format", "{{json .Config}}", image]
    done = await run(asked)
    if done.code:
        raise failed(done, f"run {image}", asked)
    config = json.loads(done.out)
    command = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
    if not command:
        raise BuildError("the image has no command to run", location=f"run {image}")
    return command


async def _remove(runtime: str, mark: str) -> None:
    """Remove what was started under a mark, and nothing else, whatever it is called."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(DEFAULT.remove_deadline_seconds):
        found = await run([runtime, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={mark}"])
        if found.out.split():
            await run([runtime, "rm", "--force", "--volumes", *found.out.split()])


async def _start(
    runtime: str, words: list[str], image: str, name: str, mark: str, ports: Mapping[str, Published | None]
) -> None:
    done = await run([runtime, "run", "--detach", *words])
    if done.code and "rlimit" in done.err:
        await _remove(runtime, mark)
        done = await run([runtime, "run", "--detach", *_LOW_LIMITS, *words])
    if not done.code:
        return
    if re.search(rf'name "?/?{re.escape(name)}"? is already in use', done.err):
        raise UsageError(
            f"{runtime} already has a container with that name",
            location=named("name"),
            hint=f"Remove it: {runtime} rm --force {name}",
        )
    raise _not_started(runtime, image, done, {name: each.port for name, each in ports.items() if each and each.port})


def _not_started(runtime: str, image: str, done: CompletedProcess, ports: Mapping[str, int]) -> Exception:
    if ports and re.search(r"address already in use|port is already allocated", done.err):
        name = next((name for name, port in ports.items() if re.search(rf":{port}\b", done.err)), next(iter(ports)))
        return port_taken(ports[name], name)
    if re.search(r"manifest unknown|no such image|image not known|pull access denied", done.err, re.I):
        return BuildError(
            f"{runtime} does not have the image and cannot pull it",
            location=f"run {image}",
            output=done.err,
            hint="Use the name that `docker images` shows, or a name in a registry.",
        )
    return failed(done, f"run {image}", [runtime, "run", image])


async def _url(runtime: str, name: str, published: Published) -> str:
    if published.port:
        address = "127.0.0.1" if published.address in ("0.0.0.0", "::", "") else published.address
        return f"http://{address}:{published.port}"
    done = await run([runtime, "port", name, f"{published.inner}/tcp"])
    return f"http://127.0.0.1:{done.out.split()[0].rpartition(':')[2]}" if done.out.strip() else "http://127.0.0.1:9"


async def _uid(runtime: str, name: str) -> int | None:
    """The number of the user that a command of the image gets; None when it has ended already or has no ``id``."""
    done = await run([runtime, "exec", name, "id", "-u"])
    return int(done.out) if not done.code and done.out.strip().isdigit() else None


async def follow(runtime: str, name: str, log: ImageOutput, *, since: int | None = None) -> None:
    """Hand on what a container prints until it ends.

    :param since: of what it printed before, from then on, seconds since 1970; all of it unless given.
    """
    only_new: tuple[str, ...] = () if since is None else ("--since", str(since))
    while True:
        await run([runtime, "logs", "--follow", *only_new, name], on_line=log.add)
        state = await run([runtime, "inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", name])
        running, _, code = state.out.strip().partition(" ")
        if running != "true":
            log.end(int(code) if code.lstrip("-").isdigit() else None)
            return
        only_new = ("--tail", "0")


_NAMES = "{{.Repository}}:{{.Tag}} {{.ID}}"


@asynccontextmanager
async def _loaded(runtime: str, tar: Path, *, keep: bool = False) -> AsyncIterator[str]:
    """A tar's image in the store of docker or podman; names that were not there before are removed again.

    :param keep: leave them.

    :raises BuildError: it is not one that ``load`` takes.
    """
    before = set((await run([runtime, "images", "--no-trunc", "--format", _NAMES])).out.split())
    done = await run([runtime, "load", "--input", str(tar)])
    names = [
        line.partition(": ")[2].strip() for line in done.out.splitlines() if re.match("Loaded image(s| ID)?: ", line)
    ]
    if done.code or not names:
        raise failed(done, f"load {tar.name}", [runtime, "load", "--input", str(tar)])
    try:
        yield names[0].partition(",")[0]
    finally:
        new = [each for each in names if each not in before]
        if new and not keep:
            with anyio.CancelScope(shield=True), anyio.move_on_after(DEFAULT.remove_deadline_seconds):
                await run([runtime, "rmi", *new])
