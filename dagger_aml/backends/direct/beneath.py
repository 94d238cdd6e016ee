"""The image that our layers lie upon: a base, or a base with what a builder ran on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, field

from ...data import frozen
from ...errors import BaseError, BuildError, UsageError
from ...graph.base import From
from ...oci.client import RegistryClient
from ...oci.content_store import ContentStore, Damaged
from ...oci.manifest import BlobLayer, Form, form_of, layers_of
from ...oci.model import ImageError
from ...oci.reference import Reference
from .note import Note

_CHUNK = 1 << 20


@frozen
class Blobs:
    """Blobs of repositories, and of the store.

    :param places: a repository that has each of them.
    """

    client: RegistryClient
    store: ContentStore
    places: Mapping[str, Reference] = field(repr=False)

    def chunks(self, digest: str) -> Iterator[bytes]:
        """A blob's bytes, held against its digest at the end; from a registry through the store, where it stays.

        :raises BuildError: there is none, or it is not what its digest says.
        """
        if not self.store.is_whole(digest):
            try:
                # Where the cache cannot be written, that is no reason not to write the image.
                yield from self.store.keeping(digest, self._fetched(digest))
            except Damaged:
                raise BuildError(f"the registry sent content that does not match {digest}", location="base") from None
            return
        try:
            with self.store.open(digest) as file:
                yield from iter(lambda: file.read(_CHUNK), b"")
        except (Damaged, KeyError):
            raise BuildError(
                "a blob of the cache was changed or removed while it was read",
                location=str(self.store.root),
                hint="Run the same command again.",
            ) from None

    def kept(self, digest: str) -> Iterator[bytes]:
        """A blob's bytes as the store has them, read once and held against the digest at the end.

        :raises KeyError: it has none, or that cannot be read. :raises Damaged: it is not what its digest says.
        """
        try:
            with self.store.open(digest) as file:
                yield from iter(lambda: file.read(_CHUNK), b"")
        except OSError:
            raise KeyError(digest) from None

    def passing(self, digest: str, size: int | None = None) -> Iterator[bytes]:
        """A blob's bytes for whoever holds them against the digest itself, as registries do; nothing is kept.

        :param size: that they must have.
        :raises BuildError: there is none, or it has another size.
        """
        sent = 0
        for chunk in self.chunks(digest) if self.store.has(digest) else self._fetched(digest):
            sent += len(chunk)
            if size is not None and sent > size:
                break
            yield chunk
        if size not in (None, sent):
            raise BuildError(f"the registry sent content that does not match {digest}", location="base")

    def _fetched(self, digest: str) -> Iterator[bytes]:
        if digest not in self.places:
            raise BuildError(
                "what ran is not in the cache any more, or is damaged", hint="Run the same command again."
            )
        with self.client.blob(self.places[digest], digest) as file:
            yield from iter(lambda: file.read(_CHUNK), b"")


@frozen
class Beneath:
    """An image that layers are put upon.

    :param digest: of its own manifest, not of an index; of the base's, where a builder ran something on that.
    :param config: the base's config document.
    :param layers: base first.
    :param base: how many of them are the base's.
    :param blobs: where they are read from.
    :param note: what the image tells the next build of all this.
    """

    digest: str
    form: Form
    config: Mapping[str, Any] = field(repr=False)
    layers: tuple[BlobLayer, ...] = field(repr=False)
    base: int
    blobs: Blobs = field(repr=False)
    note: Note


def find_base(base: From, client: RegistryClient, store: ContentStore) -> tuple[str, Beneath]:
    """A base in its registry: the digest that its tag has now, and its image for the platform.

    Manifests and configs are kept by their digests, so that of a known base only the tag is asked for.

    :raises RegistryDenied: 401 or 403. :raises TransientError: unreachable or busy.
    :raises BuildError: no such image, or none for the platform.
    """
    named = Reference.parse(base.reference)
    digest = base.digest or client.manifest_digest(named)
    if digest is None:
        raise BuildError(
            f"{named.host} has no such image", location=f"base {base.pinned}", hint="Check the name and the tag."
        )
    document = _manifest(evolve(named, tag=None, digest=digest), client, store)
    own = digest
    if "manifests" in document:
        from ...oci.registry import variant

        try:
            own = variant(document, base.platform, f"base {base.pinned}")
        except BuildError as error:
            raise BaseError(error.message, location=error.location) from None
        document = _manifest(evolve(named, tag=None, digest=own), client, store)
    try:
        described = document["config"]
        config = json.loads(small_blob(evolve(named, tag=None, digest=own), described["digest"], client, store))
        layers = layers_of(document, config)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, ImageError) as error:
        why = error.message if isinstance(error, ImageError) else "it is not an image"
        raise BaseError(f"the base cannot be used: {why}", location=f"base {base.pinned}") from None
    has = [config.get(name) for name in ("os", "architecture")]
    if all(has) and has != base.platform.split("/")[:2]:
        raise BaseError(f"the image is for {'/'.join(has)}, not for {base.platform}", location=f"base {base.pinned}")
    at = evolve(named, tag=None, digest=own)
    blobs = Blobs(client, store, {each.digest: at for each in layers})
    return digest, Beneath(own, form_of(document), config, layers, len(layers), blobs, Note(own, None))


def _manifest(at: Reference, client: RegistryClient, store: ContentStore) -> Mapping[str, Any]:
    """A manifest by its digest."""
    assert at.digest
    raw = _kept(at.digest, store)
    if raw is None:
        raw = client.manifest(at).raw
        keep_small(at.digest, raw, store)
    found: Mapping[str, Any] = json.loads(raw)
    return found


def small_blob(at: Reference, digest: str, client: RegistryClient, store: ContentStore) -> bytes:
    """A small blob, such as a config; from the store where it is there."""
    raw = _kept(digest, store)
    if raw is None:
        raw = client.verified_blob(at, digest)
        keep_small(digest, raw, store)
    return raw


def _kept(digest: str, store: ContentStore) -> bytes | None:
    try:
        with store.open(digest) as file:
            return file.read()
    except (KeyError, Damaged, OSError):
        return None


def keep_small(digest: str, raw: bytes, store: ContentStore) -> None:
    """Keep a small blob; that it cannot be kept is no error."""
    try:
        store.add(digest, [raw])
    except (OSError, UsageError):  # The latter where its folder cannot be made.
        return
