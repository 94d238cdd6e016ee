"""Putting images into a registry: blobs by the way that every registry takes, or from a repository beside; manifests.

Nothing is ever deleted, and no session of an upload resumed: most registries forget one with its connection, so what
breaks off starts again from its source (docs/builders.md, "Registries").
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import quote, urlencode

from ..errors import BuildError, GraphError, RegistryDenied
from ..graph.checks import short
from ..policy import DEFAULT, Policy
from ..text import pattern
from .blobs import digest_of
from .client import RegistryClient
from .exchange import beside
from .failures import check_taken, no_registry
from .reference import Reference
from .tokens import pull, push
from .wire import Answer, Body, Origin, origin_of

Stream = Callable[[], Iterable[bytes]]
"""Makes a blob's bytes, from the first, each time it is called."""

_ONE_AND_RANGES = (math.inf, 16 << 20, 4 << 20)
"""Bytes of one request: the whole blob, and ranges where a registry, or what stands before it, refuses that."""

_PIECE = 1 << 20
"""Bytes of a range after which it is told that they are sent."""

_BYTES = {"Content-Type": "application/octet-stream"}

_TOO_MUCH = (411, 413)
"""A request is too long, or must say how long it is."""

_TAG = pattern(r"\w[\w.-]{0,127}", re.ASCII)


class PushClient(RegistryClient):
    """Asks registries, and puts images into them."""

    def __init__(self, policy: Policy = DEFAULT) -> None:
        super().__init__(policy)
        self._most: dict[Origin, float] = {}

    def mount(self, ref: Reference, digest: str, source: str, *, location: str | None = None) -> bool:
        """Have a repository take a blob from another one of the same registry; whether it has it now.

        :param source: the other repository. False too where its blobs may not be read.
        """
        location = location or f"push {ref}"
        url = f"{ref.url}/blobs/uploads/?{urlencode({'mount': digest, 'from': source})}"
        try:
            with self.ask(ref, "POST", url, push(ref.repository) | pull(source), location) as answer:
                if answer.status == 201:
                    return True
                if answer.status != 202:
                    return False
            # Some take it and say 202 all the same.
            return self.has_blob(ref, digest, location=location)
        except RegistryDenied:
            return False

    def upload(
        self,
        ref: Reference,
        stream: Stream,
        digest: str | Callable[[], str],
        *,
        size: int | None = None,
        sent: Callable[[int], None] = lambda _: None,
        location: str | None = None,
    ) -> None:
        """Put a blob into a repository. Nothing of it is kept here, so flat memory.

        :param stream: called anew where it has to start again; what it raises comes out as it is.
        :param digest: of the blob; where it is not known before, what tells it once the stream is through.
        :param size: bytes of the blob, where they are known.
        :param sent: told the bytes sent so far; fewer than before where it starts again.
        :raises BuildError: the registry refuses it, or has taken other bytes than those of the digest.
        """
        location = location or f"push {ref}"
        origin = origin_of(ref.url)
        for most in [each for each in _ONE_AND_RANGES if each <= self._most.get(origin, _ONE_AND_RANGES[0])]:
            answer = self._uploaded(ref, stream, digest, size, sent, location, most)
            if answer is None:
                return
            with answer:
                if answer.status in _TOO_MUCH and most != _ONE_AND_RANGES[-1]:
                    continue
                check_taken(answer, ref, location, "a blob")
                if most < self._most.get(origin, math.inf):
                    self._most[origin] = most
                self._check_digest(answer, ref, location, digest if isinstance(digest, str) else digest())
                return

    def copy(
        self,
        source: Reference,
        ref: Reference,
        digest: str,
        *,
        size: int | None = None,
        sent: Callable[[int], None] = lambda _: None,
        location: str | None = None,
    ) -> None:
        """Put a blob of another registry into a repository as it comes, with the login of each. As :meth:`upload`.

        :param source: who has it. Its errors name it.
        """

        def stream() -> Iterator[bytes]:
            with self.blob(source, digest) as file:
                while data := file.read(_PIECE):
                    yield data

        self.upload(ref, stream, digest, size=size, sent=sent, location=location)

    def put_manifest(
        self, ref: Reference, raw: bytes, media_type: str, *, tag: str | None, location: str | None = None
    ) -> str:
        """Put a manifest or an index into a repository, by its digest or under a tag; its digest.

        :param tag: None where it gets none.
        :raises GraphError: no tag. :raises BuildError: the registry refuses it.
        """
        location = location or f"push {ref}"
        if tag is not None and not _TAG.fullmatch(tag):
            raise GraphError(f"not a tag: {short(tag)}", location=location)
        digest, headers = digest_of(raw), {"Content-Type": media_type}
        url = f"{ref.url}/manifests/{tag or digest}"
        with self.ask(ref, "PUT", url, push(ref.repository), location, headers=headers, body=raw) as answer:
            check_taken(answer, ref, location, "the manifest", tagged=tag is not None)
            self._check_digest(answer, ref, location, digest)
        return digest

    def _uploaded(
        self,
        ref: Reference,
        stream: Stream,
        digest: str | Callable[[], str],
        size: int | None,
        sent: Callable[[int], None],
        location: str,
        most: float,
    ) -> Answer | None:
        """The answer to the last request of an upload: to the one that closes it, or to one that was refused.

        None where it was closed already, and the answer to that was lost.

        :param most: bytes of one request.
        """
        ask = partial(self.ask, ref, scopes=push(ref.repository), location=location)
        close = partial(ask, "PUT", answer_seconds=self.policy.blob_commit_timeout_seconds)
        answer = ask("POST", f"{ref.url}/blobs/uploads/")
        if answer.status != 202:
            if answer.status < 300:
                answer.close()
                raise no_registry(ref, location)
            return answer
        if most == _ONE_AND_RANGES[0]:
            body = Body(stream, size, sent)
            if size is not None and isinstance(digest, str):
                return close(_closed(_next(answer, ref, location), digest), headers=_BYTES, body=body)
            answer = ask("PATCH", _next(answer, ref, location), headers=_BYTES, body=body)
            if answer.status >= 300:
                return answer
        else:
            begin = 0
            for part in _parts(stream(), int(most)):
                headers = {**_BYTES, "Content-Range": f"{begin}-{begin + len(part) - 1}"}
                body = Body(partial(_pieces, part), len(part), partial(_told, sent, begin))
                answer = ask("PATCH", _next(answer, ref, location), headers=headers, body=body)
                if answer.status >= 300:
                    return answer
                begin += len(part)
        known = digest if isinstance(digest, str) else digest()
        answer = close(_closed(_next(answer, ref, location), known))
        if answer.status == 404:
            answer.close()
            if self.has_blob(ref, known, location=location):
                return None
        return answer

    @staticmethod
    def _check_digest(answer: Answer, ref: Reference, location: str, digest: str) -> None:
        taken = answer.headers.get("Docker-Content-Digest")
        if taken and taken != digest:
            raise BuildError(f"{ref.host} has taken other content than that of {digest}", location=location)


def _next(answer: Answer, ref: Reference, location: str) -> str:
    """Where an upload goes on: always at the newest ``Location``."""
    with answer:
        try:
            return beside(answer, answer.headers["Location"] or "")
        except ValueError:
            raise no_registry(ref, location) from None


def _closed(url: str, digest: str) -> str:
    """The URL that closes an upload; what it says already is kept."""
    return f"{url}{'&' if '?' in url else '?'}digest={quote(digest, safe='')}"


def _parts(stream: Iterable[bytes], size: int) -> Iterator[bytes]:
    """A stream in parts of one size, the last one smaller."""
    part = bytearray()
    for each in stream:
        view = memoryview(each)
        while view:
            some = view[: size - len(part)]
            part += some
            view = view[len(some) :]
            if len(part) == size:
                yield bytes(part)
                part.clear()
    if part:
        yield bytes(part)


def _pieces(part: bytes) -> Iterator[bytes]:
    view = memoryview(part)
    return (bytes(view[at : at + _PIECE]) for at in range(0, len(part), _PIECE))


def _told(sent: Callable[[int], None], begin: int, count: int) -> None:
    sent(begin + count)
