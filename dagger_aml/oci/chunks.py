"""Bytes on their way in chunks: put together, hashed, made by a thread."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

CHUNK = 1 << 20
"""Bytes of a usual chunk."""


def gathered(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, small parts put together to chunks; large ones are handed on without a copy."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        if len(part) >= CHUNK and held:
            yield b"".join(held)
            held, size = [], 0
        if len(part) >= CHUNK:
            yield part
            continue
        held.append(part)
        size += len(part)
        if size >= CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def hashed(chunks: Iterable[bytes], total: hashlib._Hash) -> Iterator[bytes]:
    """The same chunks; each has gone into ``total`` when it comes."""
    for chunk in chunks:
        total.update(chunk)
        yield chunk


def ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the next one made in a thread while its reader works on this one.

    Reading, hashing and compressing all leave Python's lock to others. Whoever stops waits for one chunk at most.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="layer") as pool:
        coming = pool.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = pool.submit(next, chunks, None)
            yield chunk


def begun(work: Callable[[], T]) -> Future[T]:
    """What some work gives or raises, which a thread does meanwhile; it ends with the process, whatever it does."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done
