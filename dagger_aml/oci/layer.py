"""One layer's tar as a list of changes, and layers put on top of each other."""

from __future__ import annotations

import gzip
import hashlib
import io
import posixpath
import tarfile
from collections.abc import Iterable
from typing import IO, cast

from ..data import frozen
from .model import ImageError

CAPABILITY = "security.capability"


_CHUNK = 1 << 20


_WHITEOUT = ".wh."


_OPAQUE = ".wh..wh..opq"


_TYPES = {
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "link",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


@frozen(eq=False)
class Node:
    """What a path is. Two paths of one image with the very same node are hard links of each other.

    ``device`` has the numbers of a device, ``capability`` the hex digits of the extended attribute.
    """

    type: str
    mode: int
    uid: int
    gid: int
    size: int = 0
    sha256: str = ""
    target: str = ""
    device: str = ""
    capability: str = ""


IMPLIED = Node("dir", 0o755, 0, 0)
"""A parent that no layer lists; builders make it so when they unpack."""


@frozen
class LayerContents:
    """What one layer changes: paths that vanish, folders whose older contents vanish, then new nodes in order.

    A new node that is a ``str`` is a hard link to that path.
    """

    removed: tuple[str, ...]
    emptied: tuple[str, ...]
    added: tuple[tuple[str, Node | str], ...]


def read_layer(stream: IO[bytes]) -> tuple[LayerContents, str]:
    """Read a layer's tar once, as it is or gzipped; return it and the digest of its uncompressed bytes.

    :raises ImageError: not a tar, or compressed otherwise.
    """
    head = stream.read(4)
    whole = cast("IO[bytes]", _Rejoined(head, stream))
    if head[:2] == b"\x1f\x8b":
        whole = cast("IO[bytes]", gzip.GzipFile(fileobj=whole))
    elif head == b"\x28\xb5\x2f\xfd":
        raise ImageError(
            "a layer is compressed with zstd, which dagger-aml cannot read",
            hint="Write the image again with gzip: skopeo copy --dest-compress-format gzip docker://NAME:TAG "
            "oci:FOLDER",
        )
    hashed = _Hashed(whole)
    removed: list[str] = []
    emptied: list[str] = []
    added: list[tuple[str, Node | str]] = []
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", hashed), mode="r|", bufsize=_CHUNK) as tar:
            for member in tar:
                path = image_path(member.name)
                folder, name = posixpath.split(path)
                if name == _OPAQUE:
                    emptied.append(folder)
                elif name.startswith(_WHITEOUT + _WHITEOUT):
                    continue  # What aufs keeps for itself.
                elif name.startswith(_WHITEOUT):
                    removed.append(posixpath.join(folder, name.removeprefix(_WHITEOUT)))
                elif member.islnk():
                    added.append((path, image_path(member.linkname)))
                else:
                    added.append((path, _node(tar, member)))
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise ImageError(f"a layer is not a tar: {error}") from error
    while hashed.read(_CHUNK):
        pass
    return LayerContents(tuple(removed), tuple(emptied), tuple(added)), f"sha256:{hashed.total.hexdigest()}"


def flatten(layers: Iterable[LayerContents]) -> tuple[dict[str, Node], dict[str, int]]:
    """Put layers on top of each other, base first. ``/`` is left out.

    Returns the paths, and for each that is or was there the number, from 0, of the layer that last changed it. A
    folder that a layer only lists again, as it is, is not changed by it.

    :raises ImageError: a hard link to nothing, or a path beneath what is no folder.
    """
    paths: dict[str, Node] = {}
    changed: dict[str, int] = {}
    children: dict[str, set[str]] = {"/": set()}

    def remove(path: str, number: int) -> None:
        empty(path, number)
        if path in paths:
            del paths[path]
            changed[path] = number
            children.pop(path, None)
            children[posixpath.dirname(path)].discard(path)

    def empty(path: str, number: int) -> None:
        for child in tuple(children.get(path, ())):
            remove(child, number)

    def put(path: str, node: Node, number: int) -> None:
        parent = posixpath.dirname(path)
        if parent != "/" and parent not in paths:
            put(parent, IMPLIED, number)
        if parent != "/" and paths[parent].type != "dir":
            raise ImageError(f"{path} is inside {parent}, which is a {paths[parent].type}")
        if path not in paths or not _same_folder(paths[path], node):
            changed[path] = number
        paths[path] = node
        children[parent].add(path)
        if node.type == "dir":
            children.setdefault(path, set())

    for number, layer in enumerate(layers):
        for path in layer.removed:
            remove(path, number)
        for path in layer.emptied:
            empty(path, number)
        for path, new in layer.added:
            if path == "/":
                continue
            if isinstance(new, str):
                if new not in paths:
                    raise ImageError(f"{path} is a hard link to {new}, which does not exist")
                new = paths[new]
            if new.type != "dir" or (path in paths and paths[path].type != "dir"):
                remove(path, number)
            put(path, new, number)
    return paths, changed


def _same_folder(one: Node, two: Node) -> bool:
    return one.type == two.type == "dir" and (one.mode, one.uid, one.gid) == (two.mode, two.uid, two.gid)


def image_path(name: str) -> str:
    """The absolute path of a name in a layer's tar."""
    return posixpath.normpath("/" + name.lstrip("/"))


def _node(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Node:
    type_ = _TYPES.get(member.type, "file")
    capability = member.pax_headers.get(f"SCHILY.xattr.{CAPABILITY}", "")
    size, digest, device = 0, "", ""
    if type_ == "file":
        size, content = member.size, hashlib.sha256()
        data = tar.extractfile(member)
        while data and (chunk := data.read(_CHUNK)):
            content.update(chunk)
        digest = content.hexdigest()
    elif type_ in ("char", "block"):
        device = f"{member.devmajor}:{member.devminor}"
    return Node(
        type=type_,
        mode=0o777 if type_ == "link" else member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=size,
        sha256=digest,
        target=member.linkname if type_ == "link" else "",
        device=device,
        capability=capability.encode("utf-8", "surrogateescape").hex(),
    )


class _Rejoined(io.RawIOBase):
    """A stream with the bytes in front that were read to look at."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            data, self._head = self._head + self._rest.read(), b""
        else:
            data, self._head = self._head[:size], self._head[size:]
        return data


class _Hashed(io.RawIOBase):
    """A stream that hashes what is read of it, and fills each read as far as it can."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.total = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, wanted = [], size
        while wanted and (data := self._stream.read(wanted)):
            parts.append(data)
            wanted -= len(data)
        found = b"".join(parts)
        self.total.update(found)
        return found
