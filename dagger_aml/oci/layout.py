"""Images that lie on this machine: an OCI layout, a tar of one, or a tar in Docker's form.

For sites where no registry can be reached. ``skopeo copy``, ``podman save``, ``buildah push``, ``docker save`` and
``dagger-aml build -o`` write them. Manifests and configs are read here and held against their digests; layers are
only passed on, and who unpacks them checks them. Nothing here touches the network.

Sources: the OCI image layout specification 1.1 (``index.json``, ``blobs``, the annotation ``…ref.name``), the
transports ``oci:``, ``oci-archive:`` and ``docker-archive:`` as skopeo and podman know them, ``docker save``'s
``manifest.json``.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from attrs import evolve, field, frozen

from ..errors import BaseError, GraphError, UsageError
from ..graph.base import Archive, From
from ..graph.checks import parse_reference
from ..text import expanded

_MADE_BY = {
    "oci": "skopeo copy docker://NAME:TAG oci:FOLDER:TAG",
    "oci-archive": "skopeo copy docker://NAME:TAG oci-archive:FILE:TAG",
    "docker-archive": "docker save -o FILE NAME:TAG",
}


_REF_NAME = "org.opencontainers.image.ref.name"


_CONTAINERD_NAME = "io.containerd.image.name"


_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'


_DIGEST = re.compile(r"sha256:([0-9a-f]{64})\Z")


_MOST_BYTES = 16 * 1024 * 1024
"""Of an index, a manifest or a config; registries take 4 MiB."""


_DEEPEST = 8
"""Indexes within indexes, links within links."""


def base(text: str, platform: str, folder: Path) -> From:
    """Read ``oci:FOLDER[:TAG]``, ``oci-archive:FILE[:TAG]`` or ``docker-archive:FILE``.

    :param folder: what a relative path is relative to.
    :raises UsageError: no such folder or file.
    :raises BaseError: not an image, several of them, no such tag, none for the platform, or a digest that is not met.
    """
    kind, _, rest = text.partition(":")
    path, tag = _split(kind, rest, folder)
    archive = Archive(cast(Any, kind), str(path), tag, "")
    with _opened(archive) as files:
        image = _find(files, platform)
    return From(image.name, image.digest, platform, evolve(archive, image_id=image.config["digest"]))


def config(base: From) -> dict[str, Any]:
    """The ``config`` object of the image's config: User, Env, OnBuild, Volumes, …

    :raises BaseError: the folder or tar has changed since the base was read.
    """
    with _image(base) as (_, image):
        found: dict[str, Any] = image.details.get("config") or {}
        return found


@contextmanager
def opened(base: From) -> Iterator[tuple[Mapping[str, Any], tuple[Callable[[], IO[bytes]], ...]]]:
    """The image's config document, and what opens each of its layers, lowest first.

    :raises BaseError: the folder or tar has changed since the base was read.
    """
    with _image(base) as (files, image):
        yield image.details, tuple(partial(files.open, name) for name in image.layers)


def whole_tar(base: From) -> Path | None:
    """The tar itself, where it holds this image and no other; else None."""
    with _image(base) as (files, image):
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
    with _image(base) as (files, image):
        if image.manifest is None:
            raise files.broken("it is in Docker's form")
        (folder / "blobs/sha256").mkdir(parents=True)
        for name in image.files:
            files.give(name, folder / name)
        (folder / "index.json").write_bytes(_index(image.manifest, {_REF_NAME: "base"}))
        (folder / "oci-layout").write_bytes(_LAYOUT)


def write_tar(base: From, path: Path, name: str | None = None) -> None:
    """Write a tar of this one image that ``docker load`` and Dagger's import take, a little in memory at a time.

    It has Docker's ``manifest.json``, and OCI's ``index.json`` too if the image has a manifest. The same image gives
    the same bytes.

    :param name: what ``docker load`` calls it.
    :raises BaseError: the image has changed.
    """
    with _image(base) as (files, image), tarfile.open(path, "w") as tar:
        for each in image.files:
            member = tarfile.TarInfo(each)
            member.size = files.size(each)
            with files.open(each) as source:
                tar.addfile(member, source)
        named = {"Config": image.config["file"], "RepoTags": [name] if name else [], "Layers": list(image.layers)}
        _add(tar, "manifest.json", json.dumps([named]).encode())
        if image.manifest:
            _add(tar, "oci-layout", _LAYOUT)
            _add(tar, "index.json", _index(image.manifest, {_CONTAINERD_NAME: name} if name else {}))


def _split(kind: str, rest: str, folder: Path) -> tuple[Path, str | None]:
    """Path and tag. A colon may stand in a name that exists; else the first one ends the path, as for skopeo."""
    for cut in (len(rest), *(match.start() for match in re.finditer(":", rest))):
        path, tag = folder / expanded(rest[:cut]), rest[cut + 1 :]
        if not rest[:cut] or not path.exists():
            continue
        if path.is_dir() != (kind == "oci"):
            is_now, other = ("folder", "oci:") if path.is_dir() else ("file", "oci-archive: or docker-archive:")
            raise UsageError(f"{path} is a {is_now}, which {kind}: is not for", do=f"Say {other}.")
        if cut < len(rest) and (not tag or kind == "docker-archive"):
            raise UsageError(f"{kind}:{rest} ends in a tag that cannot be", do=f"Say {kind}:{rest[:cut]}.")
        return path.resolve(), tag or None
    raise UsageError(
        f"there is no such {'folder' if kind == 'oci' else 'file'}: {folder / rest.partition(':')[0]}",
        do="A relative path starts at the working directory, or at the project's file that says it.",
    )


class _Files:
    """The files of a layout's folder or of a tar, by their names in it; a KeyError where there is none."""

    def __init__(self, archive: Archive, tar: tarfile.TarFile | None = None) -> None:
        self.archive = archive
        self.root = Path(archive.path)
        self.tar = tar
        self.members = {_plain(each.name): each for each in tar.getmembers()} if tar else {}

    def size(self, name: str) -> int:
        return self._member(name).size if self.tar else self._path(name).stat().st_size

    def open(self, name: str) -> IO[bytes]:
        if not self.tar:
            return self._path(name).open("rb")
        file = self.tar.extractfile(self._member(name))
        assert file is not None
        return file

    def give(self, name: str, dest: Path) -> None:
        """Put a file somewhere else: a link to it, out of a tar a copy."""
        if not self.tar:
            dest.symlink_to(self._path(name))
            return
        import shutil

        with self.open(name) as source, dest.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1024 * 1024)

    def read(self, name: str) -> bytes:
        if self.size(name) > _MOST_BYTES:
            raise self.broken(f"{name} is larger than {_MOST_BYTES:,} bytes")
        with self.open(name) as file:
            return file.read()

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
        name = _blob(descriptor["digest"])
        data = self.read(name)
        if _sha256(data) != descriptor["digest"]:
            raise self.broken(f"{name} has another digest than its name says")
        found: dict[str, Any] = json.loads(data)
        return found

    def broken(self, why: str) -> BaseError:
        """The error for a folder or tar that is not what it should be."""
        kind = self.archive.kind
        what = f"{self.archive.path} is not an image that {kind}: can name: {why}"
        return BaseError(what, do=f"Write it with: {_MADE_BY[kind]}")

    def _path(self, name: str) -> Path:
        path = self.root / name
        if not path.is_file():
            raise KeyError(name)
        return path.resolve()

    def _member(self, name: str) -> tarfile.TarInfo:
        """A layer that a tar of an older docker has twice is a link the second time."""
        for _ in range(_DEEPEST):
            member = self.members[name]
            if member.issym():
                name = _plain(f"{name.rpartition('/')[0]}/{member.linkname}")
            elif member.islnk():
                name = _plain(member.linkname)
            elif member.isfile():
                return member
            else:
                break
        raise KeyError(name)


@contextmanager
def _opened(archive: Archive) -> Iterator[_Files]:
    """The files; whatever is wrong with them becomes an error that names the folder or tar."""
    files = _Files(archive)
    try:
        if archive.kind == "oci":
            yield files
            return
        with tarfile.open(archive.path, "r:") as tar:
            yield _Files(archive, tar)
    except KeyError as error:
        raise files.broken(f"it has no {error.args[0]}") from None
    except tarfile.TarError:
        raise files.broken("it is not a tar, or it is cut off or compressed (gunzip it)") from None
    except (ValueError, TypeError, AttributeError, EOFError):
        raise files.broken("what stands in it is not what the specification says") from None
    except OSError as error:
        raise UsageError(f"{archive.path} cannot be read ({error.strerror or error})") from None


def _plain(name: str) -> str:
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _blob(digest: str) -> str:
    match = _DIGEST.match(digest)
    if not match:
        raise ValueError(digest)
    return f"blobs/sha256/{match[1]}"


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _index(descriptor: Mapping[str, Any], annotations: Mapping[str, str]) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": [{**descriptor, "annotations": dict(annotations)}]}).encode()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


@frozen
class _Found:
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
        own = [_blob(self.manifest["digest"])] if self.manifest else []
        return tuple(dict.fromkeys((*own, self.config["file"], *self.layers)))


@contextmanager
def _image(base: From) -> Iterator[tuple[_Files, _Found]]:
    """The very image that a base was read as.

    :raises BaseError: another one lies there now.
    """
    assert base.archive, "a base that lies on this machine"
    with _opened(base.archive) as files:
        image = _find(files, base.platform)
        if (image.digest, image.config["digest"]) != (base.digest, base.archive.image_id):
            raise BaseError(f"{base.archive.path} holds another image than before", do="Run the same command again.")
        yield files, image


def _find(files: _Files, platform: str) -> _Found:
    archive = files.archive
    listed, tag = files.listed(), archive.tag
    if archive.kind == "docker-archive":
        if len(listed) > 1:
            raise BaseError(
                f"{archive.path} holds {len(listed)} images",
                do="Take one out, as in: skopeo copy docker-archive:FILE:NAME:TAG oci:FOLDER:TAG.",
            )
        images = [_docker_image(files, listed[0])]
    else:
        tops = [each for each in listed if tag is None or tag in _names(each)]
        tags = ", ".join(sorted({name for each in listed for name in _names(each)})) or "none"
        if not tops:
            raise BaseError(f"{archive.path} has no image tagged {tag}", do=f"Tags in it: {tags}.")
        images = [each for top in tops for each in _images(files, top, _names(top), _DEEPEST)]
    suited = {each.config["digest"]: each for each in images if _suits(each.details, platform)}
    if not suited:
        others = ", ".join(sorted({_platform(each.details) for each in images})) or "no platform at all"
        raise BaseError(f"{archive.path} has no image for {platform}", do=f"It has: {others}.")
    if len(suited) > 1:
        raise BaseError(
            f"{archive.path} holds {len(suited)} images for {platform}",
            do=f"Say which, by a tag behind a colon. Tags in it: {tags}.",
        )
    return next(iter(suited.values()))


def _images(files: _Files, descriptor: Mapping[str, Any], names: Iterable[str], deepest: int) -> Iterator[_Found]:
    """Every image below one descriptor of an index, however deep; attestations are none."""
    if descriptor.get("platform", {}).get("os") == "unknown":
        return
    document = files.described(descriptor)
    if "manifests" in document:
        if not deepest:
            raise files.broken("its indexes do not end")
        for each in document["manifests"]:
            yield from _images(files, each, names, deepest - 1)
        return
    config = document["config"]
    for each in document["layers"]:
        if files.size(_blob(each["digest"])) != each["size"]:
            raise files.broken(f"{_blob(each['digest'])} has another size than its manifest says")
    layers = tuple(_blob(each["digest"]) for each in document["layers"])
    own = {key: descriptor[key] for key in ("mediaType", "digest", "size")}
    described = {"digest": config["digest"], "file": _blob(config["digest"])}
    yield _Found(_image_name(files.archive, names), own, described, layers, files.described(config))


def _docker_image(files: _Files, entry: Mapping[str, Any]) -> _Found:
    file, layers = _plain(entry["Config"]), tuple(_plain(name) for name in entry["Layers"])
    data = files.read(file)
    for each in layers:
        files.size(each)
    name = _image_name(files.archive, entry.get("RepoTags") or ())
    return _Found(name, None, {"digest": _sha256(data), "file": file}, layers, json.loads(data))


def _platform(details: Mapping[str, Any]) -> str:
    return "/".join(str(details[key]) for key in ("os", "architecture", "variant") if details.get(key))


def _suits(details: Mapping[str, Any], platform: str) -> bool:
    """Whether an image is for a platform; one that names no variant takes any."""
    its = _platform(details)
    return its == platform or its.startswith(f"{platform}/")


def _names(descriptor: Mapping[str, Any]) -> tuple[str, ...]:
    """What an index calls an image: its tag or whole name, as the program that wrote it sees it."""
    said = descriptor.get("annotations") or {}
    found = (said.get(_REF_NAME), said.get(_CONTAINERD_NAME))
    return tuple(dict.fromkeys(name for name in found if name))


def _image_name(archive: Archive, names: Iterable[str]) -> str:
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
