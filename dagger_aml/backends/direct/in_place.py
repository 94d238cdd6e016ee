"""Whether a registry has the very image already, told before anything is sent or started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import anyio.to_thread

from ...fs.stamps import unchanged
from ...oci.blobs import digest_of
from ...oci.manifest import Form, manifest_document
from ...oci.reference import Reference
from ...plan.model import Plan
from .beneath import Beneath
from .earlier import Earlier
from .layers import SMALL, OwnLayer
from .remembered import Remembered


class Placed(Protocol):
    """What must be known of an image; :class:`~dagger_aml.backends.direct.image.DirectImage` is one."""

    plan: Plan
    beneath: Beneath
    own: tuple[OwnLayer, ...]

    @property
    def remembered(self) -> Remembered:
        """What layers became in earlier builds."""
        ...

    async def before(self, at: Reference) -> Earlier:
        """The image that a tag names now."""
        ...

    def config_now(self) -> bytes:
        """The config, once every layer of ours was written."""
        ...

    def form_at(self, at: Reference) -> Form:
        """Whose media types its manifest has in a repository."""
        ...


async def in_place(image: Placed, references: Sequence[str]) -> bool:
    """Whether every tag names this very image now. Files are read as a push would read them, and nothing is sent."""
    tags = [Reference.parse(each) for each in references]
    found = [await image.before(at) for at in tags]
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


def _all_there(image: Placed, before: Earlier) -> bool:
    """Whether an image has each layer of ours; these then know what they become."""
    return all(_there(layer, image.remembered, before) for layer in image.own)


def _there(layer: OwnLayer, remembered: Remembered, before: Earlier) -> bool:
    if layer.blob is not None:
        return layer.blob.digest in before.blobs
    if layer.size <= SMALL:
        same = before.by_diff_id.get(layer.measure())
        if same:
            layer.found(same)
        return same is not None
    mark = remembered.mark(layer)
    diff_id = remembered.diff_id(layer, mark)
    if diff_id is None:
        # It is not measured again when it is sent, so what it becomes is then kept by how its files lay now.
        layer.mark, diff_id = mark, layer.measure()
    blob = before.by_diff_id.get(diff_id)
    if blob is None:
        return False
    remembered.note(layer, layer.found(blob), mark)
    return True
