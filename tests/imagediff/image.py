"""Reading an image: archives of docker, podman, buildah, skopeo and Dagger, and OCI layout folders."""

import contextlib
import functools
import json
import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .layer import ImageError, Layer, Node, flatten, read_layer

__all__ = ["Image", "ImageError", "read_image"]


@dataclass(frozen=True)
class Image:
    """An image: its files, all layers applied, and what its config says.

    `config` has one entry a value, named `user`, `workdir`, `platform`, `cmd`, `entrypoint`, `healthcheck`,
    `env NAME`, `label NAME`, `port 5001/tcp`, `volume PATH`; what is not said is not in it.
    """

    files: dict[str, Node]
    config: dict[str, str]
    tags: tuple[str, ...] = ()
    layers: int = 0


def read_image(path: Path | str) -> Image:
    """Read an image from an archive or an OCI layout folder.

    :raises ImageError: not an image, of several platforms, damaged, or with layers compressed with zstd.
    """
    with _opened(Path(path)) as store:
        if store.has("manifest.json"):
            config_name, layer_names, tags = _of_docker(store)
        elif store.has("index.json"):
            config_name, layer_names, tags = _of_oci(store)
        else:
            raise ImageError(f"{path}: neither manifest.json nor index.json is in it")
        config = store.json(config_name)
        digests = config["rootfs"]["diff_ids"]
        if len(digests) != len(layer_names):
            raise ImageError(f"{path}: {len(layer_names)} layers, and the config has {len(digests)}")
        layers = (_layer(store, name, digest) for name, digest in zip(layer_names, digests, strict=True))
        return Image(flatten(layers), _config(config), tags, len(digests))


# --- the two forms ------------------------------------------------------------------------------------------------


def _of_docker(store: "_Store") -> tuple[str, list[str], tuple[str, ...]]:
    images = store.json("manifest.json")
    if len(images) != 1:
        raise ImageError(f"{store.path}: {len(images)} images in one archive")
    return images[0]["Config"], images[0]["Layers"], tuple(images[0].get("RepoTags") or ())


def _of_oci(store: "_Store") -> tuple[str, list[str], tuple[str, ...]]:
    found = store.json("index.json")
    tags: tuple[str, ...] = ()
    while "manifests" in found:
        images = [each for each in found["manifests"] if "attestation" not in str(each.get("annotations"))]
        if len(images) != 1:
            raise ImageError(f"{store.path}: {len(images)} images in one index")
        name = images[0].get("annotations", {}).get("org.opencontainers.image.ref.name")
        tags = (name,) if name else tags
        found = store.json(_blob(images[0]))
    return _blob(found["config"]), [_blob(layer) for layer in found["layers"]], tags


def _blob(descriptor: dict[str, Any]) -> str:
    algorithm, _, value = str(descriptor["digest"]).partition(":")
    return f"blobs/{algorithm}/{value}"


# --- layers and config --------------------------------------------------------------------------------------------

_SEEN: dict[str, Layer] = {}
"""Layers by the digest of their bytes: images that are compared share their base."""


def _layer(store: "_Store", name: str, digest: str) -> Layer:
    if digest not in _SEEN:
        with store.open(name) as stream:
            layer, found = read_layer(stream)
        if found != digest:
            raise ImageError(f"{store.path}: {name} has the digest {found}, and the config says {digest}")
        _SEEN[digest] = layer
    return _SEEN[digest]


def _config(document: dict[str, Any]) -> dict[str, str]:
    said = document.get("config") or {}
    found = {
        "user": said.get("User") or "",
        "workdir": said.get("WorkingDir") or "/",
        "platform": f"{document.get('os')}/{document.get('architecture')}",
        "stop signal": said.get("StopSignal") or "",
    }
    for key, name in (("Cmd", "cmd"), ("Entrypoint", "entrypoint"), ("Healthcheck", "healthcheck")):
        if said.get(key):
            found[name] = json.dumps(said[key])
    found |= {f"onbuild {index}": text for index, text in enumerate(said.get("OnBuild") or ())}
    for text in said.get("Env") or ():
        name, _, value = text.partition("=")
        found[f"env {name}"] = value
    found |= {f"label {name}": value for name, value in (said.get("Labels") or {}).items()}
    found |= {f"port {port}": "yes" for port in said.get("ExposedPorts") or ()}
    found |= {f"volume {path}": "yes" for path in said.get("Volumes") or ()}
    return found


# --- where the parts lie ------------------------------------------------------------------------------------------


class _Store:
    """The named parts of an archive or a folder."""

    path: Path

    def has(self, name: str) -> bool:
        raise NotImplementedError

    def open(self, name: str) -> IO[bytes]:
        raise NotImplementedError

    def json(self, name: str) -> Any:
        with self.open(name) as stream:
            try:
                return json.load(stream)
            except ValueError as error:
                raise ImageError(f"{self.path}: {name} is no JSON: {error}") from None


class _Folder(_Store):
    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def open(self, name: str) -> IO[bytes]:
        try:
            return (self.path / name).open("rb")
        except OSError as error:
            raise ImageError(f"{self.path}: {name}: {error.strerror}") from None


class _Archive(_Store):
    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self.path, self._tar = path, tar

    @functools.cached_property
    def _members(self) -> dict[str, tarfile.TarInfo]:
        return {posixpath.normpath(member.name): member for member in self._tar}

    def has(self, name: str) -> bool:
        return name in self._members

    def open(self, name: str) -> IO[bytes]:
        """Open a part; docker's archives may have a link for a layer that they hold already."""
        member = self._members.get(posixpath.normpath(name))
        if member and member.issym():
            return self.open(posixpath.join(posixpath.dirname(member.name), member.linkname))
        if member and member.islnk():
            return self.open(member.linkname)
        stream = member and self._tar.extractfile(member)
        if not stream:
            raise ImageError(f"{self.path}: {name} is missing")
        return stream


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Store]:
    if path.is_dir():
        yield _Folder(path)
        return
    try:
        with tarfile.open(path, "r:") as tar:
            yield _Archive(path, tar)
    except (OSError, tarfile.TarError) as error:
        raise ImageError(f"{path}: {error}") from error
