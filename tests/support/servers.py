"""Servers that run beside a test."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer


class PlainHandler(BaseHTTPRequestHandler):
    """Says at once, as real servers do, that it talks no TLS: Docker 29 tries that first, and waits for an answer."""

    def handle(self) -> None:
        """Answer a connection."""
        if type(self.connection) is socket.socket and self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
            self.connection.recv(1 << 16)
            self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            return
        super().handle()


@contextlib.contextmanager
def answering(server: TCPServer) -> Iterator[None]:
    """Answer in a thread while the block runs, and wait for nothing.

    An answer in two parts would stand still for 40 ms between them (Nagle's algorithm), and ``serve_forever`` sees
    only now and then that it shall end.
    """
    server.RequestHandlerClass.disable_nagle_algorithm = True  # type: ignore[attr-defined]
    server.timeout = 0
    woken, wake = socket.socketpair()

    def serve() -> None:
        with selectors.DefaultSelector() as waiting:
            for each in (server, woken):
                waiting.register(each, selectors.EVENT_READ)
            while not any(key.fileobj is woken for key, _ in waiting.select()):
                server.handle_request()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with woken, wake:
        try:
            yield
        finally:
            wake.send(b"x")
            thread.join(5)
            server.server_close()


@contextlib.contextmanager
def greeting() -> Iterator[int]:
    """A port of 127.0.0.1 at which somebody answers, as an engine that works does, and then says no more."""
    kept = []

    def serve() -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            connection.sendall(bytes(9))
            kept.append(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for each in kept:
        each.close()
