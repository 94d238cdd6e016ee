"""A base that lies on this machine: an OCI layout, a tar of one, or a tar in Docker's form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import IO

from ...data import frozen
from ...errors import BaseError
from ...graph.base import From
from ...oci.archive import ArchiveFiles, the_image
from ...oci.content_store import ContentStore
from ...oci.manifest import MANIFESTS, BlobLayer, Form, Packing
from ...oci.push import PushClient
from .beneath import Beneath, Blobs
from .note import Note

_CHUNK = 1 << 20

_MAGIC: tuple[tuple[bytes, Packing], ...] = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))


@frozen
class ArchiveBlobs(Blobs):
    """Blobs of a folder or tar, and of what :class:`~dagger_aml.backends.direct.beneath.Blobs` has.

    :param base: what lies on this machine.
    :param names: of the blobs' files in it, by their digests.
    """

    base: From
    names: dict[str, str]

    def chunks(self, digest: str) -> Iterator[bytes]:
        """A blob's bytes, held against its digest at the end; those of the archive are not kept elsewhere too.

        :raises BaseError: the folder or tar has changed.
        """
        if digest not in self.names:
            yield from super().chunks(digest)
            return
        total = hashlib.sha256()
        with the_image(self.base) as (files, _), files.open(self.names[digest]) as file:
            for chunk in iter(partial(file.read, _CHUNK), b""):
                total.update(chunk)
                yield chunk
        if f"sha256:{total.hexdigest()}" != digest:
            raise BaseError(
                f"a layer does not match its digest {digest}",
                location=f"base {self.base.archive}",
                hint="Write the image again.",
            )

    def passing(self, digest: str, size: int | None = None) -> Iterator[bytes]:
        """As :meth:`chunks`."""
        return self.chunks(digest) if digest in self.names else super().passing(digest, size)


def find_archive(base: From, client: PushClient, store: ContentStore) -> Beneath:
    """The image that a base was read as.

    :raises BaseError: another one lies there now, or it is damaged.
    """
    assert base.archive
    with the_image(base) as (files, image):
        diff_ids = [str(each) for each in image.details["rootfs"]["diff_ids"]]
        if len(diff_ids) != len(image.layers):
            raise files.broken(f"its config lists {len(diff_ids)} layers, and it has {len(image.layers)}")
        layers = [_layer(files, *pair) for pair in zip(image.layers, diff_ids, strict=True)]
        names = {layer.digest: name for layer, name in zip(layers, image.layers, strict=True)}
        form: Form = "oci" if image.manifest and image.manifest["mediaType"] != MANIFESTS["docker"] else "docker"
        own = base.digest or base.archive.image_id
        blobs = ArchiveBlobs(client, store, {}, base, names)
        return Beneath(own, form, image.details, tuple(layers), len(layers), blobs, Note(own, None))


def _layer(files: ArchiveFiles, name: str, diff_id: str) -> BlobLayer:
    with files.open(name) as file:
        head = file.read(4)
    packing: Packing = next((found for magic, found in _MAGIC if head.startswith(magic)), "none")
    hexes = name.removeprefix("blobs/sha256/")
    if hexes != name:
        digest = f"sha256:{hexes}"
    else:
        with files.open(name) as file:
            digest = diff_id if packing == "none" else _digest(file)
    return BlobLayer(diff_id, digest, files.size(name), packing)


def _digest(file: IO[bytes]) -> str:
    total = hashlib.sha256()
    for chunk in iter(partial(file.read, _CHUNK), b""):
        total.update(chunk)
    return f"sha256:{total.hexdigest()}"
