"""An image of ours as it is offered to a store of this machine: its digests known, its layers made when wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ...data import frozen
from ...oci.blobs import digest_of
from ...oci.manifest import MANIFESTS, BlobLayer, manifest_document
from ...oci.offer import Offer, OfferedBlob
from .beneath import Beneath
from .layers import SMALL, Mark, OwnLayer
from .remembered import Remembered


class Changed(Exception):
    """A layer became another blob than the one that was offered: another machine had compressed that."""


@frozen
class ReadyLayer:
    """A layer of ours whose digest is known.

    :param data: its blob, where it is small.
    :param changed: called where its files are not what they were known to be.
    """

    layer: OwnLayer
    blob: BlobLayer
    data: bytes | None
    changed: Callable[[], None]

    def chunks(self) -> Iterator[bytes]:
        """Its blob, made anew unless it is small.

        :raises ProjectError: a file was changed. :raises Changed: the same tar became another blob.
        """
        if self.data is not None:
            yield self.data
            return
        stream = self.layer.stream()
        yield from stream
        if stream.written.diff_id != self.blob.diff_id:
            self.changed()
            raise self.layer.changed()
        if stream.written.digest != self.blob.digest:
            raise Changed(self.layer.name)


def ready(layer: OwnLayer, remembered: Remembered) -> ReadyLayer:
    """A layer of ours whose digest is found out: looked for where its files lie as they did, else made once. Blocks.

    :raises ProjectError: a file has gone, cannot be read, or was changed.
    """
    mark = layer.mark or remembered.mark(layer)
    if layer.size <= SMALL:
        stream = layer.stream()
        data = b"".join(stream)
        return ReadyLayer(layer, layer.keep(stream.written), data, partial(remembered.forget, mark))
    before = layer.blob
    blob = before or _known(layer, remembered, mark) or _made(layer)
    if before is None:
        remembered.note(layer, blob, mark)
    return ReadyLayer(layer, blob, None, partial(remembered.forget, mark))


def _known(layer: OwnLayer, remembered: Remembered, mark: Mark) -> BlobLayer | None:
    diff_id = remembered.diff_id(layer, mark) or (layer.measure() if remembered.seen(mark) else None)
    found = remembered.blob(diff_id) if diff_id else None
    return layer.found(found) if found else None


def _made(layer: OwnLayer) -> BlobLayer:
    stream = layer.stream()
    for _ in stream:
        pass
    return layer.keep(stream.written)


def offer_of(beneath: Beneath, layers: tuple[ReadyLayer, ...], config: bytes) -> Offer:
    """What is offered: layers beneath from where they are, ours made when they are wanted."""
    blobs = {
        each.digest: OfferedBlob(each.size, partial(beneath.blobs.passing, each.digest)) for each in beneath.layers
    }
    blobs |= {each.blob.digest: OfferedBlob(each.blob.size, each.chunks) for each in layers}
    blobs[digest_of(config)] = OfferedBlob(len(config), lambda: [config])
    manifest = manifest_document(beneath.form, config, [*beneath.layers, *(each.blob for each in layers)])
    return Offer(manifest, MANIFESTS[beneath.form], digest_of(config), blobs)
