"""An HTTP proxy that connects: whatever host is asked of it lies at one place, in TLS to itself or not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

from attrs import define, field

from tests.support.servers import answering


@define
class ConnectProxy:
    """A proxy that runs.

    :param leads_to: the port of this machine that every host is at.
    :param login: the Proxy-Authorization that it wants.
    :param asked: the first lines of the requests so far.
    """

    port: int
    leads_to: int
    login: str = ""
    asked: list[str] = field(factory=list)


@contextlib.contextmanager
def connect_proxy(leads_to: int, certificate: Path | None = None, key: Path | None = None) -> Iterator[ConnectProxy]:
    """A proxy at a free port of 127.0.0.1.

    :param certificate: with which it talks in TLS.
    """
    found = ConnectProxy(0, leads_to)

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                _serve(self, found)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def finish_request(self, request, client_address) -> None:  # type: ignore[no-untyped-def]
            if certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate, key)
                with contextlib.suppress(OSError):
                    request = context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)

    with Server(("127.0.0.1", 0), Handler) as server, answering(server):
        found.port = server.server_address[1]
        yield found


def _serve(handler: StreamRequestHandler, proxy: ConnectProxy) -> None:
    proxy.asked.append(handler.rfile.readline().decode().strip())
    headers = {}
    while line := handler.rfile.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    if proxy.login and headers.get("proxy-authorization") != proxy.login:
        handler.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        return
    with socket.create_connection(("127.0.0.1", proxy.leads_to)) as there:
        handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_pass, args=(there, handler.connection), daemon=True)
        back.start()
        _pass(handler.connection, there)
        back.join(5)


def _pass(source: socket.socket, dest: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            dest.sendall(data)
    for each in (source, dest):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
