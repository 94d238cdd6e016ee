"""A registry of one image at a port of this machine, from which a store that is here pulls what it lacks.

It can only be read, and only by who has its password: a name in the arguments of a program is no secret on a machine
with several users.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
import socketserver
import threading
from collections.abc import Generator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .blobs import digest_of
from .offer import TAG, Offer, OfferedBlob, Served

_ADDRESS = "127.0.0.1"

_AGAIN = 0.004
"""Seconds between two looks whether to end."""

_IDLE = 300.0
"""Seconds without a request, or in which nothing of an answer is taken, after which a connection is closed."""

_TLS = b"\x16"
"""The first byte of a client that would talk TLS, as docker and podman do at first. Never a letter of a request."""

_NOT_TLS = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@contextlib.contextmanager
def serving(offer: Offer) -> Iterator[Served]:
    """Serve an image while the block runs; every connection ends with it.

    :raises OSError: no port of this machine can be had.
    """
    with _Server(offer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_AGAIN,), name="loopback", daemon=True)
        thread.start()
        try:
            yield server.served
        finally:
            server.shutdown()
            server.hang_up()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, offer: Offer) -> None:
        super().__init__((_ADDRESS, 0), _Handler)
        self.offer = offer
        host = f"{_ADDRESS}:{self.server_address[1]}"
        digest = digest_of(offer.manifest)
        self.served = Served(host, secrets.token_hex(16), digest, offer.config, secrets.token_hex(16))
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()

    def server_bind(self) -> None:
        # HTTPServer's own asks who this machine is, which may take long.
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no error, and nothing is printed."""

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def hang_up(self) -> None:
        with self._lock:
            for each in self._connections:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "dagger-aml", ""
    timeout = _IDLE
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        self.server.opened(self.connection)
        try:
            if self.connection.recv(1, socket.MSG_PEEK) == _TLS:
                # What it has sent must be read, or the answer is lost with the connection.
                self.connection.recv(1 << 16)
                self.connection.sendall(_NOT_TLS)
                return
            super().handle()
        finally:
            self.server.closed(self.connection)

    def do_GET(self) -> None:
        self.server.served.came.set()
        served, offer = self.server.served, self.server.offer
        place = f"/v2/{served.repository}"
        path = self.path.partition("?")[0]
        if not self._may_read():
            self._told(401, b"{}", "application/json", ("WWW-Authenticate", 'Basic realm="dagger-aml"'))
        elif path == "/v2/":
            self._told(200, b"{}", "application/json")
        elif path in (f"{place}/manifests/{served.digest}", f"{place}/manifests/{TAG}"):
            self._told(200, offer.manifest, offer.media_type, ("Docker-Content-Digest", served.digest))
        elif path.startswith(f"{place}/blobs/") and (blob := offer.blobs.get(path.rpartition("/")[2])):
            self._blob(path.rpartition("/")[2], blob)
        else:
            self._told(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "application/json")

    do_HEAD = do_GET

    def _may_read(self) -> bool:
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Basic {self.server.served.login}".encode())

    def _told(self, status: int, body: bytes, media_type: str, *headers: tuple[str, str]) -> None:
        self._begin(status, len(body), media_type, *headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _blob(self, digest: str, blob: OfferedBlob) -> None:
        self._begin(200, blob.size, "application/octet-stream", ("Docker-Content-Digest", digest))
        if self.command == "HEAD":
            return
        self.server.served.asked.append(digest)
        self.close_connection = True
        try:
            chunks = iter(blob.chunks())
        except Exception as error:
            self.server.served.failed.append(error)
            return
        left = blob.size
        try:
            while left >= 0 and (chunk := self._next(chunks)):
                left -= len(chunk)
                self.wfile.write(chunk)
                self.server.served.moved[digest] = blob.size - left
        finally:
            if isinstance(chunks, Generator):
                chunks.close()
        self.close_connection = left != 0

    def _next(self, chunks: Iterator[bytes]) -> bytes | None:
        """The next piece; None after the last, and where it cannot be made, which is noted."""
        try:
            return next(chunks, None)
        except Exception as error:
            self.server.served.failed.append(error)
            return None

    def _begin(self, status: int, size: int, media_type: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", media_type), ("Content-Length", str(size)), *headers):
            self.send_header(name, value)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""
