"""Images served by a Dagger engine: a service and a tunnel, no container runtime of this machine.

The engine's API tells neither what a service printed nor that it ended. So the image's own command runs as the child
of a small Python program of ours, by the image's Python, as the image's user; it keeps what the command prints and
hands it out at a second port, behind a secret path. Files and config of the image are the published ones.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ..backends.dagger.builder import Engine
from ..backends.dagger.errors import translated as _translated
from ..backends.dagger.image import DaggerImage
from ..errors import BuildError, DaggerAmlError
from ..graph.base import DEFAULT_PLATFORM
from ..tasks import beside
from .container import Published, port_taken, python_argv
from .debug import debugged
from .endpoint import PAUSE, Endpoint
from .http import Http
from .log import Log

if TYPE_CHECKING:
    import dagger

_WATCH_PORT = 49101
"""In the container, where our program hands out what it keeps."""

_GONE_AFTER = 20.0
"""Seconds without an answer of our program after which the container counts as ended."""

_GRACE = 30.0

_WATCH = r"""
import http.server, os, subprocess, sys, threading, time
port, secret, own, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3].split(","), sys.argv[4:]
env = {k: v for k, v in os.environ.items() if k in own or not k.startswith(("OTEL_", "TRACEPARENT", "BAGGAGE"))}
more, kept, begin, code = threading.Condition(), bytearray(), 0, None
def keep(data):
    global begin
    with more:
        kept.extend(data)
        if len(kept) > 8_000_000:
            begin += 4_000_000
            del kept[:4_000_000]
        more.notify_all()
def read(pipe):
    while data := os.read(pipe.fileno(), 65536):
        keep(data)
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_GET(self):
        path = self.path.split("/")
        if len(path) != 3 or path[1] != secret:
            return self.send_error(404)
        at = int(path[2])
        with more:
            more.wait_for(lambda: begin + len(kept) > at or code is not None, 10)
            at = max(at, begin)
            data, ended = bytes(kept[at - begin : at - begin + 1_000_000]), code
        self.send_response(200)
        self.send_header("X-At", str(at + len(data)))
        self.send_header("X-Uid", str(os.getuid()))
        if ended is not None and not data:
            self.send_header("X-Code", str(ended))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
server = http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
try:
    child = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
except OSError as error:
    keep(f"{argv[0]} cannot be started: {error.strerror}\n".encode())
    ended = 127
else:
    reader = threading.Thread(target=read, args=(child.stdout,), daemon=True)
    reader.start()
    ended = child.wait()
    reader.join(0.5)
with more:
    code = ended
    more.notify_all()
time.sleep(600)
"""
"""``python -c _WATCH PORT SECRET NAMES COMMAND…``; NAMES are the image's own variables, beside which the engine's for
telemetry are taken out. The output of a command that ended can be read for ten minutes more."""


async def as_container(
    what: DaggerImage | dagger.Container | str | Path, builder: Engine, platform: str = DEFAULT_PLATFORM
) -> dagger.Container:
    """The container of an image, a reference in a registry, or a tar.

    :raises BuildError: there is no such image. :raises UsageError: the tar cannot be read.
    """
    import dagger

    if isinstance(what, DaggerImage):
        return what.container
    if isinstance(what, str | Path):
        empty = builder.client.container(platform=dagger.Platform(platform))
        try:
            async with _translated(f"image {what}"):
                if isinstance(what, Path):
                    return await empty.import_(builder.client.host().file(str(what.absolute()), no_cache=True)).sync()
                return await empty.from_(what).sync()
        except DaggerAmlError as error:
            if isinstance(what, str):
                error.do = (
                    f"{error.do or ''}\nAn image that only docker's or podman's store has: --with docker (podman)."
                )
            raise
    return what


@asynccontextmanager
async def in_engine(
    container: dagger.Container,
    builder: Engine,
    log: Log,
    *,
    published: Published,
    env: Mapping[str, str],
    debug: Published | None = None,
) -> AsyncIterator[Endpoint]:
    """Run a container's own command, as its own user, and stop it afterwards.

    :param env: set for this run only.
    :param debug: the port at which a debugger may attach.
    :raises BuildError: the image says no command, or cannot be started.
    :raises EngineGone: the engine went away while it ran; instead of what came of that.
    :raises UsageError: the port is taken.
    """
    import dagger

    client, secret = builder.client, secrets.token_hex(16)
    async with _translated("run"):
        command = [*await container.entrypoint(), *await container.default_args()]
        names = [await each.name() for each in await container.env_variables()]
    if not command:
        raise BuildError("the image names no command to run", step="run")
    for name, value in env.items():
        container = container.with_env_variable(name, value)
    if debug:
        command = [*python_argv(*debugged(command, port=debug.inner))]
    fronts = [(published.port, published.inner, "-p"), (0, _WATCH_PORT, "")]
    fronts += [(debug.port, debug.inner, "--debug")] if debug else []
    for _, port, _ in fronts:
        container = container.with_exposed_port(port, experimental_skip_healthcheck=True)
    args = python_argv("-I", "-S", "-c", _WATCH, str(_WATCH_PORT), secret, ",".join(names), *command)
    service = container.as_service(args=list(args))
    tunnels: list[dagger.Service] = []
    try:
        async with _translated("run"):
            service = await service.start()
        urls = []
        for front, inner, flag in fronts:
            ports = [dagger.PortForward(backend=inner, frontend=front or None)]
            try:
                async with _translated("run"):
                    tunnels.append(await client.host().tunnel(service, ports=ports).start())
                    urls.append(await tunnels[-1].endpoint(scheme="http"))
            except BuildError as error:
                raise port_taken(front, flag) if "address already in use" in str(error) else error from None
        async with Http(urls[1]) as watch, Http(urls[0]) as http:
            watcher = _Watcher(watch, secret, log, builder)
            endpoint = Endpoint(urls[0], "dagger", http, log)
            try:
                async with beside(watcher.follow):
                    endpoint.uid = await watcher.uid()
                    yield endpoint
            except DaggerAmlError:
                gone = await builder.gone("run")
                if gone:
                    raise gone from None
                raise
            if log.ended.is_set() and log.exit_code is None:
                gone = await builder.gone("run")
                if gone:
                    raise gone
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(_GRACE):
            # The service first, which ends every connection: a tunnel that is stopped while it makes one waits until
            # that ends, and so did we (Dagger 0.21.8, ListenHostToContainer).
            for each in (service, *tunnels):
                with contextlib.suppress(dagger.DaggerError):
                    await each.stop(kill=True)


class _Watcher:
    """Reads what our program in the container keeps."""

    def __init__(self, http: Http, secret: str, log: Log, builder: Engine) -> None:
        self._http, self._secret, self._log, self._builder = http, secret, log, builder
        self._uid: int | None = None
        self._answered = anyio.Event()

    async def uid(self) -> int | None:
        """Number of the user that the command runs as; None when the container never answered."""
        await self._answered.wait()
        return self._uid

    async def follow(self) -> None:
        """Hand on what the command prints until it ends."""
        import codecs

        decoder, at, heard = codecs.getincrementaldecoder("utf-8")("replace"), 0, time.monotonic()
        while time.monotonic() - heard < _GONE_AFTER:
            status, data, headers = await self._read(at)
            if status != 200:
                if await self._builder.gone("run"):
                    break
                await anyio.sleep(PAUSE)
                continue
            heard, at, self._uid = time.monotonic(), int(headers["x-at"]), int(headers["x-uid"])
            self._log.add_text(decoder.decode(data))
            self._answered.set()
            if "x-code" in headers:
                self._log.end(int(headers["x-code"]))
                return
        self._log.end(None)
        self._answered.set()

    async def _read(self, at: int) -> tuple[int, bytes, Mapping[str, str]]:
        return await self._http.raw(f"/{self._secret}/{at}", within=15)
