"""What one layer lists, by the headers of its tar: what lies where and whose it is, without the files' bytes."""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Literal, NamedTuple, cast

from attrs import field

from ..data import frozen
from ..errors import DaggerAmlError
from .compression import gunzipped
from .layer import image_path

MOST_KEPT = 64 * 1024
"""Bytes of one file that are kept while its layer is read."""

_MOST_KEPT_OF_A_LAYER = 4 * 1024 * 1024

_CHUNK, _BUFFER = 1 << 20, 1 << 17

EntryType = Literal["dir", "file", "link", "other"]

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"

_TYPES: dict[bytes, EntryType] = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link"}


class Unanswered(DaggerAmlError):
    """What is asked of an image cannot be told for certain from its files; who runs the image can tell it."""


class Entry(NamedTuple):
    """What a layer says of one path.

    :param target: the text of a link.
    :param sure: False where mode and owner depend on who unpacks the layers.
    """

    type: EntryType
    mode: int
    uid: int
    gid: int
    target: str = ""
    sure: bool = True


IMPLIED = Entry("dir", 0o755, 0, 0)
"""A folder that the layer does not list, but something in it; compared by identity, as the next is."""

BARE = Entry("dir", 0o755, 0, 0)
"""A folder that the layer does not list, and in which it only takes something away."""

Read = Callable[[IO[bytes]], bytes | None]
"""Reads of a file what is to be kept of it; None where that is too much, or the file another than expected."""

Keep = Callable[[str, int], int | Read]
"""How many bytes to keep of a file of this path and size, or what reads it."""


@frozen(eq=False)
class LayerIndex:
    """The headers of one layer.

    :param folders: what it has in each folder, by name.
    :param removed: names that it takes away from each folder of the layers below.
    :param emptied: folders of which nothing below is seen.
    :param hard: hard links, and the path that each is another name of.
    :param kept: size and first bytes of some files.
    :param told: of some files, what a function of its caller read in them.
    """

    folders: dict[str, dict[str, Entry]] = field(factory=dict, repr=False)
    removed: dict[str, set[str]] = field(factory=dict, repr=False)
    emptied: set[str] = field(factory=set, repr=False)
    hard: dict[str, str] = field(factory=dict, repr=False)
    kept: dict[str, tuple[int, bytes]] = field(factory=dict, repr=False)
    told: dict[str, bytes] = field(factory=dict, repr=False)

    def get(self, path: str) -> Entry | None:
        """What it says of a path other than ``/``."""
        folder, name = posixpath.split(path)
        return self.folders.get(folder, {}).get(name)

    def hides(self, path: str) -> bool:
        """Whether nothing of the layers below is seen at a path."""
        below = path
        while below != "/":
            folder, name = posixpath.split(below)
            if name in self.removed.get(folder, ()) or folder in self.emptied:
                return True
            if folder != "/" and (entry := self.get(folder)) and entry.type != "dir":
                return True
            below = folder
        return False

    def hides_inside(self, folder: str) -> bool:
        """Whether nothing of the layers below is seen in a folder."""
        entry = self.get(folder)
        return folder in self.emptied or (entry is not None and entry.type != "dir") or self.hides(folder)


def read_index(stream: IO[bytes], keep: Keep) -> LayerIndex:
    """Read a layer to its end, as it is or gzipped; what the stream itself raises passes through.

    :raises Unanswered: not a tar, a damaged one, or compressed otherwise.
    """
    index, left = LayerIndex(), _MOST_KEPT_OF_A_LAYER
    known: dict[Entry, Entry] = {}
    for tar, member in members(stream):
        path = image_path(member.name)
        folder, name = posixpath.split(path)
        if name == _OPAQUE:
            index.emptied.add(folder)
            _imply(index, folder, BARE)
        elif name.startswith(_WHITEOUT + _WHITEOUT):
            continue  # What aufs keeps for itself.
        elif name.startswith(_WHITEOUT):
            index.removed.setdefault(folder, set()).add(name.removeprefix(_WHITEOUT))
            _imply(index, folder, BARE)
        elif path != "/":
            index.hard.pop(path, None)
            index.kept.pop(path, None)
            index.told.pop(path, None)
            if member.islnk():
                entry = _hard(index, path, member)
            else:
                entry = _entry(member)
                wanted = keep(path, member.size) if entry.type == "file" else 0
                if wanted and (file := tar.extractfile(member)):
                    left -= _take(index, path, file, member.size, wanted, left)
            _imply(index, folder)[name] = known.setdefault(entry, entry)
    return index


def _take(index: LayerIndex, path: str, file: IO[bytes], size: int, wanted: int | Read, left: int) -> int:
    """Keep what is wanted of a file, no more than so many bytes; returns how many it was."""
    with _whole():
        if isinstance(wanted, int):
            data = file.read(min(wanted, left))
            index.kept[path] = (size, data)
            return len(data)
        read = wanted(file)
    if read is None or len(read) > left:
        return 0
    index.told[path] = read
    return len(read)


def read_file(stream: IO[bytes], path: str, most: int) -> bytes | None:
    """The first bytes of the file that a layer has at a path; None when it has none.

    :raises Unanswered: as :func:`read_index`.
    """
    found = None
    for tar, member in members(stream):
        if member.isreg() and image_path(member.name) == path and (file := tar.extractfile(member)):
            with _whole():
                found = file.read(most)
    return found


def members(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of a layer; the content of each can be read while it is the latest.

    ``TarFile.next`` keeps every member and takes a broken header for the end of the tar; this does neither.
    """
    head = stream.read(len(_ZSTD))
    if head == _ZSTD:
        raise Unanswered("a layer of the image is compressed with zstd, which dagger-aml cannot read")
    broken: tuple[type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
    whole: IO[bytes] = io.BufferedReader(cast("io.RawIOBase", Rejoined(head, stream)), _BUFFER)
    if head[:2] == _GZIP:
        opened, own = gunzipped(whole)
        broken = (*broken, own)
        whole = io.BufferedReader(cast("io.RawIOBase", opened), _BUFFER)
    forward = _Forward(whole, broken)
    with _whole():
        yield from _members(forward)
    while forward.read(_CHUNK):
        pass


@contextmanager
def _whole() -> Iterator[None]:
    """Around what reads a tar.

    :raises Unanswered: it is damaged.
    """
    try:
        yield
    except tarfile.TarError as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> Unanswered:
    return Unanswered(f"a layer of the image cannot be read: {error}")


def _members(stream: _Forward) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:", encoding="utf-8") as tar:
        member = tar.firstmember  # type: ignore[attr-defined]
        while member is not None:
            tar.members.clear()  # type: ignore[attr-defined]
            yield tar, member
            stream.seek(tar.offset)
            if stream.tell() != tar.offset:
                raise tarfile.ReadError("unexpected end of data")
            member = None
            with suppress(tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
                member = tarfile.TarInfo.fromtarfile(tar)


def _entry(member: tarfile.TarInfo) -> Entry:
    if member.isreg():
        return Entry("file", member.mode & 0o7777, member.uid, member.gid)
    type_: EntryType = _TYPES.get(member.type, "other")
    mode = 0o777 if type_ == "link" else member.mode & 0o7777
    return Entry(type_, mode, member.uid, member.gid, member.linkname if type_ == "link" else "")


def _hard(index: LayerIndex, path: str, member: tarfile.TarInfo) -> Entry:
    """The entry of a hard link: its target's, which must stand before it in the layer.

    :raises Unanswered: it does not.
    """
    target = image_path(member.linkname)
    entry = index.get(target)
    if entry is None or entry is IMPLIED or entry is BARE:
        raise Unanswered(f"a layer of the image has {path} as a hard link to {target}, which is not in the layer")
    if (member.mode & 0o7777, member.uid, member.gid) != entry[1:4]:
        # Some give the file what the link's header says, some do not.
        folder, name = posixpath.split(target)
        entry = index.folders[folder][name] = entry._replace(sure=False)
    index.hard[path] = index.hard.get(target, target)
    return entry


def _imply(index: LayerIndex, folder: str, kind: Entry = IMPLIED) -> dict[str, Entry]:
    """What the layer has in a folder, which it then has, with those above.

    :param kind: what a folder is that the layer does not list.
    """
    inside = index.folders.setdefault(folder, {})
    if folder != "/":
        above, name = posixpath.split(folder)
        known = index.folders.get(above, {}).get(name)
        if known is None or (known is BARE and kind is IMPLIED):
            _imply(index, above, kind)[name] = kind
    return inside


class _Forward:
    """A stream that is read once, and in which one goes forward by reading.

    What tarfile has for streams copies its whole buffer for each header.
    """

    def __init__(self, stream: IO[bytes], broken: tuple[type[Exception], ...]) -> None:
        self._stream, self._at, self._broken = stream, 0, broken

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        :raises Unanswered: what they are compressed with is broken.
        """
        try:
            data = self._stream.read(size)
        except self._broken as error:
            raise _damaged(error) from error
        self._at += len(data)
        return data

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> int:
        """Go to a place ahead, or to the end where that comes first."""
        while self._at < to and self.read(min(to - self._at, _CHUNK)):
            pass
        return self._at


class Rejoined(io.RawIOBase):
    """A stream with the bytes in front that were read to look at."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._head or self._rest.read(len(buffer))
        taken = data[: len(buffer)]
        self._head = data[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)
