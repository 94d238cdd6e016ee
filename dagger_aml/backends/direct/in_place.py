"""Whether a registry has the very image already, told before anything is sent or started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio.to_thread

from ...fs.stamps import unchanged
from ...oci.blobs import digest_of
from ...oci.manifest import manifest_document
from ...oci.reference import Reference
from .earlier import Earlier, earlier
from .layers import SMALL, OwnLayer

DirectImage = Any
"""That of :mod:`.image`, which imports this."""


async def in_place(image: DirectImage, references: Sequence[str]) -> bool:
    """Whether every tag names this very image now. Files are read as a push would read them, and nothing is sent."""
    platform = image.plan.base.platform
    tags = [Reference.parse(each) for each in references]
    found: list[Earlier] = []
    for at in tags:
        before = image.images.get((str(at), platform))
        if before is None:
            before = await image.blocking(earlier, at, platform, image.calls.client, image.store)
            image.images[str(at), platform] = before
        found.append(before)
    if not found or any(each.at is None or each.digest != found[0].digest for each in found):
        return False
    with unchanged(image.plan.file_layers):
        if not await anyio.to_thread.run_sync(_all_there, image, found[0]):
            return False
        config = await anyio.to_thread.run_sync(image.config_now)
    layers = (*image.beneath.layers, *(each.blob for each in image.own if each.blob))
    return all(
        digest_of(manifest_document(image.form_at(at), config, layers)) == each.digest
        for at, each in zip(tags, found, strict=True)
    )


def _all_there(image: DirectImage, before: Earlier) -> bool:
    """Whether an image has each layer of ours; these then know what they become."""
    return all(_there(image, layer, before) for layer in image.own)


def _there(image: DirectImage, layer: OwnLayer, before: Earlier) -> bool:
    if layer.blob is not None:
        return layer.blob.digest in before.blobs
    if layer.size <= SMALL:
        stream = layer.stream()
        for _ in stream:
            pass
        return layer.keep(stream.written).digest in before.blobs
    mark = image.remembered.mark(layer)
    blob = before.by_diff_id.get(image.remembered.diff_id(layer, mark) or layer.measure())
    if blob is None:
        return False
    image.remembered.note(layer, layer.found(blob), mark)
    return True
