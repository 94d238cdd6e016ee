"""Layers made in memory, for tests of what reads them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import IO

from attrs import frozen

Opener = Callable[[], IO[bytes]]


@frozen
class Put:
    """An entry of a layer: a folder unless it has data, a target, or is of another type."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    data: bytes | None = None
    link: str = ""
    hard: str = ""
    fifo: bool = False


def file(data: bytes | str = b"", mode: int = 0o644, uid: int = 0, gid: int = 0) -> Put:
    """A file."""
    return Put(mode, uid, gid, data.encode() if isinstance(data, str) else data)


def program(data: bytes = b"\x7fELF", uid: int = 0) -> Put:
    """A file that can be run."""
    return file(data, 0o755, uid, uid)


def link(target: str) -> Put:
    """A symbolic link."""
    return Put(link=target)


def hard(target: str) -> Put:
    """One more name of an earlier file."""
    return Put(hard=target)


def tar_of(entries: Mapping[str, Put]) -> bytes:
    """A layer's tar; whiteouts are entries of their names."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, put in entries.items():
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.gid = put.mode, put.uid, put.gid
            member.type = tarfile.DIRTYPE
            if put.data is not None:
                member.type, member.size = tarfile.REGTYPE, len(put.data)
            elif put.link or put.hard:
                member.type = tarfile.SYMTYPE if put.link else tarfile.LNKTYPE
                member.linkname = put.link or put.hard
            elif put.fifo:
                member.type = tarfile.FIFOTYPE
            tar.addfile(member, io.BytesIO(put.data or b""))
    return made.getvalue()


def opener(data: bytes) -> Opener:
    """What opens a blob."""
    return partial(io.BytesIO, data)


def layers(*each: Mapping[str, Put], zipped: bool = False) -> list[Opener]:
    """What opens the blobs of some layers, lowest first."""
    tars = [tar_of(entries) for entries in each]
    return [opener(gzip.compress(tar, 1) if zipped else tar) for tar in tars]
