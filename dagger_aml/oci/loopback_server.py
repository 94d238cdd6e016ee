"""What answers at the port of :mod:`~dagger_aml.oci.loopback`."""

from __future__ import annotations

import contextlib
import hmac
import socket
import threading
from collections.abc import Generator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .offer import TAG, Offer, OfferedBlob, Served

_IDLE = 300.0
"""Seconds without a request, or in which nothing of an answer is taken, after which a connection is closed."""

_TLS = b"\x16"
"""The first byte of a client that would talk TLS, as docker and podman do at first. Never a letter of a request."""

_NOT_TLS = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Server(ThreadingHTTPServer):
    """Answers at a socket that listens already, each connection in a thread.

    :param listening: closed with it.
    :param ended: once it is set, who comes is sent away.
    """

    daemon_threads = True
    block_on_close = False
    timeout = 1.0
    """Seconds until who has it handle a request looks whether to end, should nobody have woken him."""

    def __init__(self, offer: Offer, served: Served, listening: socket.socket, ended: threading.Event) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.offer = offer
        self.served = served
        self._ended = ended
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no error, and nothing is printed."""

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a connection is answered."""
        return not self._ended.is_set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every connection, in the middle of an answer too."""
        with self._lock:
            for each in self._connections:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "dagger-aml", ""
    timeout = _IDLE
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        if self.connection.recv(1, socket.MSG_PEEK) == _TLS:
            # What it has sent must be read, or the answer is lost with the connection.
            self.connection.recv(1 << 16)
            self.connection.sendall(_NOT_TLS)
            return
        super().handle()

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
