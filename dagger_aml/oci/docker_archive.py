"""What a tar of an image says of itself, giving it names, and turning what docker saves into an OCI layout."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import BuildError
from .blobs import CONTAINERD_NAME, LAYOUT, REF_NAME, ImageFiles, add, blob_name, digest_of, plain
from .model import Layer
from .reference import Reference

_OCI = "application/vnd.oci.image"


def read_tar(path: Path) -> tuple[str | None, str | None, tuple[Layer, ...]]:
    """Manifest digest, config digest and layers of a tar written by Dagger, docker, podman or buildah.

    A tar in Docker's form only has no manifest digest: None. Of an index only the digest is told.

    :raises BuildError: not an image.
    """
    try:
        with tarfile.open(path) as tar:
            files = ImageFiles(path, tar)
            if "index.json" in files:
                described = json.loads(files.read("index.json"))["manifests"][0]
                manifest = json.loads(files.read(blob_name(described["digest"])))
                if "manifests" in manifest:
                    return described["digest"], None, ()
                layers = tuple(Layer(each["digest"], each["size"]) for each in manifest["layers"])
                return described["digest"], manifest["config"]["digest"], layers
            described = json.loads(files.read("manifest.json"))[0]
            image_id = "sha256:" + Path(described["Config"]).stem
            diff_ids = json.loads(files.read(plain(described["Config"])))["rootfs"]["diff_ids"]
            sizes = [files.size(plain(name)) for name in described["Layers"]]
            return None, image_id, tuple(Layer(*pair) for pair in zip(diff_ids, sizes, strict=True))
    except (OSError, tarfile.TarError, KeyError, IndexError, ValueError, AssertionError) as error:
        raise BuildError(f"the tar is not an image ({error})", location=f"export {path}") from None


def name_in_tar(tar: Path, references: Sequence[str], *, docker: bool = True) -> None:
    """Give the one image of a tar its names, in place.

    What names it stands behind the layers, in the tars of all builders; from there on the tar is written anew.

    :param docker: whether to keep what makes an OCI layout a tar for ``docker load`` too.
    """
    names = [Reference.parse(reference).canonical for reference in references]
    with tarfile.open(tar) as archive:
        members = archive.getmembers()
        first = min(index for index, each in enumerate(members) if each.name in ("index.json", "manifest.json"))
        kept = [(each, _content(archive, each)) for each in members[first:]]
        start = members[first].offset
    with tar.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        with tarfile.open(fileobj=file, mode="w") as archive:
            for member, content in kept:
                if member.name == "manifest.json" and not docker:
                    continue
                named = _named(member.name, content, names)
                member.size = len(named)
                archive.addfile(member, io.BytesIO(named))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isfile() else None
    return file.read() if file else b""


def _named(name: str, content: bytes, names: list[str]) -> bytes:
    if not names:
        return content
    if name == "manifest.json":
        described = json.loads(content)
        described[0]["RepoTags"] = names
        return json.dumps(described).encode()
    if name == "index.json":
        index = json.loads(content)
        index["manifests"] = _under(index["manifests"][0], names)
        return json.dumps(index).encode()
    return content


def _under(image: dict[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """An image's descriptor once for each name; as it is where there is none."""
    return [
        {
            **image,
            "annotations": {
                **image.get("annotations", {}),
                CONTAINERD_NAME: each,
                REF_NAME: each.rpartition(":")[2],
            },
        }
        for each in names
    ] or [image]


def write_layout(saved: Sequence[Path], layout: Path, references: Sequence[str]) -> None:
    """Write tars, each as ``docker save`` writes one image, as one OCI layout tar: of several, an index.

    The config stays as it is, so the image's ID does too; layers stay uncompressed.

    :raises BuildError: a tar is not an image.
    """
    names = [Reference.parse(reference).canonical for reference in references]
    try:
        with tarfile.open(layout, "w") as made:
            written: set[str] = set()
            images = [_moved(tar, made, written) for tar in saved]
            if len(images) > 1:
                index = {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": images}
                images = [_put(made, written, json.dumps(index).encode(), "index.v1+json")]
            top = {
                "schemaVersion": 2,
                "mediaType": f"{_OCI}.index.v1+json",
                "manifests": _under(images[0], names),
            }
            add(made, "index.json", json.dumps(top).encode())
            add(made, "oci-layout", LAYOUT)
    except (tarfile.TarError, KeyError, IndexError, ValueError, AssertionError) as error:
        raise BuildError(f"the saved archive is not an image ({error})", location=f"export {layout}") from None


def _moved(saved: Path, made: tarfile.TarFile, written: set[str]) -> dict[str, Any]:
    """Put one image's blobs into a layout; its manifest's descriptor, with the platform."""
    with tarfile.open(saved) as tar:
        files = ImageFiles(saved, tar)
        described = json.loads(files.read("manifest.json"))[0]
        config = files.read(plain(described["Config"]))
        says = json.loads(config)
        layers = [
            _move(files, plain(name), made, written, digest)
            for name, digest in zip(described["Layers"], says["rootfs"]["diff_ids"], strict=True)
        ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _put(made, written, config, "config.v1+json"),
        "layers": layers,
    }
    platform = {key: says[key] for key in ("os", "architecture", "variant") if says.get(key)}
    return {**_put(made, written, json.dumps(manifest).encode(), "manifest.v1+json"), "platform": platform}


def _move(files: ImageFiles, name: str, made: tarfile.TarFile, written: set[str], diff_id: str) -> dict[str, Any]:
    """Put one layer into a layout. Its digest is the config's, unless it is compressed."""
    digest, kind, source, size = diff_id, "layer.v1.tar", files.open(name), files.size(name)
    if source.read(2) == b"\x1f\x8b":
        source.seek(0)
        hashed = hashlib.sha256()
        for part in iter(partial(source.read, 1 << 20), b""):
            hashed.update(part)
        digest, kind = f"sha256:{hashed.hexdigest()}", "layer.v1.tar+gzip"
    source.seek(0)
    if digest not in written:
        written.add(digest)
        entry = tarfile.TarInfo(blob_name(digest))
        entry.size = size
        made.addfile(entry, source)
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": size}


def _put(made: tarfile.TarFile, written: set[str], data: bytes, kind: str) -> dict[str, Any]:
    digest = digest_of(data)
    if digest not in written:
        written.add(digest)
        add(made, blob_name(digest), data)
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest, "size": len(data)}


def unpack_layout(tar: Path, folder: Path) -> None:
    """Write the parts of an OCI layout tar to a folder, made here; folders 0755 and files 0644 as the umask lets."""
    with tarfile.open(tar) as archive:
        for member in archive:
            if member.isfile() and re.fullmatch(r"oci-layout|index\.json|blobs/sha256/[0-9a-f]{64}", member.name):
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                source = archive.extractfile(member)
                assert source is not None
                with path.open("xb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
