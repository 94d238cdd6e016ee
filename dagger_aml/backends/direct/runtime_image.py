"""Runtime images: the part of a plan that runs, made once by a builder and found again by its runtime key."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from attrs import evolve, field

from ...base.known import KnownFacts
from ...data import frozen
from ...errors import DaggerAmlError
from ...finding import Finding
from ...fs.disk_space import not_kept
from ...fs.temporary import temporary_directory
from ...graph.config import Config
from ...oci.compression import gzipped
from ...oci.content_store import ContentStore
from ...oci.manifest import BlobLayer
from ...oci.reference import Reference
from ...plan.model import Plan
from ...text import named
from ..base import Builder
from ..outputs import Export
from .beneath import Beneath
from .earlier import Earlier
from .note import NOTE_LABEL, Note, RuntimeNote, note_of, plain_note, read_note, write_note
from .telling import WhatRan

if TYPE_CHECKING:
    from ...oci.archive import ArchiveFiles

_KIND = "runtime"

_CHUNK = 1 << 20

_CACHE = "the cache of this machine"


@frozen
class RuntimeImage:
    """What a builder made of the part that runs.

    :param key: its runtime key.
    :param layers: on top of the base's, lowest first.
    :param made: when, seconds since 1970.
    :param found: where, for a person; empty of one that was made just now.
    :param after: what is known of paths once the commands have run.
    :param places: a repository that has each layer; of the others the store has them.
    """

    key: str
    layers: tuple[BlobLayer, ...]
    made: float
    found: str = ""
    after: KnownFacts | None = field(default=None, repr=False)
    places: Mapping[str, Reference] = field(factory=dict, repr=False)

    @property
    def age_seconds(self) -> float:
        """How long ago it was made."""
        return max(time.time() - self.made, 0)


class AnotherBase(DaggerAmlError):
    """A builder's image does not begin with the layers that the base has in its registry."""


def in_image(key: str, beneath: Beneath, image: Earlier) -> RuntimeImage | None:
    """What ran, if an image of a registry has it on this very base."""
    if image.at is None or [each.diff_id for each in image.layers[: beneath.base]] != _diff_ids(beneath):
        return None
    note = note_of(image.config, image.layers, beneath.base)
    runtime = _fitting(note, key, beneath)
    if runtime is None:
        return None
    layers = image.layers[beneath.base : beneath.base + runtime.layers]
    places = {each.digest: image.at for each in layers}
    return RuntimeImage(key, layers, runtime.made, str(image.at), runtime.after, places)


def in_store(key: str, beneath: Beneath, store: ContentStore) -> RuntimeImage | None:
    """What ran, if the cache of this machine holds it whole, on this very base."""
    found: Any = store.document(_KIND, _name(key))
    try:
        layers = tuple(BlobLayer(*each) for each in found["layers"])
        if not all(store.size(each.digest) == each.size for each in layers):
            return None
        note = read_note(found["note"], (*_base_layers(beneath), *layers), beneath.base)
    except (TypeError, KeyError, ValueError):
        return None
    runtime = _fitting(note, key, beneath)
    if runtime is None or runtime.layers != len(layers):
        return None
    return RuntimeImage(key, layers, runtime.made, _CACHE, runtime.after)


@frozen
class RanSomewhere:
    """What ran with a runtime key, as notes tell that nobody has held against their layers.

    :param place: an image, or the cache of this machine, for a person.
    :param made: when, seconds since 1970.
    """

    place: str
    made: float


def ran_in(name: str, labels: Mapping[str, str], key: str, store: ContentStore) -> RanSomewhere | None:
    """Where a runtime key ran, as an image's labels and the cache of this machine tell; the later of both.

    :param name: what to call the image.
    """
    there = plain_note({"config": {"Labels": labels}})
    kept: Any = store.document(_KIND, _name(key))
    notes = [(name, there), (_CACHE, plain_note({"config": {"Labels": {NOTE_LABEL: (kept or {}).get("note")}}}))]
    found = [
        RanSomewhere(place, each.runtime.made)
        for place, each in notes
        if each and each.runtime and each.runtime.key == key
    ]
    return max(found, key=lambda each: each.made, default=None)


def keep(runtime: RuntimeImage, beneath: Beneath, store: ContentStore) -> None:
    """Note in the cache of this machine what ran; its layers are there."""
    note = Note(beneath.digest, None, note_for(runtime))
    text = write_note(note, (*_base_layers(beneath), *runtime.layers), beneath.base)
    layers = [[each.diff_id, each.digest, each.size, each.packing] for each in runtime.layers]
    store.put_document(_KIND, _name(runtime.key), {"note": text, "layers": layers})


def kept_at(key: str, store: ContentStore) -> Path:
    """Where the cache of this machine notes what ran with a runtime key."""
    return store.document_path(_KIND, _name(key))


def note_for(runtime: RuntimeImage) -> RuntimeNote:
    """What an image tells of what ran."""
    return RuntimeNote(runtime.key, len(runtime.layers), runtime.made, runtime.after)


async def make(plan: Plan, key: str, beneath: Beneath, builder: Builder, store: ContentStore) -> RuntimeImage:
    """Have a builder make the part of a plan that runs; its layers come into the cache of this machine.

    :param key: the plan's runtime key.
    :raises AnotherBase: the builder had another base than the registry has.
    :raises BuildError: a step failed.
    """
    part = {id(layer) for layer in plan.engine_part}
    ops = tuple(op for op in plan.ops if id(op.layer) in part)
    told = WhatRan(builder.on_event)
    builder = builder.with_events(told)
    image = await builder.image(evolve(plan, ops=ops, config=Config()))
    told.handed_over = True
    with temporary_directory() as work:
        layout = work / "runtime"
        await image.export(Export(layout, "oci", folder=True))
        rewritten = 0 if builder.capabilities.keeps_base else len(ops)
        layers = await anyio.to_thread.run_sync(partial(_kept_layers, layout, plan, beneath, store, rewritten))
    return RuntimeImage(key, layers, time.time())


def on_runtime(beneath: Beneath, runtime: RuntimeImage) -> Beneath:
    """What lies beneath our layers then."""
    return evolve(
        beneath,
        layers=(*beneath.layers, *runtime.layers),
        blobs=evolve(beneath.blobs, places={**beneath.blobs.places, **runtime.places}),
        note=evolve(beneath.note, runtime=note_for(runtime)),
    )


def _fitting(note: Note | None, key: str, beneath: Beneath) -> RuntimeNote | None:
    """What a note tells of what ran, if that is what is wanted."""
    runtime = note.runtime if note and note.base == beneath.digest else None
    if runtime is None or runtime.key != key or runtime.made > time.time():
        return None
    return runtime


def _base_layers(beneath: Beneath) -> tuple[BlobLayer, ...]:
    return beneath.layers[: beneath.base]


def _diff_ids(beneath: Beneath) -> list[str]:
    return [each.diff_id for each in _base_layers(beneath)]


def _kept_layers(
    layout: Path, plan: Plan, beneath: Beneath, store: ContentStore, rewritten: int
) -> tuple[BlobLayer, ...]:
    """The layers of a layout above the base's, kept in the store, gzipped.

    :param rewritten: by a builder that writes the base's layers anew: how many layers it has above as many of these.
        It took the base by its digest, so that the files are the same.
    """
    from ...oci import layout as oci_layout
    from ...oci.archive import the_image

    found = oci_layout.base(f"oci:{layout}", plan.base.platform, Path())
    with the_image(found) as (files, image):
        diff_ids = [str(each) for each in image.details["rootfs"]["diff_ids"]]
        kept = diff_ids[: beneath.base] == _diff_ids(beneath)
        if not kept and not (rewritten and plan.base.digest and len(diff_ids) == beneath.base + rewritten):
            raise AnotherBase("the builder has another base image than the registry", location=plan.base.pinned)
        names = list(zip(image.layers, diff_ids, strict=True))[beneath.base :]
        return tuple(_kept(files, name, diff_id, store) for name, diff_id in names)


def _kept(files: ArchiveFiles, name: str, diff_id: str, store: ContentStore) -> BlobLayer:
    with files.open(name) as stream:
        plain = stream.read(2) != b"\x1f\x8b"
        stream.seek(0)
        chunks: Iterator[bytes] = iter(partial(stream.read, _CHUNK), b"")
        try:
            digest, size = store.put(gzipped(chunks) if plain else chunks)
        except OSError as error:
            raise not_kept(error, store.root) from None
    return BlobLayer(diff_id, digest, size, "gzip")


def not_shared(error: DaggerAmlError, repository: str) -> Finding:
    """What is said where what ran cannot be pushed."""
    return Finding(
        f"what runs could not be pushed for later builds: {error.message}",
        location=named("cache_to", repository),
        hint="The image itself is made all the same.",
    )


def runtime_tag(repository: str, key: str) -> Reference:
    """The tag under which what ran is kept in a repository."""
    return Reference.parse(f"{repository}:rt-{_name(key)}")


def _name(key: str) -> str:
    return key.removeprefix("sha256:")
