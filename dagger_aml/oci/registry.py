"""Asking a registry, from async code: what a tag's digest is, what an image's config says, an image itself.

Questions are asked again where that may help, and how long each try may take the :mod:`~dagger_aml.policy` says.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from attrs import evolve, field

from ..data import frozen
from ..errors import BuildError, DaggerAmlError
from ..events import OnEvent, ignore
from ..graph.base import From
from ..policy import DEFAULT, Policy
from .asking import ask
from .blobs import LAYOUT
from .client import Manifest, RegistryClient
from .failures import no_registry, other_content
from .manifest import BlobLayer, layers_of
from .model import Layer
from .reference import Reference


async def resolve_digest(
    base: From, on_event: OnEvent = ignore, policy: Policy = DEFAULT, *, timeout_seconds: float = math.inf
) -> str:
    """The digest that a base's tag has in its registry now; empty for one that lies on this machine without any.

    :param on_event: told when it is asked again, here and below.
    :param timeout_seconds: for each try to be over; one that takes longer is the last. Besides what the policy says
        of connections and answers.
    :raises RegistryDenied: 401 or 403. :raises BuildError: no such image.
    :raises TransientError: unreachable or busy.
    """
    if base.digest or base.archive:
        return base.digest or ""
    at, location = Reference.parse(base.reference), f"base {base.reference}"
    with RegistryClient(policy) as client:
        return (await _get(client, at, location, on_event, timeout_seconds)).digest


async def image_config(
    reference: str,
    digest: str | None,
    platform: str,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
    *,
    timeout_seconds: float = math.inf,
) -> dict[str, Any]:
    """The ``config`` object of an image's config: User, Env, OnBuild, Volumes, …

    Raises as :func:`resolve_digest`.
    """
    at, location = evolve(Reference.parse(reference), digest=digest), f"base {reference}"
    with RegistryClient(policy) as client:
        manifest = (await _of_platform(client, at, platform, location, on_event, timeout_seconds)).document
        try:
            blob = manifest["config"]["digest"]
        except (KeyError, TypeError):
            raise no_registry(at, location) from None
        question = partial(client.verified_blob, at, blob, location=location)
        data = await ask(client, question, on_event, timeout_seconds=timeout_seconds, host=at.host, location=location)
    try:
        found: dict[str, Any] = json.loads(data).get("config") or {}
    except (ValueError, AttributeError):
        raise no_registry(at, location) from None
    return found


async def platform_digest(
    reference: str,
    digest: str | None,
    platform: str,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
    *,
    timeout_seconds: float = math.inf,
) -> str:
    """The digest of an image's manifest for one platform, which may be another than that of its index.

    Raises as :func:`resolve_digest`.
    """
    at, location = evolve(Reference.parse(reference), digest=digest), f"base {reference}"
    with RegistryClient(policy) as client:
        found = await _get(client, at, location, on_event, timeout_seconds)
    return variant(found.document, platform, location) if "manifests" in found.document else found.digest


def variant(index: Mapping[str, Any], platform: str, location: str) -> str:
    """The digest that an index has for a platform."""
    for each in index["manifests"]:
        has = each.get("platform", {})
        if [has.get("os"), has.get("architecture")] == platform.split("/")[:2]:
            return str(each["digest"])
    raise BuildError(f"the image has no variant for {platform}", location=location)


def platforms_of(index: Mapping[str, Any]) -> tuple[str, ...]:
    """The systems and architectures of an index's images, each once; attestations are none."""
    found = [each.get("platform", {}) for each in index["manifests"]]
    return tuple(
        dict.fromkeys(
            f"{each['os']}/{each['architecture']}" for each in found if each.get("os", "unknown") != "unknown"
        )
    )


async def manifest_layers(
    reference: str, digest: str, on_event: OnEvent = ignore, policy: Policy = DEFAULT
) -> tuple[str | None, tuple[Layer, ...]]:
    """Config digest and layers of a pushed image; nothing where this machine cannot ask the registry."""
    try:
        at = evolve(Reference.parse(reference), digest=digest)
        with RegistryClient(policy) as client:
            found = await _get(client, at, reference, on_event, policy.lookup_timeout_seconds)
        manifest = found.document
        layers = tuple(Layer(each["digest"], each["size"]) for each in manifest["layers"])
        return manifest["config"]["digest"], layers
    except (DaggerAmlError, KeyError):
        return None, ()


async def download(
    reference: str, platform: str, folder: Path, on_event: OnEvent = ignore, policy: Policy = DEFAULT
) -> None:
    """Write an image to a folder as an OCI layout that holds it alone; each file is held against its digest.

    :param folder: exists and is empty.
    :raises BuildError: no such image, none for the platform, or a blob that is not what its digest says.
    :raises RegistryDenied: 401 or 403. :raises TransientError: unreachable or busy.
    """
    at, location = Reference.parse(reference), f"image {reference}"
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    with RegistryClient(policy) as client:
        manifest = await _get(client, at, location, on_event)
        (blobs / manifest.digest[7:]).write_bytes(manifest.raw)
        if "manifests" in manifest.document:
            own = variant(manifest.document, platform, location)
            manifest = await _get(client, evolve(at, digest=own), location, on_event)
            (blobs / manifest.digest[7:]).write_bytes(manifest.raw)
        document = manifest.document
        for digest in dict.fromkeys(each["digest"] for each in (document["config"], *document["layers"])):
            question = partial(_save, client, at, digest, blobs, location)
            await ask(client, question, on_event, host=at.host, location=location)
    kind = document.get("mediaType", "application/vnd.oci.image.manifest.v1+json")
    described = {"mediaType": kind, "digest": manifest.digest, "size": len(manifest.raw)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (folder / "oci-layout").write_bytes(LAYOUT)


@frozen
class Partly:
    """An image of which the small layers are here.

    :param digest: of its manifest.
    :param config: its config document, and ``config_digest`` its digest.
    :param layers: all of them, base first.
    :param files: the blob of each, held against its digest; None for one that is too large.
    """

    digest: str
    config: Mapping[str, Any] = field(repr=False)
    config_digest: str
    layers: tuple[BlobLayer, ...]
    files: tuple[Path | None, ...]

    @property
    def openers(self) -> tuple[Callable[[], IO[bytes]] | None, ...]:
        """What opens each blob; None for one that is too large."""
        return tuple(partial(_opened, file) if file else None for file in self.files)


def _opened(file: Path) -> IO[bytes]:
    return file.open("rb")


async def download_partly(
    reference: Reference,
    platform: str,
    folder: Path,
    most_bytes: int,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> Partly:
    """The config of an image and its layers of at most ``most_bytes``, each a file of the folder.

    Raises as :func:`download`.

    :raises ImageError: manifest and config do not fit each other.
    """
    at, location = reference, f"image {reference}"
    with RegistryClient(policy) as client:
        found = await _of_platform(client, at, platform, location, on_event)
        manifest = found.document
        try:
            own = str(manifest["config"]["digest"])
            question = partial(client.verified_blob, at, own, location=location)
            config = json.loads(await ask(client, question, on_event, host=at.host, location=location))
        except (KeyError, TypeError, ValueError, RecursionError):
            raise no_registry(at, location) from None
        layers = layers_of(manifest, config)
        small = [each.size <= most_bytes for each in layers]
        for digest, size in {
            each.digest: each.size for each, is_small in zip(layers, small, strict=True) if is_small
        }.items():
            save = partial(_save, client, at, digest, folder, location, size)
            await ask(client, save, on_event, host=at.host, location=location)
    files = (folder / each.digest[7:] if is_small else None for each, is_small in zip(layers, small, strict=True))
    return Partly(found.digest, config, own, layers, tuple(files))


def _save(
    client: RegistryClient, at: Reference, digest: str, blobs: Path, location: str, size: int | None = None
) -> None:
    """Write a blob to a file named after its digest, a little in memory at a time.

    :param size: of it, where more is not to be taken.
    """
    new, total = blobs / "new", hashlib.sha256()
    with client.blob(at, digest, location=location) as stream, new.open("wb") as file:
        while data := stream.read(1 << 20):
            total.update(data)
            file.write(data)
            if size is not None and file.tell() > size:
                raise other_content(at, digest, location)
    if f"sha256:{total.hexdigest()}" != digest:
        raise other_content(at, digest, location)
    new.rename(blobs / digest[7:])


async def _of_platform(
    client: RegistryClient,
    at: Reference,
    platform: str,
    location: str,
    on_event: OnEvent,
    timeout_seconds: float = math.inf,
) -> Manifest:
    """The manifest of an image; where an index is named, of the one that it has for a platform."""
    found = await _get(client, at, location, on_event, timeout_seconds)
    if "manifests" not in found.document:
        return found
    own = evolve(at, digest=variant(found.document, platform, location))
    return await _get(client, own, location, on_event, timeout_seconds)


async def _get(
    client: RegistryClient, at: Reference, location: str, on_event: OnEvent, timeout_seconds: float = math.inf
) -> Manifest:
    """A manifest or an index."""
    question = partial(client.manifest, at, location=location)
    return await ask(client, question, on_event, timeout_seconds=timeout_seconds, host=at.host, location=location)
