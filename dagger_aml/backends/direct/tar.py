"""Images as a tar that docker, podman and skopeo take: their blobs, OCI's index, and Docker's list."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

from attrs import field

from ...data import frozen
from ...errors import BuildError
from ...oci.blobs import CONTAINERD_NAME, LAYOUT, REF_NAME, add, blob_name, digest_of
from ...oci.chunks import ahead
from ...oci.content_store import Damaged
from ...oci.contents import pieces
from ...oci.layer_writer import laid_out
from ...oci.manifest import INDEXES, MANIFESTS, BlobLayer, Form, index_document, manifest_document
from ...oci.reference import Reference
from .arriving import POSSIBLE, Arriving, NotArrived
from .beneath import Beneath, Blobs
from .layers import Mark, OwnLayer
from .remembered import Remembered

_BLOCK = tarfile.BLOCKSIZE

_RESERVED = 64 << 20
"""Bytes for which room is made at once: the length of the file tells people how far it is."""

_LITTLE = 64 << 10
"""Bytes of a file that are as fast read and written as copied by the system."""


@frozen
class TarImage:
    """One image to be written.

    :param config: gives its config once every layer of ours was written.
    :param platform: ``linux/amd64`` and the like.
    """

    beneath: Beneath
    own: Sequence[OwnLayer]
    config: Callable[[], bytes] = field(repr=False)
    platform: str
    remembered: Remembered


@frozen
class TarWritten:
    """What was written.

    :param digest: of the manifest, or of the index of several.
    :param config: digest of the config; None of several.
    """

    digest: str
    config: str | None
    layers: tuple[BlobLayer, ...]


def write_tar(
    path: Path, images: Sequence[TarImage], *, form: Form, docker: bool, names: Sequence[Reference]
) -> TarWritten:
    """Write a tar, a little in memory at a time; several images as one index.

    :param docker: whether it has Docker's list too, of the one image; ``docker load`` of 20.10 reads no other.
    :param names: what the image is called in it.
    """
    with path.open("w+b") as file:
        layers = _written(file, images)
        configs = [each.config() for each in images]
        manifests = [manifest_document(form, *pair) for pair in zip(configs, layers, strict=True)]
        top, media = manifests[0], MANIFESTS[form]
        if len(images) > 1:
            pairs = [(raw, each.platform) for raw, each in zip(manifests, images, strict=True)]
            top, media = index_document(form, pairs), INDEXES[form]
        documents = {blob_name(digest_of(raw)): raw for raw in (*configs, *manifests, top)}
        if docker:
            documents["manifest.json"] = _docker_list(configs[0], layers[0], names)
        end = _end({**documents, "index.json": _index(top, media, names), "oci-layout": LAYOUT}, file.tell())
        _write(file, [end], len(end))
    one = len(images) == 1
    return TarWritten(digest_of(top), digest_of(configs[0]) if one else None, layers[0] if one else ())


def _end(documents: Mapping[str, bytes], start: int) -> bytes:
    """The rest of a tar, which holds small files.

    :param start: bytes of it that are there already.
    """
    file = io.BytesIO()
    # A tar fills whole records, in which it goes on.
    file.seek(begun := start % tarfile.RECORDSIZE)
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in documents.items():
            add(tar, name, data)
    return file.getvalue()[begun:]


def _written(file: IO[bytes], images: Sequence[TarImage]) -> list[tuple[BlobLayer, ...]]:
    """The layers of each image, written."""
    if POSSIBLE:
        try:
            with Arriving(file, partial(_reserve, file), _RESERVED) as arriving:
                seen: set[str] = set()
                pending = [_layers(file, each, seen, arriving) for each in images]
                arriving.wait()
                return [each.taken() for each in pending]
        except NotArrived:
            # All of it once more, read by us: that tells what is wrong, mends what the cache has, or works.
            file.seek(0)
            file.truncate()
    seen = set()
    return [_layers(file, each, seen).taken() for each in images]


@frozen
class _Pending:
    """What was written of an image.

    :param own: what our layers became, with the mark of each whose bytes were on the way still.
    """

    image: TarImage
    own: Sequence[tuple[OwnLayer, BlobLayer, Mark | None]] = field(repr=False)

    def taken(self) -> tuple[BlobLayer, ...]:
        """Its layers, all of them whole; what each of ours became is kept."""
        for layer, blob, mark in self.own:
            if mark:
                self.image.remembered.note(layer, layer.found(blob), mark)
        return (*self.image.beneath.layers, *(blob for _, blob, _ in self.own))


def _layers(file: IO[bytes], image: TarImage, seen: set[str], arriving: Arriving | None = None) -> _Pending:
    """Write the layers.

    :param arriving: what has the system copy what is known already; None where it is read by us.
    """
    for each in image.beneath.layers:
        if each.digest not in seen:
            _write(file, [_header(each.digest, each.size)], _BLOCK)
            start = file.tell()
            _write_beneath(file, image.beneath.blobs, each, arriving)
            if file.tell() - start != each.size:
                raise BuildError(f"the layer {each.digest} has another size than its manifest says", location="base")
            file.write(_padding(each.size))
            seen.add(each.digest)
    own = [(each, *_own(file, each, image.remembered, seen, arriving)) for each in image.own]
    return _Pending(image, own)


def _own(
    file: IO[bytes], layer: OwnLayer, remembered: Remembered, seen: set[str], arriving: Arriving | None
) -> tuple[BlobLayer, Mark | None]:
    """Write a layer of ours; with its mark where it is told later whether it is whole."""
    mark = remembered.mark(layer)
    known = layer.blob.diff_id if layer.blob else remembered.diff_id(layer, mark)
    plain = layer.plain(known) if arriving and known else None
    if arriving is None or plain is None or plain.digest in seen:
        return _streamed(file, layer, seen, remembered, mark, known), None
    _write(file, [_header(plain.digest, plain.size)], _BLOCK)
    _copied(arriving, layer, plain)
    file.write(_padding(plain.size))
    seen.add(plain.digest)
    return plain, mark


def _copied(arriving: Arriving, layer: OwnLayer, blob: BlobLayer) -> None:
    """Write a layer of ours, of which it is known what it becomes."""
    part = arriving.part(blob.digest, blob.size)
    for each in laid_out(layer.entries):
        if isinstance(each, bytes):
            part.write(each)
        elif isinstance(each.content, bytes) or each.size < _LITTLE:
            for piece in pieces(each):
                part.write(piece)
        else:
            try:
                with each.content.open("rb") as source:
                    part.copy(source, each.size)
            except OSError:
                raise NotArrived(blob.digest) from None
    part.close()


def _write_beneath(file: IO[bytes], blobs: Blobs, layer: BlobLayer, arriving: Arriving | None) -> None:
    """A blob of the image beneath: as the store keeps it, held against its digest; else from elsewhere."""
    if arriving:
        with ExitStack() as stack:
            try:
                source = stack.enter_context(blobs.store.unchecked(layer.digest))
            except (OSError, KeyError):
                _write(file, blobs.chunks(layer.digest))
                return
            part = arriving.part(layer.digest, layer.size)
            part.copy(source, layer.size)
            part.close()
        return
    start = file.tell()
    try:
        _write(file, ahead(blobs.kept(layer.digest)), layer.size)
    except (Damaged, KeyError):
        file.seek(start)
        file.truncate()
        _write(file, blobs.chunks(layer.digest))


def _streamed(
    file: IO[bytes], layer: OwnLayer, seen: set[str], remembered: Remembered, mark: Mark, known: str | None
) -> BlobLayer:
    """A layer of ours; its name and size are put in front of it when they are known.

    :param mark: of before its files are read. :param known: its diff ID, as far as that is known.
    :raises ProjectError: a file was changed.
    """
    start = file.tell()
    _write(file, [bytes(_BLOCK)], _BLOCK)
    stream = layer.stream()
    _write(file, stream, stream.size)
    if known and stream.written.diff_id != known:
        remembered.forget(mark)
    blob = layer.keep(stream.written)
    # Read just now, after the mark was taken, whatever was known of it before.
    remembered.note(layer, blob, mark)
    if blob.digest in seen:
        file.seek(start)
        file.truncate()
        return blob
    seen.add(blob.digest)
    file.write(_padding(blob.size))
    end = file.tell()
    file.seek(start)
    file.write(_header(blob.digest, blob.size))
    file.seek(end)
    return blob


def _write(file: IO[bytes], chunks: Iterable[bytes], size: int | None = None) -> None:
    """Write chunks.

    :param size: bytes of all of them, where that is known.
    """
    left = size or 0
    reserved = start = file.tell()
    for chunk in chunks:
        start += len(chunk)
        if start > reserved and left:
            more = min(max(_RESERVED, len(chunk)), left)
            left = left - more if _reserve(file, reserved, more) else 0
            reserved += more
        file.write(chunk)


def _reserve(file: IO[bytes], start: int, size: int) -> bool:
    """Have a file's place on the disk chosen now; whether it was.

    ext4 and others choose it later, and at the latest when the file takes the place of another: of 300 MB that took
    0.3 s, in which nothing else went on.
    """
    try:
        file.flush()
        os.posix_fallocate(file.fileno(), start, size)
    except (OSError, AttributeError):
        return False
    return True


def _header(digest: str, size: int) -> bytes:
    member = tarfile.TarInfo(blob_name(digest))
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _docker_list(config: bytes, layers: Sequence[BlobLayer], names: Sequence[Reference]) -> bytes:
    image = {
        "Config": blob_name(digest_of(config)),
        "RepoTags": [each.canonical for each in names] or None,
        "Layers": [blob_name(each.digest) for each in layers],
    }
    return json.dumps([image]).encode()


def _index(top: bytes, media: str, names: Sequence[Reference]) -> bytes:
    described = {"mediaType": media, "digest": digest_of(top), "size": len(top)}
    named = [
        {**described, "annotations": {CONTAINERD_NAME: each.canonical, REF_NAME: each.tag or "latest"}}
        for each in names
    ]
    return json.dumps({"schemaVersion": 2, "manifests": named or [described]}).encode()
