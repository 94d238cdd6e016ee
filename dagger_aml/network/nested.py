"""TLS within TLS: for a proxy that is itself talked to in TLS. The standard library has it for asyncio alone."""

from __future__ import annotations

import io
import ssl
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .dial import plain

T = TypeVar("T")

_PART = 1 << 14


class NestedTls:
    """A socket as far as ``http.client`` needs one, whose bytes travel within another's.

    :param outer: connected, its handshake done; closed with this.
    """

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        self._outer = outer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=plain(host))
        self._readers, self._closed = 0, False

    def do_handshake(self) -> None:
        """Begin. :raises OSError: the other side does not take part, or its certificate is not trusted."""
        self._do(self._tls.do_handshake)

    def send(self, data: bytes | memoryview) -> int:
        """Send some of the bytes, and say how many."""
        return self._do(lambda: self._tls.write(data))

    def sendall(self, data: bytes) -> None:
        """Send all."""
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]

    def recv_into(self, buffer: Any) -> int:
        """Wait for some bytes; 0 at the end."""
        try:
            return self._do(lambda: cast(int, self._tls.read(len(buffer), buffer)))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def makefile(self, mode: str) -> io.BufferedReader:
        """What reads from it; it stays open until this is closed too."""
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def settimeout(self, seconds: float | None) -> None:
        """Of each wait for the other side."""
        self._outer.settimeout(seconds)

    def close(self) -> None:
        """Close it once nobody reads from it any more."""
        self._closed = True
        if not self._readers:
            self._outer.close()

    def over(self) -> None:
        """One of its readers is closed."""
        self._readers -= 1
        if self._closed:
            self.close()

    def _do(self, work: Callable[[], T]) -> T:
        while True:
            try:
                result = work()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._outer.recv(_PART)
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        data = self._out.read()
        if data:
            self._outer.sendall(data)


class _Reader(io.RawIOBase):
    def __init__(self, sock: NestedTls) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.over()
