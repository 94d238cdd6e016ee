"""The layers of an image that we write: what they hold, and what they became."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path

from attrs import field

from ...base.facts import PathFact
from ...data import define, frozen
from ...errors import DaggerAmlError, ProjectError
from ...fs.stamps import AGAIN
from ...oci.compression import choose_compression
from ...oci.entries import Compression, TarEntry, WrittenLayer
from ...oci.layer_writer import LayerStream, ignore, measured, plain_size
from ...oci.manifest import BlobLayer, Packing
from ...plan.model import Plan
from .entries import layer_entries

MOST_LAYERS = 125
"""Of an image: docker 20.10 unpacks no more."""

SMALL = 4 * 1024 * 1024
"""Bytes of files that are made a layer in memory, so that its digest is known before it is sent."""


@frozen
class Mark:
    """What tells the files of a layer, as they were at one moment.

    :param name: digest of the layer's entries, and of what tells that a file of them changed.
    :param still: whether nothing had changed for a while.
    """

    name: str
    still: bool


@define(eq=False)
class OwnLayer:
    """One layer of ours.

    :param name: of the copies in it.
    :param numbers: of these in the plan, from 1.
    :param files: gets the sha256 of each file that was read, by its path on this machine.
    :param blob: what it became; None until every byte has passed once.
    """

    name: str
    entries: tuple[TarEntry, ...] = field(repr=False)
    numbers: tuple[int, ...]
    files: MutableMapping[str, bytes] = field(repr=False)
    blob: BlobLayer | None = None
    diff_id: str | None = None
    """The digest of the tar of which ``files`` tells the files; what it becomes is held against it."""
    mark: Mark | None = None
    """Of its files before they were read to be measured, where it was not known at once what they became."""
    _compression: Compression | None = None
    _lock: threading.Lock = field(factory=threading.Lock, repr=False)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(each.size for each in self.entries)

    def stream(self) -> LayerStream:
        """Its bytes, once more; the files are read anew. Where their digests are known, the tar alone is hashed."""
        with self._lock:
            if self._compression is None:
                self._compression = choose_compression(self.entries)
        return LayerStream(self.entries, self._compression, ignore if self.diff_id else self._read)

    def plain(self, diff_id: str) -> BlobLayer | None:
        """The blob of its tar as it is; None where that is compressed, or is not known to be left as it is.

        :param diff_id: of the tar.
        """
        if (self.blob.packing if self.blob else self._compression) != "none":
            return None
        return BlobLayer(diff_id, diff_id, plain_size(self.entries), "none")

    def measure(self) -> str:
        """The digest of its tar; reads every file, and compresses nothing."""
        self.diff_id = None
        self.diff_id = measured(self.entries, self._read)
        return self.diff_id

    def known(self, diff_id: str, digests: Iterable[tuple[str, bytes]], packing: Packing | None) -> None:
        """Take the digests of its files and of its tar, and how that was compressed, from an earlier time."""
        self.files.update(digests)
        self.diff_id = diff_id
        if packing in ("none", "gzip"):
            self._compression = packing

    def keep(self, written: WrittenLayer) -> BlobLayer:
        """Note what it became. Raises as :meth:`found`."""
        return self.found(BlobLayer(written.diff_id, written.digest, written.size, written.compression))

    def found(self, blob: BlobLayer) -> BlobLayer:
        """Note that a blob which is there already holds the very same tar.

        :raises ProjectError: it became something else before, or its files did: one was changed in between.
        """
        if self.diff_id not in (None, blob.diff_id):
            raise self.changed()
        self.blob, self.diff_id = blob, blob.diff_id
        return blob

    def changed(self) -> ProjectError:
        """What is raised where its files were not the same all the time."""
        return ProjectError("changed while the image was being written", location=self.name, hint=AGAIN)

    def _read(self, entry: TarEntry, digest: bytes) -> None:
        if isinstance(entry.content, Path):
            self.files[str(entry.content)] = digest


def own_layers(plan: Plan, beneath: Mapping[str, PathFact], room: int) -> tuple[OwnLayer, ...]:
    """The layers of a plan's copies that no command reads, one each; the last ones together where there is no room.

    :param beneath: existing paths of the image that they lie upon.
    :param room: how many layers there may be.
    :raises GraphError: a folder goes where something else is, or the reverse.
    :raises DaggerAmlError: there is no room for one.
    """
    copies = plan.file_layers
    if copies and room < 1:
        raise DaggerAmlError(
            f"the base has so many layers that an image on it would have more than {MOST_LAYERS}",
            location=f"base {plan.base.pinned}",
            hint="Use a base image with fewer layers.",
        )
    groups = [copies[index : index + 1] for index in range(len(copies))]
    if len(groups) > room:
        groups = [*groups[: room - 1], copies[room - 1 :]]
    files: dict[str, bytes] = {}
    known, made = beneath, []
    for group in groups:
        entries, known = layer_entries(group, known)
        numbers = tuple(plan.layers.index(each) + 1 for each in group)
        made.append(OwnLayer(", ".join(each.name for each in group), entries, numbers, files))
    return tuple(made)
