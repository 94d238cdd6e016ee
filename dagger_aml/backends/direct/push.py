"""Sending an image to a registry: only what it lacks, several blobs at once; no tag moves before all is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from attrs import field

from ...data import frozen
from ...oci.manifest import BlobLayer
from ...oci.push import PushClient
from ...oci.reference import Reference
from .beneath import Beneath
from .earlier import Earlier
from .layers import SMALL, Mark, OwnLayer
from .remembered import Remembered

_LITTLE = 64 * 1024
"""Bytes of a blob that are sent as fast as it is asked whether they are there."""

_MOUNTINGS = 2
"""Of one blob, before it is sent."""


@frozen
class Sender:
    """Sends blobs to one repository. Its methods block, and may be called by several threads at once.

    :param moved: told how many bytes of something were sent so far; fewer than before where it starts again.
    :param mounts: whether a layer is taken over from a repository beside; else each is sent that is not there.
    """

    client: PushClient
    at: Reference
    earlier: Earlier
    remembered: Remembered
    moved: Callable[[object, int], None]
    mounts: bool = True
    _mounting: dict[str, int] = field(factory=dict, init=False, repr=False)
    """How often each blob was to be mounted."""

    def beneath(self, image: Beneath, layer: BlobLayer) -> None:
        """A layer of the image beneath: mounted where its registry is the same, else passed on."""
        if layer.digest in self.earlier.blobs:
            return
        source = image.blobs.places.get(layer.digest)
        near = source is not None and source.host == self.at.host and source.repository != self.at.repository
        if near and source and self._mounted(layer.digest, source):
            return
        if self.client.has_blob(self.at, layer.digest):
            return
        self._upload(lambda: image.blobs.passing(layer.digest, layer.size), layer.digest, layer.size)

    def _mounted(self, digest: str, source: Reference) -> bool:
        """Whether a blob was taken over. A registry that fails at it twice may take the blob itself."""
        self._mounting[digest] = self._mounting.get(digest, 0) + 1
        return (
            self.mounts
            and self._mounting[digest] <= _MOUNTINGS
            and self.client.mount(self.at, digest, source.repository)
        )

    def own(self, layer: OwnLayer, made: Callable[[], object]) -> tuple[BlobLayer, bool]:
        """A layer of ours, and whether the registry had it.

        :param made: called when it is known what the layer became, if that is before it is sent.
        """
        if layer.size <= SMALL:
            return self._small(layer, made)
        before, mark = layer.blob, layer.mark or self.remembered.mark(layer)
        found = self._large(layer, mark)
        if before is None:
            # Else its files were read before the mark was taken, and may have been changed in between.
            self.remembered.note(layer, found[0], mark)
        return found

    def document(self, raw: bytes, digest: str) -> None:
        """A config."""
        if digest not in self.earlier.blobs:
            self._upload(lambda: [raw], digest, len(raw))

    def _small(self, layer: OwnLayer, made: Callable[[], object]) -> tuple[BlobLayer, bool]:
        stream = layer.stream()
        data = b"".join(stream)
        # A compressor may make another blob of the same tar: another processor's does, and isa-l now and then.
        same = self.earlier.by_diff_id.get(stream.written.diff_id)
        blob = layer.found(same) if same else layer.keep(stream.written)
        made()
        if same:
            return blob, True
        # What the image of this tag lacks is new but for a change taken back: to send little is no more than to ask.
        asked = blob.digest in self.earlier.blobs or blob.size > _LITTLE or not self.earlier.blobs
        if asked and self._has(blob.digest):
            return blob, True
        self._upload(lambda: [data], blob.digest, blob.size)
        return blob, False

    def _large(self, layer: OwnLayer, mark: Mark) -> tuple[BlobLayer, bool]:
        """Looked for by its digest where the registry may have it; else hashed while it is sent.

        :raises ProjectError: what is sent is not what its files were known to become.
        """
        known = None if layer.blob else self.remembered.diff_id(layer, mark)
        if layer.blob or known or self.earlier.layers or self.remembered.seen(mark):
            diff_id = layer.blob.diff_id if layer.blob else known or layer.diff_id or layer.measure()
            for found in (self.earlier.by_diff_id.get(diff_id), self.remembered.blob(diff_id)):
                if found and self._has(found.digest):
                    return layer.found(found), True
        stream = layer.stream()
        told = partial(self.moved, layer)
        digest: Callable[[], str] = lambda: stream.written.digest  # noqa: E731
        self.client.upload(self.at, lambda: stream, digest, size=stream.size, sent=told)
        if known and stream.written.diff_id != known:
            self.remembered.forget(mark)
            raise layer.changed()
        return layer.keep(stream.written), False

    def _has(self, digest: str) -> bool:
        return digest in self.earlier.blobs or self.client.has_blob(self.at, digest)

    def _upload(self, stream: Callable[[], Iterable[bytes]], digest: str, size: int) -> None:
        self.client.upload(self.at, stream, digest, size=size, sent=partial(self.moved, digest))
