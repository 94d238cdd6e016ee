"""What a tar of an image says of itself, and giving it names."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import BuildError
from ..registry import Registry
from ..result import Layer


def read_tar(path: Path) -> tuple[str | None, str | None, tuple[Layer, ...]]:
    """Manifest digest, config digest and layers of a tar written by Dagger, docker, podman or buildah.

    A tar in Docker's form only has no manifest digest: None.

    :raises BuildError: not an image.
    """
    try:
        with tarfile.open(path) as tar:
            members = {member.name: member for member in tar}

            def load(name: str) -> Any:
                file = tar.extractfile(members[name])
                assert file is not None
                return json.load(file)

            if "index.json" in members:
                described = load("index.json")["manifests"][0]
                manifest = load(_blob(described["digest"]))
                layers = tuple(Layer(each["digest"], each["size"]) for each in manifest["layers"])
                return described["digest"], manifest["config"]["digest"], layers
            described = load("manifest.json")[0]
            image_id = "sha256:" + Path(described["Config"]).stem
            diff_ids = load(described["Config"])["rootfs"]["diff_ids"]
            sizes = [_size(tar, members, name) for name in described["Layers"]]
            return None, image_id, tuple(Layer(*pair) for pair in zip(diff_ids, sizes, strict=True))
    except (OSError, tarfile.TarError, KeyError, IndexError, ValueError, AssertionError) as error:
        raise BuildError(f"the tar is not an image ({error})", step=f"export {path}") from None


def _blob(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    return f"blobs/{algorithm}/{value}"


def _size(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str) -> int:
    """Bytes of a layer; a tar may hold a layer twice as a link."""
    member = members[name]
    if member.issym() or member.islnk():
        target = str((Path(name).parent / member.linkname) if member.issym() else member.linkname)
        parts: list[str] = []
        for part in Path(target).parts:
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        return members["/".join(parts)].size
    return member.size


def name_in_tar(tar: Path, references: Sequence[str]) -> None:
    """Give the one image of a tar its names, in place.

    What names it stands behind the layers, in the tars of all builders; from there on the tar is written anew.
    """
    names = [Registry.of(reference).canonical for reference in references]
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
                named = _named(member.name, content, names)
                member.size = len(named)
                archive.addfile(member, io.BytesIO(named))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isfile() else None
    return file.read() if file else b""


def _named(name: str, content: bytes, names: list[str]) -> bytes:
    if name == "manifest.json":
        described = json.loads(content)
        described[0]["RepoTags"] = names
        return json.dumps(described).encode()
    if name == "index.json":
        index = json.loads(content)
        image = index["manifests"][0]
        index["manifests"] = [
            {
                **image,
                "annotations": {
                    **image.get("annotations", {}),
                    "io.containerd.image.name": each,
                    "org.opencontainers.image.ref.name": each.rpartition(":")[2],
                },
            }
            for each in names
        ]
        return json.dumps(index).encode()
    return content
