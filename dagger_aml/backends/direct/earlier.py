"""The image that a tag names now: what its repository has, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field

from ...data import frozen
from ...errors import BuildError, DaggerAmlError
from ...oci.client import RegistryClient
from ...oci.content_store import ContentStore
from ...oci.manifest import BlobLayer, layers_of
from ...oci.reference import Reference
from .beneath import small_blob


@frozen
class Earlier:
    """What a repository is known to have, since a tag of it names an image with it.

    :param at: None where there is no such image, or none that can be read.
    :param config: the image's config document.
    :param layers: lowest first.
    :param blobs: digests of all that it is made of.
    :param digest: of what the tag names, which may be an index; empty of none.
    :param platforms: of all images of an index, such as ``linux/arm64``; none where the tag names one image.
    """

    at: Reference | None = None
    config: Mapping[str, Any] = field(factory=dict, repr=False)
    layers: tuple[BlobLayer, ...] = ()
    blobs: frozenset[str] = frozenset()
    digest: str = ""
    platforms: tuple[str, ...] = ()

    @property
    def by_diff_id(self) -> Mapping[str, BlobLayer]:
        """Its layers by the digests of their tars."""
        return {each.diff_id: each for each in self.layers}


NONE = Earlier()


def earlier(at: Reference, platform: str, client: RegistryClient, store: ContentStore) -> Earlier:
    """The image that a tag names now. Whatever is wrong with it, or with asking, only means that it is of no use.

    :param platform: of the image, where the tag names an index.
    """
    try:
        return image_of(at, platform, client, store)
    except DaggerAmlError:
        return NONE


def image_of(at: Reference, platform: str, client: RegistryClient, store: ContentStore) -> Earlier:
    """The image that a tag or a digest names.

    :param platform: of the image, where the tag names an index.
    :raises NoImage: there is none. :raises BuildError: none for the platform, or it is not an image.
    :raises RegistryDenied: 401 or 403. :raises TransientError: unreachable or busy.
    """
    named = client.manifest(at)
    manifest, platforms = named.document, tuple[str, ...]()
    try:
        if "manifests" in manifest:
            from ...oci.registry import platforms_of, variant

            platforms = platforms_of(manifest)
            digest = variant(manifest, platform, f"image {at}")
            manifest = client.manifest(evolve(at, tag=None, digest=digest)).document
        digest = manifest["config"]["digest"]
        config = json.loads(small_blob(at, digest, client, store))
        layers = layers_of(manifest, config)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise BuildError("it is not an image", location=f"image {at}") from None
    return Earlier(
        at, config, layers, frozenset((digest, *(each.digest for each in layers))), named.digest, platforms
    )
