"""Finding an image of a platform in a folder or a tar of this machine, and holding it against its digests."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field

from ..data import frozen
from ..errors import BaseError, GraphError, UsageError
from ..graph.base import Archive, From
from ..graph.checks import parse_reference
from .blobs import CONTAINERD_NAME, DEEPEST, REF_NAME, ImageFiles, blob_name, digest_of, plain

_MADE_BY = {
    "oci": "skopeo copy docker://NAME:TAG oci:FOLDER:TAG",
    "oci-archive": "skopeo copy docker://NAME:TAG oci-archive:FILE:TAG",
    "docker-archive": "docker save -o FILE NAME:TAG",
}


_MOST_BYTES = 16 * 1024 * 1024
"""Of an index, a manifest or a config; registries take 4 MiB."""


class ArchiveFiles(ImageFiles):
    """The files of an image that lies on this machine; each error about them names the folder or tar."""

    def __init__(self, archive: Archive, tar: tarfile.TarFile | None = None) -> None:
        super().__init__(Path(archive.path), tar)
        self.archive = archive

    def read(self, name: str) -> bytes:
        """A file's bytes.

        :raises BaseError: they are more than a document has.
        """
        if self.size(name) > _MOST_BYTES:
            raise self.broken(f"{name} is larger than {_MOST_BYTES:,} bytes")
        return super().read(name)

    def listed(self) -> list[Any]:
        """What the folder's or tar's own list names: descriptors, or Docker's entries."""
        name = "manifest.json" if self.archive.kind == "docker-archive" else "index.json"
        read = json.loads(self.read(name))
        found = read if name == "manifest.json" else read["manifests"]
        if not isinstance(found, list) or not found:
            raise self.broken(f"{name} lists no image")
        return found

    def described(self, descriptor: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that a descriptor names, if it has its digest."""
        name = blob_name(descriptor["digest"])
        data = self.read(name)
        if digest_of(data) != descriptor["digest"]:
            raise self.broken(f"the digest of {name} does not match its name")
        found: dict[str, Any] = json.loads(data)
        return found

    def broken(self, why: str) -> BaseError:
        """The error for a folder or tar that is not what it should be."""
        kind = self.archive.kind
        message = f"{self.archive.path} is not an image that {kind}: can read: {why}"
        return BaseError(message, hint=f"Write it with: {_MADE_BY[kind]}")


@contextmanager
def opened_archive(archive: Archive) -> Iterator[ArchiveFiles]:
    """The files; whatever is wrong with them becomes an error that names the folder or tar."""
    files = ArchiveFiles(archive)
    try:
        if archive.kind == "oci":
            yield files
            return
        with tarfile.open(archive.path, "r:") as tar:
            yield ArchiveFiles(archive, tar)
    except KeyError as error:
        raise files.broken(f"it has no {error.args[0]}") from None
    except tarfile.TarError:
        raise files.broken("it is not a tar, or it is incomplete or compressed (run gunzip on it)") from None
    except (ValueError, TypeError, AttributeError, EOFError):
        raise files.broken("its content does not follow the specification") from None
    except OSError as error:
        raise UsageError(f"{archive.path} cannot be read ({error.strerror or error})") from None


@frozen
class FoundImage:
    """One image.

    :param manifest: its descriptor; None in Docker's form, which has none.
    :param config: the descriptor's digest, and the name of the ``file``.
    :param layers: names of their files, lowest first.
    :param details: the config's content.
    """

    name: str
    manifest: Mapping[str, Any] | None
    config: Mapping[str, str]
    layers: tuple[str, ...]
    details: Mapping[str, Any] = field(repr=False)

    @property
    def digest(self) -> str | None:
        return self.manifest["digest"] if self.manifest else None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all its files, each once."""
        own = [blob_name(self.manifest["digest"])] if self.manifest else []
        return tuple(dict.fromkeys((*own, self.config["file"], *self.layers)))


@contextmanager
def the_image(base: From) -> Iterator[tuple[ArchiveFiles, FoundImage]]:
    """The very image that a base was read as.

    :raises BaseError: another one lies there now.
    """
    assert base.archive, "a base image on this machine"
    with opened_archive(base.archive) as files:
        image = find(files, base.platform)
        if (image.digest, image.config["digest"]) != (base.digest, base.archive.image_id):
            raise BaseError(f"{base.archive.path} now contains a different image", hint="Run the same command again.")
        yield files, image


def platforms(archive: Archive) -> tuple[str, ...]:
    """The systems and architectures of all images that are called as an archive's one, which is that of its tag if it
    has one; none in Docker's form, which holds one image of each name.

    :raises BaseError: the folder or tar has changed since the base was read.
    """
    if archive.kind == "docker-archive":
        return ()
    with opened_archive(archive) as files:
        of = {
            each.config["digest"]: (_names(top), "/".join(_platform(each.details).split("/")[:2]))
            for top in files.listed()
            if archive.tag is None or archive.tag in _names(top)
            for each in _images(files, top, _names(top), DEEPEST)
        }
    called = next((names for digest, (names, _) in of.items() if digest == archive.image_id), ())
    return tuple(dict.fromkeys(platform for names, platform in of.values() if names == called))


def find(files: ArchiveFiles, platform: str) -> FoundImage:
    """The one image for a platform that a tar or a layout holds, of those that its tag names.

    :raises BaseError: none, or several.
    """
    archive = files.archive
    listed, tag = files.listed(), archive.tag
    if archive.kind == "docker-archive":
        if len(listed) > 1:
            raise BaseError(
                f"{archive.path} holds {len(listed)} images",
                hint="Extract one image, for example: skopeo copy docker-archive:FILE:NAME:TAG oci:FOLDER:TAG.",
            )
        images = [_docker_image(files, listed[0])]
    else:
        tops = [each for each in listed if tag is None or tag in _names(each)]
        tags = ", ".join(sorted({name for each in listed for name in _names(each)})) or "none"
        if not tops:
            raise BaseError(f"{archive.path} has no image tagged {tag}", hint=f"Tags in it: {tags}.")
        images = [each for top in tops for each in _images(files, top, _names(top), DEEPEST)]
    suited = {each.config["digest"]: each for each in images if _suits(each.details, platform)}
    if not suited:
        others = ", ".join(sorted({_platform(each.details) for each in images})) or "no platform at all"
        raise BaseError(f"{archive.path} has no image for {platform}", hint=f"It has: {others}.")
    if len(suited) > 1:
        raise BaseError(
            f"{archive.path} holds {len(suited)} images for {platform}",
            hint=f"Choose one: add a colon and a tag. Tags in it: {tags}.",
        )
    return next(iter(suited.values()))


def _images(
    files: ArchiveFiles, descriptor: Mapping[str, Any], names: Iterable[str], deepest: int
) -> Iterator[FoundImage]:
    """Every image below one descriptor of an index, however deep; attestations are none."""
    if descriptor.get("platform", {}).get("os") == "unknown":
        return
    document = files.described(descriptor)
    if "manifests" in document:
        if not deepest:
            raise files.broken("its indexes are nested too deeply")
        for each in document["manifests"]:
            yield from _images(files, each, names, deepest - 1)
        return
    config = document["config"]
    for each in document["layers"]:
        if files.size(blob_name(each["digest"])) != each["size"]:
            raise files.broken(f"the size of {blob_name(each['digest'])} does not match its manifest")
    layers = tuple(blob_name(each["digest"]) for each in document["layers"])
    own = {key: descriptor[key] for key in ("mediaType", "digest", "size")}
    described = {"digest": config["digest"], "file": blob_name(config["digest"])}
    yield FoundImage(image_name(files.archive, names), own, described, layers, files.described(config))


def _docker_image(files: ArchiveFiles, entry: Mapping[str, Any]) -> FoundImage:
    file, layers = plain(entry["Config"]), tuple(plain(name) for name in entry["Layers"])
    data = files.read(file)
    for each in layers:
        files.size(each)
    name = image_name(files.archive, entry.get("RepoTags") or ())
    return FoundImage(name, None, {"digest": digest_of(data), "file": file}, layers, json.loads(data))


def _platform(details: Mapping[str, Any]) -> str:
    return "/".join(str(details[key]) for key in ("os", "architecture", "variant") if details.get(key))


def _suits(details: Mapping[str, Any], platform: str) -> bool:
    """Whether an image is for a platform; one that names no variant takes any."""
    its = _platform(details)
    return its == platform or its.startswith(f"{platform}/")


def _names(descriptor: Mapping[str, Any]) -> tuple[str, ...]:
    """What an index calls an image: its tag or whole name, as the program that wrote it sees it."""
    said = descriptor.get("annotations") or {}
    found = (said.get(REF_NAME), said.get(CONTAINERD_NAME))
    return tuple(dict.fromkeys(name for name in found if name))


def image_name(archive: Archive, names: Iterable[str]) -> str:
    """A reference to call an image by in labels: the whole name that it was written with, else one made of the
    folder's or file's own name and the tag; never a path of this machine."""
    tag = "latest"
    for each in sorted(names, key=lambda name: "/" not in name):
        try:
            name, its, _ = parse_reference(each if "/" in each else f"image:{each}")
        except GraphError:
            continue
        if "/" in each:
            return f"{name}:{its or 'latest'}"
        tag = its or tag
    stem = re.sub(r"\.tar\Z", "", Path(archive.path).name).lower()
    return f"{re.sub(r'[^a-z0-9]+', '-', stem).strip('-') or 'image'}:{tag}"
