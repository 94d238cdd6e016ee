"""Digests of what sources put into an image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ..errors import ProjectError
from ..graph.graph import Built, Source
from ..graph.source import Local, Text
from ..graph.wheels import LockedWheels, Wheels
from .stamps import AGAIN
from .tree import is_file, unreadable_part

_CHUNK = 1 << 18
"""Bytes that are read at a time, into the same memory: a new piece of it takes longer than to hash it."""


UNPACKING = 2
"""Number of the way in which wheels become a tree; raised when the same wheels would give another."""


class Digests(Protocol):
    """Raw sha256 of files by their paths on this machine, where they are known; a mapping is one."""

    def get(self, key: str, /) -> bytes | None:
        """The digest of a file; None where it must be read."""
        ...


NOTHING: Mapping[str, bytes] = {}


def digest(source: Source, known: Digests = NOTHING) -> str:
    """``sha256:…`` of what a source puts into an image: paths, types, modes, bytes, link targets; no times.

    Reads every byte of a Local source, unless it has a digest of what it was made of, but for files of which the
    sha256 is known.

    :param known: raw digests of files that were just read, or lie as they did when they were.
    :raises ProjectError: a file that has gone or changed its size since it was walked.
    """
    import hashlib

    total = hashlib.sha256()
    if isinstance(source, Text):
        total.update(b"file %o " % (0o755 if source.executable else 0o644) + hashlib.sha256(source.data).digest())
    elif isinstance(source, Built):
        raise TypeError("a Built source has no digest of its own; fingerprint its graph")
    elif isinstance(source, LockedWheels):
        raise TypeError("wheels have a digest when they are chosen")
    elif isinstance(source, Wheels):
        total.update(b"wheels %d %s %d\0" % (UNPACKING, source.python.encode(), source.bytecode))
        for each in source.wheels:
            total.update(f"{each.name} {each.file.filename} {each.file.sha256}\0".encode())
    elif isinstance(source, Local) and source.digest:
        return source.digest
    elif isinstance(source, Local):
        single = is_file(source)
        for entry in source.entries:
            name = b"" if single else os.fsencode(entry.path)
            total.update(b"%s %o %d:%s\0" % (entry.type.encode(), entry.mode, len(name), name))
            if entry.type == "link":
                total.update(os.fsencode(entry.target) + b"\0")
            elif entry.type == "file":
                path = Path(source.path) / ("" if single else entry.path)
                total.update(known.get(entry.at or str(path)) or file_digest(path, entry.size))
    return f"sha256:{total.hexdigest()}"


def file_digest(path: Path, size: int) -> bytes:
    """The raw sha256 of a file, which is read.

    :param size: bytes that it must have.
    :raises ProjectError: it has gone, or has another size.
    """
    import hashlib

    total, seen = hashlib.sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            buffer = memoryview(bytearray(min(_CHUNK, size + 1)))
            while got := file.readinto(buffer):
                total.update(buffer[:got])
                seen += got
    except OSError as error:
        raise unreadable_part(error, path) from None
    if seen != size:
        message = f"changed while it was being read ({size} bytes, then {seen})"
        raise ProjectError(message, location=str(path), hint=AGAIN)
    return total.digest()
