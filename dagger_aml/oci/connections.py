"""HTTP to registries: connections that are kept for the next request, each timeout one of silence, for many threads.

It is built on the standard library's ``http.client``, which costs a quarter of what httpx does to import: a push that
has nothing to send lasts hardly longer than that.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..data import define
from ..network.ca import tls_context
from ..network.dial import dial, plain, tunnel
from ..policy import Policy
from .reference import is_here
from .wire import Answer, Body, Origin, Request, origin_of, put_head, send_all, wire

if TYPE_CHECKING:
    from ..network.proxy import Proxy

_EARLY_ANSWER_SECONDS = 2.0
"""For an answer to a request of which the other side does not take the rest."""

_LONGEST_IDLE_SECONDS = 60.0
"""For which a connection is kept: what lies between may have forgotten an older one, and not tell."""


class Ended(Exception):
    """The connections were closed by another thread."""


class PlainHttp(Exception):
    """HTTP without TLS is asked for, to another machine."""


@define(eq=False)
class _Line:
    """A connection, used by one thread at a time.

    :param raw: what is shut down to end what waits for it.
    :param used: whether it has carried an answer before.
    :param since: when it was last given back, by the monotonic clock.
    """

    raw: socket.socket
    sock: Any
    http: http.client.HTTPConnection
    used: bool = False
    since: float = 0.0

    def close(self) -> None:
        self.http.close()
        self.sock.close()


class _Broken(Exception):
    """The line broke, by another error than the body's own stream may raise."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


@contextlib.contextmanager
def _on_the_line() -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Broken(error) from None


def _proxy(host: str, port: int) -> Proxy | None:
    from ..network.proxy import proxy_of

    return proxy_of(host, port)


class Connections:
    """All connections of a client, to whatever hosts."""

    def __init__(self, policy: Policy) -> None:
        self._connect_seconds = policy.connect_timeout_seconds
        self._lock, self._tls_lock = threading.Lock(), threading.Lock()
        self._idle: dict[Origin, list[_Line]] = {}
        self._busy: set[_Line] = set()
        self._tls: Any = None
        self.ended: bool = False

    def end(self) -> None:
        """Close all, for good; a thread that waits for one is given an :class:`Ended` at once."""
        with self._lock:
            self.ended = True
            idle = [line for lines in self._idle.values() for line in lines]
            self._idle.clear()
            for line in self._busy:
                with contextlib.suppress(OSError):
                    # Not as TLS has it: that would take the keys away from the thread that uses them.
                    socket.socket.shutdown(line.raw, socket.SHUT_RDWR)
        for line in idle:
            line.close()

    def send(self, request: Request) -> Answer:
        """Ask, and wait for the answer's head.

        :raises Exception: what the request's ``fail`` makes of what went wrong; what its body's own stream raised.
        :raises UsageError: the proxy or the certificates that the environment names are of no use.
        """
        while True:
            line = None
            try:
                with _on_the_line():
                    origin = origin_of(request.url)
                    line = self._line(origin)
                return self._asked(line, request, origin)
            except _Broken as broken:
                if line:
                    self._drop(line)
                if self.ended:
                    raise request.fail(Ended()) from None
                # One that was kept may have been closed by the other side at any time: a new one is no second try.
                stale = line and line.used and not isinstance(broken.error, TimeoutError)
                if not stale or isinstance(request.body, Body):
                    raise request.fail(broken.error) from None
            except (Ended, PlainHttp) as error:
                raise request.fail(error) from None
            except BaseException:
                if line:
                    self._drop(line)
                raise

    def _line(self, origin: Origin) -> _Line:
        with self._lock:
            self._check()
            idle = self._idle.get(origin, [])
            if idle and time.monotonic() - idle[-1].since < _LONGEST_IDLE_SECONDS:
                line = idle.pop()
                self._busy.add(line)
                return line
            old, idle[:] = list(idle), []
        for line in old:
            line.close()
        return self._connected(*origin)

    def _connected(self, scheme: str, host: str, port: int) -> _Line:
        here = is_here(f"[{host}]" if ":" in host else host)
        if scheme == "http" and not here:
            raise PlainHttp
        if scheme == "https":
            with self._tls_lock:
                self._tls = self._tls or tls_context()
        proxy = None if here else _proxy(host, port)
        at = (proxy.host, proxy.port) if proxy else (host, port)
        sock = dial(*at, self._connect_seconds, self._check)
        line = _Line(sock, sock, http.client.HTTPConnection(host, port))
        with self._lock:
            self._busy.add(line)
        try:
            if proxy:
                if proxy.tls:
                    self._secure(line, proxy.host)
                tunnel(line.sock, host, port, proxy)
            if scheme == "https":
                self._secure(line, host)
            self._check()
        except BaseException:
            self._drop(line)
            raise
        line.http.auto_open, line.http.sock = 0, line.sock
        return line

    def _secure(self, line: _Line, host: str) -> None:
        """Go on in TLS, within that of a proxy if there is one. It can be ended while it waits."""
        import ssl

        self._check()
        if isinstance(line.sock, ssl.SSLSocket):
            from ..network.nested import NestedTls

            line.sock = NestedTls(line.sock, self._tls, host)
        else:
            line.sock = line.raw = self._tls.wrap_socket(
                line.sock, server_hostname=plain(host), do_handshake_on_connect=False
            )
        line.sock.do_handshake()

    def _asked(self, line: _Line, request: Request, origin: Origin) -> Answer:
        with _on_the_line():
            line.sock.settimeout(request.idle_seconds)
            put_head(line.http, request, origin)
        total, broken = 0, None
        with contextlib.closing(wire(request.body)) as pieces:
            for piece, size in pieces:
                try:
                    send_all(line.sock, piece)
                except OSError as error:
                    broken = error
                    break
                if size and isinstance(request.body, Body):
                    total += size
                    request.body.sent(total)
        with _on_the_line():
            line.sock.settimeout(
                min(_EARLY_ANSWER_SECONDS, request.answer_seconds) if broken else request.answer_seconds
            )
            try:
                response = line.http.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise broken or error from None
            if broken and response.status < 400:
                raise broken
            line.sock.settimeout(request.idle_seconds)
        return Answer(response, request, lambda again: self._over(line, origin, again), again=not broken)

    def _over(self, line: _Line, origin: Origin, again: bool) -> None:
        with self._lock:
            if again and not self.ended:
                self._busy.discard(line)
                line.used, line.since = True, time.monotonic()
                self._idle.setdefault(origin, []).append(line)
                return
        self._drop(line)

    def _drop(self, line: _Line) -> None:
        with self._lock:
            self._busy.discard(line)
        line.close()

    def _check(self) -> None:
        if self.ended:
            raise Ended
