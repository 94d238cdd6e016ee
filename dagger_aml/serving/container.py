"""Images run by docker or podman."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import anyio
from attrs import frozen

from .. import contract
from ..backends.local.program import failed
from ..errors import BuildError, UsageError
from ..process import Done, run
from ..tasks import beside
from .debug import debugged
from .endpoint import Endpoint
from .http import JSON_TYPE, Http, Scored, of_server
from .log import Log

Runtime = Literal["docker", "podman"]

LABEL = "io.dagger-aml.serve"
"""On every container that is started here, so that one that was left behind can be found."""

_LOW_LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
"""For podman under a root without CAP_SYS_RESOURCE, which may not set the higher ones that are podman's own."""

_GRACE = 30.0
"""Seconds that stopping and removing a container may take."""

_ASK = """
import base64, json, sys, time, urllib.error, urllib.request
method, path, kind, timeout = sys.argv[1:]
body = base64.b64decode(sys.stdin.read()) if method == "POST" else None
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
asked = urllib.request.Request("http://127.0.0.1:5001" + path, body, {"Content-Type": kind}, method=method)
begun = time.monotonic()
try:
    try:
        answer = opener.open(asked, timeout=float(timeout))
    except urllib.error.HTTPError as error:
        answer = error
    text, headers = answer.read().decode("utf-8", "replace"), {k.lower(): v for k, v in answer.headers.items()}
    said = [answer.status, text, headers]
except Exception as error:
    said = [0, str(error) or repr(error), {}]
json.dump([*said, time.monotonic() - begun], sys.stdout)
"""
"""What asks a container without network, from inside, by the image's own Python."""


@frozen
class Published:
    """A port of this machine at which the image answers.

    :param port: 0 for any that is free.
    :param inner: the image's own.
    """

    port: int = 0
    address: str = "127.0.0.1"
    inner: int = contract.SCORING_PORT

    @property
    def flag(self) -> str:
        """As ``docker run --publish`` takes it."""
        return f"{self.address}:{self.port or ''}:{self.inner}"


def python_argv(*words: str) -> tuple[str, ...]:
    """A command that runs the Python of the environment that the image names, else any that it has."""
    script = 'p="${' + contract.ENVIRONMENT_PATH + ':-}/bin/python"; [ -x "$p" ] || p=python3; exec "$p" "$@"'
    return ("/bin/sh", "-c", script, "sh", *words)


@asynccontextmanager
async def in_container(
    runtime: Runtime,
    image: str,
    log: Log,
    *,
    published: Published | None,
    env: Mapping[str, str],
    name: str | None = None,
    keep: bool = False,
    debug: Published | None = None,
) -> AsyncIterator[Endpoint]:
    """Run an image, its own command and user, and remove the container afterwards.

    :param image: an ID or a reference; docker and podman pull what they do not have.
    :param published: None for no network at all: the container has its own loopback, and is asked from inside.
    :param env: set for this run only.
    :param keep: leave the container running when the block ends well.
    :param debug: the port at which a debugger may attach.
    :raises BuildError: it cannot be started.
    :raises UsageError: the name or the port is taken.
    """
    mark, kept = secrets.token_hex(8), False
    name = name or f"dagger-aml-serve-{mark}"
    network = ["--publish", published.flag] if published else ["--network", "none"]
    flags = ["--name", name, "--label", f"{LABEL}={mark}", *network]
    flags += [f"--env={key}={value}" for key, value in env.items()]
    words: list[str] = []
    if debug:
        shell, *words = python_argv(*debugged(await _command(runtime, image), port=debug.inner))
        flags += ["--publish", debug.flag, "--entrypoint", shell]
    try:
        await _start(runtime, [*flags, image, *words], image, name, mark, {"-p": published, "--debug": debug})
        async with beside(lambda: _follow(runtime, name, log)):
            uid = await _uid(runtime, name)
            if published is None:
                yield Endpoint(
                    f"container {name}, no network", runtime, _Inside(runtime, name), log, uid, container=name
                )
            else:
                url = await _url(runtime, name, published)
                async with Http(url) as http:
                    yield Endpoint(url, runtime, http, log, uid, container=name)
        kept = keep
    finally:
        if not kept:
            await _remove(runtime, mark)


async def run_once(runtime: Runtime, image: str, argv: list[str], *, offline: bool) -> tuple[list[str], int]:
    """Run a command in an image, as its own user; its output and exit code. Nothing is left of it."""
    mark = secrets.token_hex(8)
    flags = ["--label", f"{LABEL}={mark}", "--entrypoint", argv[0]]
    flags += ["--network", "none"] if offline else []
    lines: list[str] = []
    try:
        for limits in ((), _LOW_LIMITS):
            lines.clear()
            done = await run([runtime, "run", *flags, *limits, image, *argv[1:]], on_line=lines.append)
            if done.code != 126 or not any("rlimit" in line for line in lines):
                break
        return lines, done.code
    finally:
        await _remove(runtime, mark)


async def _command(runtime: Runtime, image: str) -> list[str]:
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
        raise BuildError("the image names no command to run", step=f"run {image}")
    return command


async def _remove(runtime: Runtime, mark: str) -> None:
    """Remove what was started under a mark, and nothing else, whatever it is called."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(_GRACE):
        found = await run([runtime, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={mark}"])
        if found.out.split():
            await run([runtime, "rm", "--force", "--volumes", *found.out.split()])


async def _start(
    runtime: Runtime, words: list[str], image: str, name: str, mark: str, ports: Mapping[str, Published | None]
) -> None:
    done = await run([runtime, "run", "--detach", *words])
    if done.code and "rlimit" in done.err:
        await _remove(runtime, mark)
        done = await run([runtime, "run", "--detach", *_LOW_LIMITS, *words])
    if not done.code:
        return
    if re.search(rf'name "?/?{re.escape(name)}"? is already in use', done.err):
        raise UsageError(
            f"{runtime} has a container of that name", where="--name", do=f"Remove it: {runtime} rm --force {name}"
        )
    raise _not_started(runtime, image, done, {flag: each.port for flag, each in ports.items() if each and each.port})


def _not_started(runtime: Runtime, image: str, done: Done, ports: Mapping[str, int]) -> Exception:
    if ports and re.search(r"address already in use|port is already allocated", done.err):
        flag = next((flag for flag, port in ports.items() if re.search(rf":{port}\b", done.err)), next(iter(ports)))
        return port_taken(ports[flag], flag)
    if re.search(r"manifest unknown|no such image|image not known|pull access denied", done.err, re.I):
        return BuildError(
            f"{runtime} neither has the image nor can pull it",
            step=f"run {image}",
            output=done.err,
            do="Give it as `docker images` lists it, or as a registry has it.",
        )
    return failed(done, f"run {image}", [runtime, "run", image])


def port_taken(port: int, flag: str = "-p") -> UsageError:
    """The error for a port that something else listens at."""
    other = f"--debug={port + 1}" if flag == "--debug" else f"-p {port + 1}:5001"
    return UsageError(f"port {port} of this machine is in use", where=flag, do=f"Take another: {other}")


async def _url(runtime: Runtime, name: str, published: Published) -> str:
    if published.port:
        address = "127.0.0.1" if published.address in ("0.0.0.0", "::", "") else published.address
        return f"http://{address}:{published.port}"
    done = await run([runtime, "port", name, f"{published.inner}/tcp"])
    return f"http://127.0.0.1:{done.out.split()[0].rpartition(':')[2]}" if done.out.strip() else "http://127.0.0.1:9"


async def _uid(runtime: Runtime, name: str) -> int | None:
    """The number of the user that a command of the image gets; None when it has ended already or has no ``id``."""
    done = await run([runtime, "exec", name, "id", "-u"])
    return int(done.out) if not done.code and done.out.strip().isdigit() else None


async def _follow(runtime: Runtime, name: str, log: Log) -> None:
    """Hand on what a container prints until it ends."""
    only_new: tuple[str, ...] = ()
    while True:
        await run([runtime, "logs", "--follow", *only_new, name], on_line=log.add)
        state = await run([runtime, "inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", name])
        running, _, code = state.out.strip().partition(" ")
        if running != "true":
            log.end(int(code) if code.lstrip("-").isdigit() else None)
            return
        only_new = ("--tail", "0")


@frozen
class _Inside:
    """Asks a container from inside it."""

    runtime: Runtime
    name: str

    async def __call__(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str = JSON_TYPE, within: float = 60
    ) -> Scored:
        inside = python_argv("-I", "-c", _ASK, method, path, content_type, str(within))
        done = await run(
            [self.runtime, "exec", "--interactive", self.name, *inside],
            stdin=base64.b64encode(body or b"").decode(),
        )
        try:
            status, text, headers, seconds = json.loads(done.out)
        except ValueError:
            return Scored(0, done.err.strip() or f"exit code {done.code}")
        return Scored(status, text, of_server(headers), seconds)


_NAMES = "{{.Repository}}:{{.Tag}} {{.ID}}"


@asynccontextmanager
async def loaded(runtime: Runtime, tar: Path, *, keep: bool = False) -> AsyncIterator[str]:
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
            with anyio.CancelScope(shield=True), anyio.move_on_after(_GRACE):
                await run([runtime, "rmi", *new])
