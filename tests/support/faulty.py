"""An HTTP proxy before a real registry that breaks what it is told to break, and lets all else through.

Its name stands for the registry's: the registry makes its own links of the Host header that it is sent.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import ThreadingHTTPServer
from typing import Protocol

from attrs import define, field, frozen

from tests.support.servers import PlainHandler, answering

_CHUNK = 1 << 16

PULL_BLOB, PULL_MANIFEST = r"(GET|HEAD) /v2/.*/blobs/sha256:", r"(GET|HEAD) /v2/.*/manifests/"
PUSH_BLOB, PUSH_MANIFEST = r"(PATCH|PUT) /v2/.*/blobs/uploads/", r"PUT /v2/.*/manifests/"
PUSH = r"(POST|PATCH|PUT) "
ALL = ""


@frozen
class Answer:
    """Answer in the registry's place.

    :param code: of the error in the body, as registries have it.
    :param after: seconds, since who is busy takes its time to say so.
    """

    status: int
    headers: Mapping[str, str] = {}
    code: str = "UNKNOWN"
    after: float = 0


@frozen
class Cut:
    """Close the connection after some bytes of the body: of the request where it has one, else of the answer."""

    after: int = 0


@frozen
class Unanswered:
    """Hand the request on, then close the connection in place of the answer."""


@frozen
class Slow:
    """Wait before anything is done, then let the request through."""

    seconds: float


@frozen
class Trickle:
    """Let a body through, the request's or the answer's, at so many bytes a second."""

    rate: int


@frozen
class Hang:
    """Never answer; until the proxy ends."""


Action = Answer | Cut | Unanswered | Slow | Trickle | Hang
"""What is done to a request."""


@frozen
class Fault:
    """What is done to some requests.

    :param on: a pattern that begins ``METHOD /path``.
    :param do: or a function that decides by the requests so far, this one the last of them; None lets it through.
    :param times: how many requests it meets; all unless given.
    :param skip: how many it lets by first.
    """

    on: str
    do: Action | Callable[[Sequence[str]], Action | None]
    times: int = 1_000_000
    skip: int = 0


@define
class Faulty:
    """A proxy that runs.

    :param host: ``localhost:PORT``.
    :param asked: the requests so far, as ``METHOD /path``.
    :param met: those that a fault met.
    """

    host: str
    upstream: str
    faults: list[Fault] = field(factory=list)
    asked: list[str] = field(factory=list)
    met: list[str] = field(factory=list)
    _seen: dict[int, int] = field(factory=dict)
    _lock: threading.Lock = field(factory=threading.Lock)
    _over: threading.Event = field(factory=threading.Event)

    def breaks(self, *faults: Fault) -> None:
        """Have these faults from now on, and no others; forget what was asked."""
        with self._lock:
            self.faults = list(faults)
            self._seen, self.asked, self.met = {}, [], []

    def fault(self, request: str) -> Action | None:
        """What the first fault for a request does to it."""
        with self._lock:
            self.asked.append(request)
            for number, each in enumerate(self.faults):
                if re.match(each.on, request):
                    seen = self._seen[number] = self._seen.get(number, 0) + 1
                    if not each.skip < seen <= each.skip + each.times:
                        continue
                    if do := each.do(tuple(self.asked)) if callable(each.do) else each.do:
                        self.met.append(request)
                        return do
            return None

    def digest(self, name: str) -> str | None:
        """What the real registry has under ``REPOSITORY:TAG``; None where it has nothing."""
        repository, _, tag = name.rpartition(":")
        connection = http.client.HTTPConnection(self.upstream, timeout=10)
        kinds = ("docker.distribution.manifest.v2", "oci.image.manifest.v1", "oci.image.index.v1")
        accept = ", ".join(f"application/vnd.{kind}+json" for kind in kinds)
        connection.request("HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": accept})
        answer = connection.getresponse()
        connection.close()
        return answer.headers["Docker-Content-Digest"] if answer.status == 200 else None


@contextlib.contextmanager
def faulty(upstream: str) -> Iterator[Faulty]:
    """A proxy before a registry on this machine (HOST:PORT), on a free port."""
    found = Faulty("", upstream)

    class Handler(_Handler):
        proxy = found

    server = _Server(("127.0.0.1", 0), Handler)
    found.host = f"localhost:{server.server_port}"
    with answering(server):
        try:
            yield found
        finally:
            found._over.set()


def closed_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is none."""


class _Handler(PlainHandler):
    protocol_version = "HTTP/1.1"
    proxy: Faulty

    def _handle(self) -> None:
        do = self.proxy.fault(f"{self.command} {self.path}")
        if isinstance(do, Hang):
            self.proxy._over.wait()
            self.close_connection = True
        elif isinstance(do, Answer):
            self._answer(do)
        else:
            if isinstance(do, Slow):
                self.proxy._over.wait(do.seconds)
            self._pass_on(
                do.after if isinstance(do, Cut) else None,
                do.rate if isinstance(do, Trickle) else None,
                unanswered=isinstance(do, Unanswered),
            )

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _answer(self, answer: Answer) -> None:
        # The rest of the request is not read: as a registry that refuses an upload does.
        self.close_connection = True
        self.proxy._over.wait(answer.after)
        body = f'{{"errors":[{{"code":"{answer.code}","message":"broken on purpose"}}]}}\n'.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value.replace("{host}", self.proxy.host))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        self._drain(time.monotonic() + 1)

    def _drain(self, until: float) -> None:
        """Take what still comes for a moment, or the reset of the connection would overtake the answer."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0.2)
            while time.monotonic() < until and self.connection.recv(_CHUNK):
                pass

    def _pass_on(self, cut: int | None, rate: int | None, *, unanswered: bool) -> None:
        """Hand the request on and its answer back, up to ``cut`` bytes of a body, ``rate`` of them a second."""
        length, chunked = self.headers["Content-Length"], "chunked" in self.headers.get("Transfer-Encoding", "")
        sends = chunked or bool(length and int(length))
        connection = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders()
            for data in self._body(int(length or 0), chunked):
                if cut is not None:
                    if cut < len(data):
                        connection.sock.sendall(data[:cut])
                        self._hang_up()
                        return
                    cut -= len(data)
                self._wait(len(data), rate)
                connection.sock.sendall(data)
            if cut is not None and sends:
                self._hang_up()
                return
            answer = connection.getresponse()
            if unanswered:
                self._hang_up()
                return
            self._hand_back(answer, cut, rate)
        finally:
            connection.close()

    def _body(self, length: int, chunked: bool) -> Iterator[bytes]:
        """The request's body as it is on the wire."""
        if not chunked:
            while length:
                data = _some(self.rfile, min(_CHUNK, length))
                length -= len(data)
                yield data
            return
        while True:
            line = self.rfile.readline()
            yield line
            size = int(line.split(b";")[0], 16)
            yield self.rfile.read(size + 2)
            if not size:
                return

    def _wait(self, size: int, rate: int | None) -> None:
        if rate:
            self.proxy._over.wait(size / rate)

    def _hand_back(self, answer: http.client.HTTPResponse, cut: int | None, rate: int | None) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if answer.headers["Content-Length"] is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        while data := answer.read(_CHUNK):
            if cut is not None and cut < len(data):
                self.wfile.write(data[:cut])
                self._hang_up()
                return
            if cut is not None:
                cut -= len(data)
            self._wait(len(data), rate)
            self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _some(file: _Readable, size: int) -> bytes:
    data = file.read(size)
    if not data:
        raise ConnectionError("the client hung up")
    return data
