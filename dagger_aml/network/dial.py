"""Connections to other machines: the first address that takes one, by a proxy where it must be, in TLS or not."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .proxy import Proxy

_HEAD_START_SECONDS = 0.25
"""That an address has before the next one is tried too (RFC 8305): an IPv6 that leads nowhere costs no more."""


class ProxyRefused(OSError):
    """A proxy answered, and makes no connection."""


def dial(host: str, port: int, timeout: float, check: Callable[[], None]) -> socket.socket:
    """A connection to the first address of a host that takes one.

    :param timeout: seconds, for all of it but the look-up of the name.
    :param check: called several times a second; what it raises ends this.
    :raises OSError: there is none: TimeoutError, ConnectionRefusedError, socket.gaierror, …
    """
    waiting = socket.getaddrinfo(plain(host), port, type=socket.SOCK_STREAM)
    until, error = time.monotonic() + timeout, OSError("no address")
    with selectors.DefaultSelector() as trying:
        try:
            while waiting or trying.get_map():
                if waiting:
                    family, kind, protocol, _, address = waiting.pop(0)
                    sock = socket.socket(family, kind, protocol)
                    sock.setblocking(False)
                    number = sock.connect_ex(address)
                    if number not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                        sock.close()
                        error = OSError(number, os.strerror(number))
                        continue
                    trying.register(sock, selectors.EVENT_WRITE)
                left = until - time.monotonic()
                for key, _ in trying.select(max(0.0, min(_HEAD_START_SECONDS, left))):
                    sock = key.fileobj  # type: ignore[assignment]
                    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    trying.unregister(sock)
                    if not number:
                        sock.settimeout(timeout)
                        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        return sock
                    sock.close()
                    error = OSError(number, os.strerror(number))
                check()
                if left <= 0:
                    raise TimeoutError
            raise error
        finally:
            for key in list(trying.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]


def plain(host: str) -> str | bytes:
    """A host's name in bytes where nothing in it is to be encoded: for text Python loads its tables of letters first.

    A name that it would refuse stays text, and so is refused.
    """
    *labels, last = host.split(".")
    fits = host.isascii() and all(0 < len(each) < 64 for each in labels) and len(last) < 64
    return host.encode() if fits else host


def tunnel(sock: socket.socket, host: str, port: int, proxy: Proxy) -> None:
    """Have the proxy at the other end of a connection connect it to a host.

    :raises ProxyRefused: it does not. :raises OSError: it does not answer.
    """
    import http.client

    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {at} HTTP/1.1", f"Host: {at}"]
    if proxy.login:
        lines.append(f"Proxy-Authorization: {proxy.login}")
    sock.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    with http.client.HTTPResponse(sock, method="CONNECT") as answer:
        answer.begin()
        if answer.status != 200:
            wants = "it asks for a login (407)" if answer.status == 407 else f"it answered {answer.status}"
            raise ProxyRefused(wants)
