"""Files that the system itself copies into another, and what arrived there, hashed meanwhile.

What is hashed is what was written, never what it was copied from. So a file that somebody changes while it is copied,
a kept blob that is damaged, and a file system that copies wrongly are all told by the same digest.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO, Self

from attrs import field

from ...data import define

_AT_A_TIME = 16 << 20
"""Bytes that are copied before their hashing begins."""

_BUFFER = 1 << 18
"""Bytes that are hashed at a time, in the same memory: a new piece of it takes longer than to hash it."""

_HASHERS = 2
"""Threads that hash; on two cores, one of which copies, more gain nothing."""

POSSIBLE = sys.platform == "linux"
"""Whether the system copies from file to file by ``sendfile``: elsewhere that goes to sockets alone."""


class NotArrived(Exception):
    """Something was not written as it should be. Why is not known: to read it all again tells."""


@define(eq=False)
class Arriving:
    """A file that is written, parts of which are held against their digests where they arrived.

    :param file: opened for reading and writing, at its end.
    :param reserve: makes room from one place on for so many bytes; whether it could.
    :param room: bytes for which room is made at once.
    """

    file: IO[bytes]
    reserve: Callable[[int, int], bool]
    room: int
    _hashers: tuple[ThreadPoolExecutor, ...] = field(init=False)
    _given: list[int] = field(init=False)
    _waiting: list[tuple[Future[str], str]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._hashers = tuple(ThreadPoolExecutor(1, thread_name_prefix="arrived") for _ in range(_HASHERS))
        self._given = [0] * _HASHERS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._hashers:
            each.shutdown(cancel_futures=True)

    def part(self, digest: str, size: int) -> Part:
        """What is written from here on must have this digest, once it is closed.

        :param size: bytes of it.
        """
        at = self._given.index(min(self._given))
        self._given[at] += size
        start = self.file.tell()
        return Part(self, self._hashers[at], digest, start, start, start + size)

    def wait(self) -> None:
        """Wait until every part was hashed.

        :raises NotArrived: one is not what its digest says.
        """
        for found, digest in self._waiting:
            if found.result() != digest:
                raise NotArrived(digest)


@define(eq=False)
class Part:
    """A part of a file, from one place on."""

    to: Arriving
    hasher: ThreadPoolExecutor
    digest: str
    at: int
    """Up to where it is hashed, or will be."""
    roomy: int
    """Up to where room was made."""
    end: int
    _total: hashlib._Hash = field(factory=hashlib.sha256, init=False)

    def write(self, data: bytes) -> None:
        """Write bytes."""
        self._make_room(self.to.file.tell() + len(data))
        self.to.file.write(data)

    def copy(self, source: IO[bytes], size: int) -> None:
        """Have a file copied by the system, from its beginning.

        :raises NotArrived: it has fewer bytes, or more; or the system refuses it.
        """
        file, begun = self.to.file, 0
        file.flush()
        start = file.tell()
        try:
            while begun < size:
                self._make_room(start + begun + 1)
                sent = os.sendfile(file.fileno(), source.fileno(), begun, min(_AT_A_TIME, size - begun))
                if not sent:
                    break
                begun += sent
                self._hash(start + begun)
            whole = begun == os.fstat(source.fileno()).st_size == size
        except OSError:
            whole = False
        if not whole:
            raise NotArrived(self.digest)
        file.seek(start + begun)

    def close(self) -> None:
        """No more is written to it."""
        self.to.file.flush()
        self._hash(self.to.file.tell())
        self.to._waiting.append((self.hasher.submit(lambda: f"sha256:{self._total.hexdigest()}"), self.digest))

    def _make_room(self, until: int) -> None:
        while self.roomy < min(until, self.end):
            more = min(self.to.room, self.end - self.roomy)
            self.roomy = self.roomy + more if self.to.reserve(self.roomy, more) else self.end

    def _hash(self, end: int) -> None:
        self.hasher.submit(_read_into, self._total, self.to.file.fileno(), self.at, end)
        self.at = end


def _read_into(total: hashlib._Hash, file: int, at: int, end: int) -> None:
    buffer = memoryview(bytearray(min(_BUFFER, end - at)))
    while at < end:
        got = os.preadv(file, [buffer[: end - at]], at)
        if not got:
            return
        total.update(buffer[:got])
        at += got
