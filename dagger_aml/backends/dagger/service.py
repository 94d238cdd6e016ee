"""Images served by a Dagger engine: a service and a tunnel, no container runtime of this machine.

The engine's API tells neither what a service printed nor that it ended. So the image's own command runs as the child
of a small Python program of ours, by the image's Python, as the image's user; it keeps what the command prints and
hands it out at a second port, behind a secret path. Files and config of the image are the published ones.
"""

from __future__ import annotations

import codecs
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import dagger
import httpx

from ...base.python import python_argv
from ...data import frozen
from ...errors import BuildError, DaggerAmlError, EngineGone
from ...graph.base import DEFAULT_PLATFORM
from ...oci.messages import Peer
from ...policy import DEFAULT, Policy
from ...tasks import background_task
from ...text import named
from ..base import Image, own_image
from ..runtime import ImageOutput, Start, Started, cannot_restrict, port_taken
from .capabilities import CAPABILITIES
from .errors import translated
from .image import DaggerImage

_WATCH_PORT = 49101
"""In the container, where our program hands out what it keeps."""

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

_PAUSE = 0.1
"""Seconds between two questions to our program while it is not up."""

NOWHERE = "http://127.0.0.1:9"
"""An address at which nothing listens (the discard port)."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY")
POINTS_NOWHERE: Mapping[str, str] = {
    "PIP_INDEX_URL": NOWHERE,
    "PIP_EXTRA_INDEX_URL": NOWHERE,
    "PIP_RETRIES": "0",
    **{name: NOWHERE for name in _PROXIES},
    **{name.lower(): NOWHERE for name in _PROXIES},
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "no_proxy": "localhost,127.0.0.1,::1",
}
"""What stands in for a missing network in a Dagger engine, which has no such switch: set for one run only."""


@frozen
class Services:
    """Starts images as services of an engine; see :class:`~dagger_aml.backends.base.Runtime`.

    :param client: of the engine's session.
    :param gone: tells why the engine cannot be reached any more, where it cannot; given what needs it.
    """

    name: str
    client: dagger.Client
    gone: Callable[[str], Awaitable[EngineGone | None]]
    policy: Policy = DEFAULT

    @property
    def offline(self) -> str:
        """See :data:`POINTS_NOWHERE`."""
        return CAPABILITIES.offline

    @asynccontextmanager
    async def serve(
        self, what: Image | dagger.Container | str | Path, start: Start, output: ImageOutput
    ) -> AsyncIterator[Started]:
        """Run an image's own command, as its own user, and stop it afterwards.

        :raises EngineGone: the engine went away while it ran; instead of what came of that.
        """
        if start.restricted:
            raise cannot_restrict()
        container, secret = await self._container(what, start.platform), secrets.token_hex(16)
        async with translated("run"):
            command: Sequence[str] = [*await container.entrypoint(), *await container.default_args()]
            names = [await each.name() for each in await container.env_variables()]
        if not command:
            raise BuildError("the image has no command to run", location="run")
        for name, value in {**start.env, **(POINTS_NOWHERE if start.offline else {})}.items():
            container = container.with_env_variable(name, value)
        if start.debug:
            command = start.debugged(command)
        fronts = [(start.published.port, start.published.inner, "publish"), (0, _WATCH_PORT, "")]
        fronts += [(start.debug.port, start.debug.inner, "debug")] if start.debug else []
        for _, port, _ in fronts:
            container = container.with_exposed_port(port, experimental_skip_healthcheck=True)
        args = python_argv("-I", "-S", "-c", _WATCH, str(_WATCH_PORT), secret, ",".join(names), *command)
        service = container.as_service(args=list(args))
        tunnels: list[dagger.Service] = []
        try:
            async with translated("run"):
                service = await service.start()
            urls = []
            for front, inner, setting in fronts:
                ports = [dagger.PortForward(backend=inner, frontend=front or None)]
                try:
                    async with translated("run"):
                        tunnels.append(await self.client.host().tunnel(service, ports=ports).start())
                        urls.append(await tunnels[-1].endpoint(scheme="http"))
                except BuildError as error:
                    raise port_taken(front, setting) if "address already in use" in str(error) else error from None
            async with httpx.AsyncClient(base_url=urls[1], trust_env=False) as watch:
                watcher = _Watcher(watch, secret, output, self.gone, self.policy)
                try:
                    async with background_task(watcher.follow):
                        yield Started(urls[0], await watcher.uid())
                except DaggerAmlError:
                    gone = await self.gone("run")
                    if gone:
                        raise gone from None
                    raise
                if output.ended.is_set() and output.exit_code is None:
                    gone = await self.gone("run")
                    if gone:
                        raise gone
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(self.policy.remove_deadline_seconds):
                # The service first, which ends every connection: a tunnel that is stopped while it makes one waits
                # until that ends, and so did we (Dagger 0.21.8, ListenHostToContainer).
                for each in (service, *tunnels):
                    with contextlib.suppress(dagger.DaggerError):
                        await each.stop(kill=True)

    async def run_probe(
        self, image: Image | str | Path, argv: Sequence[str], *, offline: bool, platform: str = DEFAULT_PLATFORM
    ) -> tuple[list[str], int]:
        """Run a command in an image, as its own user; its output and exit code."""
        container = await self._container(image, platform)
        for name, value in (POINTS_NOWHERE if offline else {}).items():
            container = container.with_env_variable(name, value)
        async with translated("smoke"):
            ran = await container.with_exec(list(argv), expect=dagger.ReturnType.ANY).sync()
            return (await ran.combined_output()).splitlines(), await ran.exit_code()

    async def _container(self, what: Image | dagger.Container | str | Path, platform: str) -> dagger.Container:
        """The container of an image, a reference in a registry, or a tar.

        :raises BuildError: there is no such image. :raises UsageError: the tar cannot be read.
        """
        if isinstance(what, dagger.Container):
            return what
        if not isinstance(what, str | Path):
            return own_image(what, DaggerImage, self.name, "serve").container
        empty = self.client.container(platform=dagger.Platform(platform))
        try:
            async with translated(Peer("image", what) if isinstance(what, str) else f"image {what}"):
                if isinstance(what, Path):
                    return await empty.import_(self.client.host().file(str(what.absolute()), no_cache=True)).sync()
                return await empty.from_(what).sync()
        except DaggerAmlError as error:
            if isinstance(what, str):
                error.hint = (
                    f"{error.hint or ''}\nIf only docker or podman has the image in its store, add "
                    f"{named('builder', 'docker')} or {named('builder', 'podman')}."
                )
            raise


class _Watcher:
    """Reads what our program in the container keeps."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        secret: str,
        output: ImageOutput,
        gone: Callable[[str], Awaitable[EngineGone | None]],
        policy: Policy,
    ) -> None:
        self._policy = policy
        self._client, self._secret, self._output, self._gone = client, secret, output, gone
        self._uid: int | None = None
        self._answered = anyio.Event()

    async def uid(self) -> int | None:
        """Number of the user that the command runs as; None when the container never answered."""
        await self._answered.wait()
        return self._uid

    async def follow(self) -> None:
        """Hand on what the command prints until it ends."""
        decoder, at, heard = codecs.getincrementaldecoder("utf-8")("replace"), 0, time.monotonic()
        while time.monotonic() - heard < self._policy.serve_silence_timeout_seconds:
            answer = await self._read(at)
            if answer is None or answer.status_code != 200:
                if await self._gone("run"):
                    break
                await anyio.sleep(_PAUSE)
                continue
            said = answer.headers
            heard, at, self._uid = time.monotonic(), int(said["x-at"]), int(said["x-uid"])
            self._output.add_text(decoder.decode(answer.content))
            self._answered.set()
            if "x-code" in said:
                self._output.end(int(said["x-code"]))
                return
        self._output.end(None)
        self._answered.set()

    async def _read(self, at: int) -> httpx.Response | None:
        try:
            within = self._policy.serve_poll_timeout_seconds
            return await self._client.get(f"/{self._secret}/{at}", timeout=within)
        except httpx.HTTPError:
            return None
