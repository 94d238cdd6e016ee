"""The files of an image, asked for one by one: layers are read from the topmost down, no further than is needed."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

from .layer_index import BARE, IMPLIED, Entry, Keep, LayerIndex, Unanswered, read_file, read_index

_MOST_LINKS = 40
"""That Linux follows on the way to one path."""

_MOST_READ = 1024 * 1024
"""Bytes of a file whose content is asked for."""

ROOT = Entry("dir", 0o755, 0, 0)


def empty() -> IO[bytes]:
    """What opens in the place of a layer that is not here: a tar with nothing in it."""
    return io.BytesIO(bytes(1024))


class LayerTree:
    """The files that the layers of an image make, links resolved within its own root.

    A path that is not there needs every layer to be read, since the lowest may have it.

    :param layers: what opens each, lowest first. Each stream is read to its end, so that one that holds its bytes
        against a digest can.
    :param keep: which bytes of files are kept in the first place, or what reads some of them; of others the layer is
        opened again.
    """

    def __init__(self, layers: Sequence[Callable[[], IO[bytes]]], keep: Keep) -> None:
        self._unread = list(layers)
        self._openers: list[Callable[[], IO[bytes]]] = []
        self._read: list[LayerIndex] = []
        self._keep = keep
        self._found: dict[str, Entry | None] = {"/": ROOT}

    @property
    def layers_read(self) -> int:
        """How many layers were needed so far."""
        return len(self._read)

    @property
    def indexes(self) -> tuple[LayerIndex, ...]:
        """What each layer lists, topmost first; reads those that were not yet."""
        return tuple(self._indexes())

    def lstat(self, path: str) -> Entry | None:
        """What lies at a path none of whose parents is a link; None for nothing.

        :raises Unanswered: the layers contradict each other, or one cannot be read.
        """
        if path not in self._found:
            self._found[path] = self._topmost(path)
        return self._found[path]

    def real(self, path: str, *, follow: bool = True) -> tuple[str, Entry] | None:
        """Where a path ends, all links followed, and what lies there; None for nothing, and for links in a circle.

        :param follow: the last link too.
        """
        ahead, at, links = path.split("/"), "/", 0
        ahead.reverse()
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                at = posixpath.dirname(at)
                continue
            here = posixpath.join(at, part)
            entry = self.lstat(here)
            if entry is None or (ahead and entry.type not in ("dir", "link")):
                return None
            if entry.type == "link" and (ahead or follow):
                links += 1
                if links > _MOST_LINKS:
                    return None
                at = "/" if entry.target.startswith("/") else at
                ahead += reversed(entry.target.split("/"))
                continue
            at = here
        found = self.lstat(at)
        return (at, found) if found else None

    def is_file(self, path: str) -> bool:
        """Whether a file is there, or a link to one."""
        found = self.real(path)
        return found is not None and found[1].type == "file"

    def names(self, folder: str) -> frozenset[str]:
        """What lies in a folder; nothing where there is none.

        :raises Unanswered: the layers contradict each other, or one cannot be read.
        """
        found = self.real(folder)
        names: set[str] = set()
        if found is None or found[1].type != "dir":
            return frozenset()
        hidden: set[str] = set()
        for layer in self._indexes():
            if inside := layer.folders.get(found[0]):
                _check_folders(layer, [found[0], *_above(found[0])])
                names |= inside.keys() - hidden
            hidden |= layer.removed.get(found[0], set())
            if layer.hides_inside(found[0]):
                break
        return frozenset(names)

    def content(self, path: str) -> bytes | None:
        """A file's bytes; None where there is no file.

        :raises Unanswered: it is larger than 1 MiB.
        """
        found = self.real(path)
        if found is None or found[1].type != "file":
            return None
        data = self._bytes(found[0], _MOST_READ + 1)
        if len(data) > _MOST_READ:
            raise Unanswered(f"{path} of the image is larger than {_MOST_READ:,} bytes")
        return data

    def told(self, path: str) -> bytes | None:
        """What was read of a file while its layer was, by what ``keep`` named; None where there is no file.

        :raises Unanswered: that told nothing.
        """
        found = self.real(path)
        if found is None or found[1].type != "file":
            return None
        for layer in self._indexes():
            if layer.get(found[0]) not in (None, IMPLIED, BARE):
                read = layer.told.get(layer.hard.get(found[0], found[0]))
                if read is not None:
                    return read
                break
        raise Unanswered(f"{path} of the image is larger than what is looked at")

    def head(self, path: str, size: int) -> bytes:
        """The first bytes of the file at a path that is no link."""
        return self._bytes(path, size)[:size]

    def _bytes(self, path: str, most: int) -> bytes:
        for number, layer in enumerate(self._indexes()):
            if layer.get(path) in (None, IMPLIED, BARE):
                continue
            path = layer.hard.get(path, path)
            size, data = layer.kept.get(path, (most, b""))
            if len(data) >= min(size, most):
                return data
            with self._openers[number]() as stream:
                read = read_file(stream, path, most)
            if read is not None:
                return read
            break
        raise Unanswered(f"{path} of the image cannot be read from its layer")

    def _topmost(self, path: str) -> Entry | None:
        implied: Entry | None = None
        for layer in self._indexes():
            entry = layer.get(path)
            if entry is not None:
                _check_folders(layer, _above(path))
            if entry is IMPLIED or entry is BARE:
                implied = entry if implied is not IMPLIED else implied
            elif entry is not None:
                if entry.type != "dir" and (implied or layer.folders.get(path)):
                    raise _no_folder(path)
                # Where storage is an overlay, a folder that a layer does not list is root's, whatever it was below.
                return entry._replace(sure=False) if implied and entry != IMPLIED else entry
            if layer.hides(path):
                break
        if implied is BARE:
            raise Unanswered(f"a layer of the image takes something away from {path}, where nothing is")
        return implied

    def _indexes(self) -> Iterator[LayerIndex]:
        """The layers, topmost first, each read when it is reached."""
        yield from self._read
        while self._unread:
            with self._unread[-1]() as stream:
                index = read_index(stream, self._keep)
            self._openers.append(self._unread.pop())
            self._read.append(index)
            yield index


def _above(path: str) -> Iterator[str]:
    """The folders on the way to a path, but for the root."""
    while (path := posixpath.dirname(path)) != "/":
        yield path


def _check_folders(layer: LayerIndex, paths: Iterable[str]) -> None:
    """See that what a layer has something in is a folder there: if not, who unpacks it decides what stays.

    :raises Unanswered: it is none.
    """
    for path in paths:
        if (entry := layer.get(path)) and entry.type != "dir":
            raise _no_folder(path)


def _no_folder(path: str) -> Unanswered:
    return Unanswered(f"a layer of the image has something in {path}, which is no folder in another")
