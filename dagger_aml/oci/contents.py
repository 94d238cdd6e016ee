"""The bytes of a layer's files, read from where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from ..errors import ProjectError
from ..fs.stamps import AGAIN
from ..fs.tree import unreadable_part
from .chunks import CHUNK
from .entries import TarEntry

P = TypeVar("P", bytes, memoryview)

_SAME = 1 << 18
"""Bytes of the memory that is used again and again: it stays in the processor's cache."""


def pieces(entry: TarEntry) -> Iterator[bytes]:
    """A file's bytes, in pieces of 1 MiB; exactly as many as the entry says.

    :raises ProjectError: the file has gone, cannot be read, or has not the size of the entry.
    """
    return _exactly(entry, _read(entry))


def passing(entry: TarEntry) -> Iterator[memoryview]:
    """As :func:`pieces`, of a file here, but each piece is in the same memory, and so is gone with the next one."""
    return _exactly(entry, _reread(entry))


def _exactly(entry: TarEntry, read: Iterable[P]) -> Iterator[P]:
    """What is read of an entry, held against its size."""
    seen = 0
    for piece in read:
        seen += len(piece)
        if seen > entry.size:
            break
        yield piece
    if seen != entry.size:
        after = f"then {seen}" if seen < entry.size else "then more"
        raise changed(entry, f" ({entry.size} bytes, {after})")


def changed(entry: TarEntry, how: str = "") -> ProjectError:
    """What is raised of a file that was not the same all the time."""
    return ProjectError(f"changed while it was being read{how}", location=str(_place(entry)), hint=AGAIN)


def sample(entries: Iterable[TarEntry], count: int, size: int) -> Iterator[bytes]:
    """Some bytes of files: ``count`` parts of ``size`` bytes, at equal distances over all files one after another.

    :raises ProjectError: a file has gone or cannot be read.
    """
    files = [entry for entry in entries if entry.size]
    total = sum(entry.size for entry in files)
    wanted = [total * number // count for number in range(count)]
    begin = 0
    for entry in files:
        inside = [at - begin for at in wanted if begin <= at < begin + entry.size]
        begin += entry.size
        if isinstance(entry.content, bytes):
            yield from (entry.content[at : at + size] for at in inside)
        elif inside:
            try:
                with entry.content.open("rb") as file:
                    for at in inside:
                        file.seek(at)
                        yield file.read(size)
            except OSError as error:
                raise _failed(error, entry.content) from None


def _read(entry: TarEntry) -> Iterator[bytes]:
    if isinstance(entry.content, bytes):
        yield from (entry.content[at : at + CHUNK] for at in range(0, len(entry.content), CHUNK))
        return
    left = entry.size
    try:
        with entry.content.open("rb") as file:
            # One byte more than there should be: a file that grew is seen without reading all that was added.
            while piece := file.read(min(CHUNK, left + 1)):
                left -= len(piece)
                yield piece
    except OSError as error:
        raise _failed(error, entry.content) from None


def _reread(entry: TarEntry) -> Iterator[memoryview]:
    assert isinstance(entry.content, Path)
    try:
        with entry.content.open("rb", buffering=0) as file:
            buffer = memoryview(bytearray(min(_SAME, entry.size + 1)))
            while got := file.readinto(buffer):
                yield buffer[:got]
    except OSError as error:
        raise _failed(error, entry.content) from None


def _place(entry: TarEntry) -> Path | str:
    return entry.path if isinstance(entry.content, bytes) else entry.content


def _failed(error: OSError, path: Path) -> ProjectError:
    if isinstance(error, FileNotFoundError):
        return ProjectError("disappeared while it was being read", location=str(path), hint=AGAIN)
    return unreadable_part(error, path)
