"""The layers of an image, read once, each as far as it is here."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO

from attrs import field

from ..base.from_layers import kept
from ..data import frozen
from ..oci.layer_index import BARE, IMPLIED, LayerIndex, Read
from ..oci.layer_tree import LayerTree, empty
from .model import InspectedLayer

Opener = Callable[[], IO[bytes]]

_MOST_NAMES = 6
"""At the top of a layer that are told; of more, how many there are."""

_CHUNK = 1 << 20


@frozen
class Blob:
    """A layer as it lies there.

    :param opens: what opens it; None of one that stays where it is.
    """

    diff_id: str
    digest: str | None
    size: int
    opens: Opener | None = field(repr=False, eq=False)


class Contents:
    """What the layers hold that are here, by headers of their tars, with sizes and the digests of models' files.

    :param models: the folder of models; of the files in it digests are made.
    :raises Unanswered: a layer cannot be read.
    """

    def __init__(self, blobs: Iterable[Blob], models: str) -> None:
        self._blobs, self._models = tuple(blobs), f"{models}/"
        self._sizes: list[dict[str, int]] = [{} for _ in self._blobs]
        self._number = 0
        self.tree: LayerTree = LayerTree([self._opener(number) for number in range(len(self._blobs))], self._keep)
        self.indexes: tuple[LayerIndex, ...] = tuple(reversed(self.tree.indexes))

    @property
    def whole(self) -> bool:
        """Whether every layer was read."""
        return all(each.opens for each in self._blobs)

    def is_read(self, number: int) -> bool:
        """Whether a layer was."""
        return self._blobs[number].opens is not None

    def files(self, number: int) -> Mapping[str, int]:
        """The files of a layer and their bytes; each name of a hard link is one, of none."""
        hard = dict.fromkeys(self.indexes[number].hard, 0)
        return {**self._sizes[number], **hard}

    def sha256(self, number: int, path: str) -> str | None:
        """The digest of a file in the folder of models."""
        index = self.indexes[number]
        told = index.told.get(index.hard.get(path, path))
        return told.decode() if told else None

    def entries(self, number: int) -> Iterator[tuple[str, str]]:
        """The paths that a layer lists, each with its owner."""
        for folder, names in self.indexes[number].folders.items():
            for name, entry in names.items():
                if entry is not IMPLIED and entry is not BARE:
                    yield posixpath.join(folder, name), f"{entry.uid}:{entry.gid}"

    def brought_by(self, path: str) -> int | None:
        """The topmost layer that lists a path, of those that were read."""
        for number in reversed(range(len(self.indexes))):
            if self.indexes[number].get(path) not in (None, BARE):
                return number
        return None

    def told(self, number: int) -> InspectedLayer:
        """A layer, without what made it."""
        blob = self._blobs[number]
        if blob.opens is None:
            return InspectedLayer(blob.diff_id, blob.digest, blob.size)
        files = self.files(number)
        entries = dict(self.entries(number))
        owners = Counter(owner for path, owner in entries.items() if path in files) or Counter(entries.values())
        index = self.indexes[number]
        return InspectedLayer(
            blob.diff_id,
            blob.digest,
            blob.size,
            read=True,
            files=len(files),
            file_bytes=sum(files.values()),
            removed=sum(map(len, index.removed.values())) + len(index.emptied),
            owners=tuple(owner for owner, _ in owners.most_common()),
            holds=_holds([*files] or [*entries]),
        )

    def _opener(self, number: int) -> Opener:
        def opened() -> IO[bytes]:
            self._number = number
            return (self._blobs[number].opens or empty)()

        return opened

    def _keep(self, path: str, size: int) -> int | Read:
        """Note the size of a file while its layer is read; the layers are read one after another."""
        self._sizes[self._number][path] = size
        return _sha256 if path.startswith(self._models) else kept(path, size)


def _sha256(file: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while data := file.read(_CHUNK):
        digest.update(data)
    return digest.hexdigest().encode()


def _holds(paths: list[str]) -> tuple[str, ...]:
    """The one folder below which all of them lie, or the names at the top; a file by itself is named."""
    if len(paths) <= 1:
        return tuple(paths)
    common = posixpath.commonpath(paths)
    if common != "/":
        return (f"{common}/",)
    tops = sorted({"/" + path.split("/")[1] for path in paths})
    return (*tops[:_MOST_NAMES], *([f"and {len(tops) - _MOST_NAMES} more"] if len(tops) > _MOST_NAMES else ()))
