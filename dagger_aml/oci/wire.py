"""HTTP on a connection: a request, its body streamed, and an answer that is never taken for whole when it was cut."""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import IO, Any
from urllib.parse import urlsplit

from attrs import field

from ..data import frozen
from ..errors import BuildError
from ..version import __version__

Origin = tuple[str, str, int]
"""Scheme, host and port: what may see a login, and what a connection leads to."""

_DRAINED = 64 * 1024
"""Bytes of an answer that nobody wants that are read all the same, as its connection can then be used again."""


@frozen
class Body:
    """What a request carries, streamed.

    :param stream: makes it, from its beginning; called anew if the request is sent once more.
    :param size: its bytes; None where that is not known: it then travels in chunked coding.
    :param sent: told how many bytes of it are sent so far.
    """

    stream: Callable[[], Iterable[bytes]]
    size: int | None
    sent: Callable[[int], None]


@frozen
class Request:
    """One request.

    :param headers: with whatever logs in; never shown.
    :param fail: makes the error that is raised of what went wrong on the line, :class:`Ended` and :class:`PlainHttp`
        included. What a body's own stream raises comes out as it is.
    :param answer_seconds: that may pass until the answer begins.
    :param idle_seconds: that may pass between two parts of a body.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | Body
    fail: Callable[[Exception], Exception]
    answer_seconds: float
    idle_seconds: float


def origin_of(url: str) -> Origin:
    """Whom a URL leads to.

    :raises ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


class Answer:
    """An answer: its head, and its body until it is closed, as leaving its block does."""

    def __init__(
        self,
        response: http.client.HTTPResponse,
        request: Request,
        over: Callable[[bool], None],
        *,
        again: bool = True,
    ) -> None:
        self.status: int = response.status
        self.headers: http.client.HTTPMessage = response.headers
        self.url: str = request.url
        self._response, self._request, self._over, self._again = response, request, over, again

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(again=kind is None)

    def stream(self) -> IO[bytes]:
        """The body. What breaks off raises what the request's ``fail`` makes of it."""
        return io.BufferedReader(_Stream(self._response, self._request.fail), 1 << 20)

    def read(self, most: int) -> bytes:
        """The body, or as many bytes of it. Raises as :meth:`stream`."""
        return self.stream().read(most)

    def close(self, *, again: bool = True) -> None:
        """Give the connection back where nothing of the body is left, else end it.

        :param again: whether it may be used again; if not, what is left of the body is not waited for.
        """
        response, again = self._response, again and self._again and not self._response.will_close
        try:
            if again and not response.isclosed() and (response.length or 0) <= _DRAINED:
                response.read(_DRAINED)
            again = again and response.isclosed()
        except (OSError, http.client.HTTPException):
            again = False
        response.close()
        self._over(again)


class _Stream(io.RawIOBase):
    """A body that is never taken for whole when it was cut."""

    def __init__(self, response: http.client.HTTPResponse, fail: Callable[[Exception], Exception]) -> None:
        self._response, self._fail = response, fail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = self._response.readinto(buffer)
            if not count and self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
        except (OSError, http.client.HTTPException) as error:
            raise self._fail(error) from None
        return count


def put_head(line: http.client.HTTPConnection, request: Request, origin: Origin) -> None:
    scheme, host, port = origin
    parts, name = urlsplit(request.url), f"[{host}]" if ":" in host else host
    usual = port == (443 if scheme == "https" else 80)
    headers = {"Host": name if usual else f"{name}:{port}", "User-Agent": f"dagger-aml/{__version__}"}
    headers |= {"Accept-Encoding": "identity", **request.headers}
    if isinstance(request.body, Body) and request.body.size is None:
        headers["Transfer-Encoding"] = "chunked"
    elif request.method not in ("GET", "HEAD"):
        size = request.body.size if isinstance(request.body, Body) else len(request.body)
        headers["Content-Length"] = str(size)
    line.putrequest(
        request.method,
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        skip_host=True,
        skip_accept_encoding=True,
    )
    for key, value in headers.items():
        line.putheader(key, value)
    line.endheaders()


def wire(body: bytes | Body) -> Generator[tuple[bytes, int], None, None]:
    """A body as it travels, and how many bytes of it are the body's own; its stream is closed if this is.

    Nothing large is copied into its frame: a copy costs as much as sending does.

    :raises BuildError: it has another size than was said, and so its last bytes would be waited for.
    """
    if isinstance(body, bytes):
        if body:
            yield body, len(body)
        return
    pieces, chunked, before, total = body.stream(), body.size is None, b"", 0
    try:
        for piece in pieces:
            total += len(piece)
            if body.size is not None and total > body.size:
                break
            if piece:
                if chunked:
                    yield b"%b%X\r\n" % (before, len(piece)), 0
                    before = b"\r\n"
                yield piece, len(piece)
    finally:
        close = getattr(pieces, "close", None)
        if close:
            close()
    if body.size not in (None, total):
        raise BuildError(f"{total} bytes are to be sent instead of {body.size}")
    if chunked:
        yield before + b"0\r\n\r\n", 0


def send_all(sock: Any, data: bytes) -> None:
    """Send, each wait for the other side having its own time: ``sendall`` has one for all of it."""
    view = memoryview(data)
    while view:
        view = view[sock.send(view) :]
