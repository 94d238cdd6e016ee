"""Images that lie on this machine: an OCI layout, a tar of one, or a tar in Docker's form.

For sites where no registry can be reached. ``skopeo copy``, ``podman save``, ``buildah push``, ``docker save`` and
``dagger-aml build -o`` write them. Manifests and configs are read here and held against their digests; layers are
only passed on, and who unpacks them checks them. Nothing here touches the network.

Sources: the OCI image layout specification 1.1 (``index.json``, ``blobs``, the annotation ``…ref.name``), the
transports ``oci:``, ``oci-archive:`` and ``docker-archive:`` as skopeo and podman know them, ``docker save``'s
``manifest.json``.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from attrs import evolve

from ..errors import UsageError
from ..graph.base import Archive, From
from ..text import expanded
from .archive import find, opened_archive, the_image
from .blobs import CONTAINERD_NAME, LAYOUT, REF_NAME, add, index_of


def base(text: str, platform: str, folder: Path) -> From:
    """Read ``oci:FOLDER[:TAG]``, ``oci-archive:FILE[:TAG]`` or ``docker-archive:FILE``.

    :param folder: what a relative path is relative to.
    :raises UsageError: no such folder or file.
    :raises BaseError: not an image, several of them, no such tag, none for the platform, or a digest that is not met.
    """
    kind, _, rest = text.partition(":")
    path, tag = _split(kind, rest, folder)
    archive = Archive(cast(Any, kind), str(path), tag, "")
    with opened_archive(archive) as files:
        image = find(files, platform)
    return From(image.name, image.digest, platform, evolve(archive, image_id=image.config["digest"]))


def config(base: From) -> dict[str, Any]:
    """The ``config`` object of the image's config: User, Env, OnBuild, Volumes, …

    :raises BaseError: the folder or tar has changed since the base was read.
    """
    with the_image(base) as (_, image):
        found: dict[str, Any] = image.details.get("config") or {}
        return found


@contextmanager
def opened(base: From) -> Iterator[tuple[Mapping[str, Any], tuple[Callable[[], IO[bytes]], ...]]]:
    """The image's config document, and what opens each of its layers, lowest first.

    :raises BaseError: the folder or tar has changed since the base was read.
    """
    with the_image(base) as (files, image):
        yield image.details, tuple(partial(files.open, name) for name in image.layers)


def whole_tar(base: From) -> Path | None:
    """The tar itself, where it holds this image and no other; else None."""
    with the_image(base) as (files, image):
        archive = files.archive
        if archive.kind == "oci":
            return None
        alone = archive.kind == "docker-archive" or [each["digest"] for each in files.listed()] == [image.digest]
        return Path(archive.path) if alone else None


def write_layout(base: From, folder: Path) -> None:
    """Make a folder an OCI layout of this one image, tagged ``base``; blobs of a folder are linked, not copied.

    :param folder: exists and is empty.
    :raises BaseError: the image has changed, or is in Docker's form and so has no manifest.
    """
    with the_image(base) as (files, image):
        if image.manifest is None:
            raise files.broken("it is in Docker's format")
        (folder / "blobs/sha256").mkdir(parents=True)
        for name in image.files:
            files.give(name, folder / name)
        (folder / "index.json").write_bytes(index_of(image.manifest, {REF_NAME: "base"}))
        (folder / "oci-layout").write_bytes(LAYOUT)


def write_tar(base: From, path: Path, name: str | None = None) -> None:
    """Write a tar of this one image that ``docker load`` and Dagger's import take, a little in memory at a time.

    It has Docker's ``manifest.json``, and OCI's ``index.json`` too if the image has a manifest. The same image gives
    the same bytes.

    :param name: what ``docker load`` calls it.
    :raises BaseError: the image has changed.
    """
    with the_image(base) as (files, image), tarfile.open(path, "w") as tar:
        for each in image.files:
            member = tarfile.TarInfo(each)
            member.size = files.size(each)
            with files.open(each) as source:
                tar.addfile(member, source)
        named = {"Config": image.config["file"], "RepoTags": [name] if name else [], "Layers": list(image.layers)}
        add(tar, "manifest.json", json.dumps([named]).encode())
        if image.manifest:
            add(tar, "oci-layout", LAYOUT)
            add(tar, "index.json", index_of(image.manifest, {CONTAINERD_NAME: name} if name else {}))


def _split(kind: str, rest: str, folder: Path) -> tuple[Path, str | None]:
    """Path and tag. A colon may stand in a name that exists; else the first one ends the path, as for skopeo."""
    for cut in (len(rest), *(match.start() for match in re.finditer(":", rest))):
        path, tag = folder / expanded(rest[:cut]), rest[cut + 1 :]
        if not rest[:cut] or not path.exists():
            continue
        if path.is_dir() != (kind == "oci"):
            is_now, other = ("folder", "oci:") if path.is_dir() else ("file", "oci-archive: or docker-archive:")
            raise UsageError(f"{path} is a {is_now}, but {kind}: is not for a {is_now}", hint=f"Use {other}.")
        if cut < len(rest) and (not tag or kind == "docker-archive"):
            raise UsageError(f"{kind}:{rest} ends in a tag that is not allowed", hint=f"Use {kind}:{rest[:cut]}.")
        return path.resolve(), tag or None
    raise UsageError(
        f"there is no such {'folder' if kind == 'oci' else 'file'}: {folder / rest.partition(':')[0]}",
        hint="A relative path starts at the working directory or, if it is in a project file, at that file's folder.",
    )
