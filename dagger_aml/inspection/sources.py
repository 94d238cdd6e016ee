"""Finding an image to look into: a tar or a layout of this machine, a local store, or a registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio

from ..backends.builders import BUILDERS, kind_of
from ..backends.local.stores import find_stored, not_in_stores
from ..check.inputs.image_read import MOST_FETCHED
from ..check.inputs.names import IN_REGISTRY
from ..errors import ProjectError, UsageError
from ..events import OnEvent, ignore
from ..fs.lookup import is_file, is_there
from ..fs.temporary import temporary_directory
from ..graph.base import ARCHIVES, DEFAULT_PLATFORM, From
from ..oci import layout
from ..oci.archive import the_image
from ..oci.image import found_in
from ..oci.reference import Reference, is_written_as_path
from ..oci.registry import download_partly
from ..policy import DEFAULT, Policy
from .layers import Blob
from .model import Inspection
from .read import Found, inspected


async def inspect(
    image: str | os.PathLike[str],
    *,
    platform: str = DEFAULT_PLATFORM,
    store: str | None = None,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> Inspection:
    """Look into a finished image, whoever made it: nothing is run, and no builder is opened.

    Of an image in a registry, layers larger than 64 MiB stay there; their :attr:`~.InspectedLayer.read` is false, and
    what only their files tell is None.

    :param image: a tar, an OCI layout, ``oci:FOLDER[:TAG]`` and the like, a name, an ID, ``image:NAME`` of a
        registry.
    :param platform: ``linux/arm64``, of an image for several.
    :param store: the one to look into, ``docker``; by default, for a name without a host, all that are here, then
        the registry.
    :param on_event: told when a registry is asked again.
    :raises UsageError: no such file, an ID that no store has, or no such store.
    :raises GraphError: not a name. :raises ProjectError: a pipe or a device.
    :raises BaseError: not an image, several, or none for the platform.
    :raises BuildError: no such image. :raises RegistryDenied: 401 or 403.
    :raises TransientError: the registry is unreachable or busy.
    :raises DaggerAmlError: a layer cannot be read, or the store's program is not there.
    """
    what = os.fspath(image)
    base = _here(what, platform) if store is None else None
    if base:
        return await anyio.to_thread.run_sync(partial(_of_file, base, what, "file"))
    if store is None and not what.startswith(IN_REGISTRY):
        stored = await find_stored(what, policy)
        store = stored.store if stored else None
    if store:
        return await _of_store(what, platform, store, on_event, policy)
    return await _of_registry(what, platform, on_event, policy)


def _here(what: str, platform: str) -> From | None:
    """The image of a file or a folder; None where the word is a name.

    :raises UsageError: no such file, or a folder that is no image. Others as :func:`inspect`.
    """
    path = Path(what)
    if what.partition(":")[0] in ARCHIVES and not path.exists():
        return layout.base(what, platform, Path())
    if is_there(path):
        if path.is_dir() and not (path / "oci-layout").is_file():
            raise UsageError(
                "the folder is not an OCI layout",
                location=what,
                hint="Name an image, a tar or a layout. To see what a project becomes: dagger-aml plan PROJECT.",
            )
        if not path.is_dir() and not is_file(path):
            raise ProjectError("is a pipe or a device", location=what)
        return found_in(path, platform)
    if is_written_as_path(what):
        raise UsageError("there is no such folder or file", location=what)
    return None


def _of_file(base: From, what: str, place: str) -> Inspection:
    with _found(base, what, place) as found:
        return inspected(found)


@contextmanager
def _found(base: From, what: str, place: str) -> Iterator[Found]:
    """An image of a tar or a layout, whose layers can be opened within the block."""
    with the_image(base) as (files, image):
        ids = [str(each) for each in image.details["rootfs"]["diff_ids"]]
        blobs = tuple(
            Blob(diff_id, _blob_digest(name), files.size(name), partial(files.open, name))
            for name, diff_id in zip(image.layers, ids, strict=True)
        )
        yield Found(what, place, image.digest, image.config["digest"], image.details, blobs)


def _blob_digest(name: str) -> str | None:
    """The digest of a layer's file, which a layout names after it."""
    folder, _, digits = name.rpartition("/")
    return f"sha256:{digits}" if folder == "blobs/sha256" else None


async def _of_store(what: str, platform: str, store: str, on_event: OnEvent, policy: Policy) -> Inspection:
    from ..backends.local.find import local_builder

    own = [name for name in BUILDERS if kind_of(name).capabilities.own_store]
    if store not in own:
        raise UsageError(f"no store of images: {store!r}", hint=f"Use {' or '.join(own)}.")
    with temporary_directory() as work:
        tar = work / "image.tar"
        await local_builder(store, on_event=on_event, policy=policy).save(what, tar)
        base = await anyio.to_thread.run_sync(found_in, tar, platform)
        return await anyio.to_thread.run_sync(_of_file, base, what, store)


async def _of_registry(what: str, platform: str, on_event: OnEvent, policy: Policy) -> Inspection:
    reference = Reference.parse(what.removeprefix(IN_REGISTRY), "the image")
    with temporary_directory() as work:
        with not_in_stores(reference.canonical if what.startswith(IN_REGISTRY) else what):
            partly = await download_partly(reference, platform, work, MOST_FETCHED, on_event, policy)
        blobs = tuple(
            Blob(layer.diff_id, layer.digest, layer.size, opens)
            for layer, opens in zip(partly.layers, partly.openers, strict=True)
        )
        found = Found(what, "registry", partly.digest, partly.config_digest, partly.config, blobs)
        return await anyio.to_thread.run_sync(inspected, found)
