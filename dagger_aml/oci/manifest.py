"""Manifests: what they name, in Docker's media types or in OCI's, never mixed (docs/layers.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..data import frozen
from .blobs import digest_of
from .model import ImageError

Form = Literal["oci", "docker"]
"""Whose media types a manifest has. podman and buildah refuse an image that mixes them."""

Packing = Literal["none", "gzip", "zstd"]

_LAYERS: Mapping[Form, Mapping[Packing, str]] = {
    "oci": {
        "none": "application/vnd.oci.image.layer.v1.tar",
        "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
        "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    },
    "docker": {
        "none": "application/vnd.docker.image.rootfs.diff.tar",
        "gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "zstd": "application/vnd.docker.image.rootfs.diff.tar.zstd",
    },
}

_CONFIGS: Mapping[Form, str] = {
    "oci": "application/vnd.oci.image.config.v1+json",
    "docker": "application/vnd.docker.container.image.v1+json",
}

MANIFESTS: Mapping[Form, str] = {
    "oci": "application/vnd.oci.image.manifest.v1+json",
    "docker": "application/vnd.docker.distribution.manifest.v2+json",
}

INDEXES: Mapping[Form, str] = {
    "oci": "application/vnd.oci.image.index.v1+json",
    "docker": "application/vnd.docker.distribution.manifest.list.v2+json",
}

_PACKINGS: Mapping[str, Packing] = {media: packing for each in _LAYERS.values() for packing, media in each.items()}


@frozen
class BlobLayer:
    """A layer as a manifest and a config name it.

    :param diff_id: ``sha256:…`` of its tar, uncompressed.
    :param digest: ``sha256:…`` of the blob.
    :param size: bytes of the blob.
    :param packing: how the blob is compressed.
    """

    diff_id: str
    digest: str
    size: int
    packing: Packing


def form_of(manifest: Mapping[str, Any]) -> Form:
    """Whose media types an image's manifest has; OCI's where it names none."""
    return "docker" if manifest.get("mediaType") == MANIFESTS["docker"] else "oci"


def layers_of(manifest: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[BlobLayer, ...]:
    """The layers of an image, base first.

    :raises ImageError: manifest and config do not fit each other, or a layer is of a type that is not known, such as
        one that a registry does not hand on.
    """
    try:
        named, diff_ids = manifest["layers"], config["rootfs"]["diff_ids"]
        if len(named) != len(diff_ids):
            raise ImageError(f"the manifest has {len(named)} layers, but the config lists {len(diff_ids)}")
        return tuple(
            BlobLayer(str(diff_id), str(each["digest"]), int(each["size"]), _PACKINGS[each["mediaType"]])
            for each, diff_id in zip(named, diff_ids, strict=True)
        )
    except KeyError as error:
        raise ImageError(f"an image has no {error.args[0]}, or a layer of that type cannot be used") from None
    except (TypeError, ValueError):
        raise ImageError("the content of an image's manifest does not follow the specification") from None


def manifest_document(form: Form, config: bytes, layers: Sequence[BlobLayer]) -> bytes:
    """The manifest of an image; the same layers and config give the same bytes."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFESTS[form],
        "config": {"mediaType": _CONFIGS[form], "digest": digest_of(config), "size": len(config)},
        "layers": [
            {"mediaType": _LAYERS[form][each.packing], "digest": each.digest, "size": each.size} for each in layers
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def index_document(form: Form, manifests: Sequence[tuple[bytes, str]]) -> bytes:
    """An index of images for several platforms.

    :param manifests: the bytes of each, and its platform, ``linux/arm64/v8`` and the like.
    """
    listed = []
    for manifest, platform in manifests:
        os, architecture, *variant = platform.split("/")
        named = {"os": os, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        listed.append(
            {
                "mediaType": MANIFESTS[form],
                "digest": digest_of(manifest),
                "size": len(manifest),
                "platform": named,
            }
        )
    document = {"schemaVersion": 2, "mediaType": INDEXES[form], "manifests": listed}
    return json.dumps(document, separators=(",", ":")).encode()
