"""Layers made in memory, for tests of what reads them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from attrs import frozen

from dagger_aml.oci.blobs import REF_NAME

Opener = Callable[[], IO[bytes]]


@frozen
class Put:
    """An entry of a layer: a folder unless it has data, a target, or is of another type."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    data: bytes | None = None
    link: str = ""
    hard: str = ""
    fifo: bool = False


def file(data: bytes | str = b"", mode: int = 0o644, uid: int = 0, gid: int = 0) -> Put:
    """A file."""
    return Put(mode, uid, gid, data.encode() if isinstance(data, str) else data)


def program(data: bytes = b"\x7fELF", uid: int = 0) -> Put:
    """A file that can be run."""
    return file(data, 0o755, uid, uid)


def link(target: str) -> Put:
    """A symbolic link."""
    return Put(link=target)


def hard(target: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Put:
    """One more name of an earlier file, whose mode and owner it must repeat."""
    return Put(mode, uid, gid, hard=target)


def package(site: str, name: str, version: str = "1", *requires: str, more: str = "") -> dict[str, Put]:
    """The metadata of an installed package, in a folder for packages.

    :param more: lines between its name and what it requires.
    """
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}{needs}\nName: of the description\n"
    return {f"{site.lstrip('/')}/{name}-{version}.dist-info/METADATA": file(text)}


def tar_of(entries: Mapping[str, Put]) -> bytes:
    """A layer's tar; whiteouts are entries of their names."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, put in entries.items():
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.gid = put.mode, put.uid, put.gid
            member.type = tarfile.DIRTYPE
            if put.data is not None:
                member.type, member.size = tarfile.REGTYPE, len(put.data)
            elif put.link or put.hard:
                member.type = tarfile.SYMTYPE if put.link else tarfile.LNKTYPE
                member.linkname = put.link or put.hard
            elif put.fifo:
                member.type = tarfile.FIFOTYPE
            tar.addfile(member, io.BytesIO(put.data or b""))
    return made.getvalue()


def opener(data: bytes) -> Opener:
    """What opens a blob."""
    return partial(io.BytesIO, data)


def layers(*each: Mapping[str, Put], zipped: bool = False) -> list[Opener]:
    """What opens the blobs of some layers, lowest first."""
    tars = [tar_of(entries) for entries in each]
    return [opener(gzip.compress(tar, 1) if zipped else tar) for tar in tars]


def put_image(
    layout: Path,
    tag: str,
    entries: Mapping[str, Put] | None = None,
    env: Mapping[str, str] | None = None,
    **said: Any,
) -> None:
    """Add an image to an OCI layout: its first one with a layer more, and with other values in its config."""
    blobs = layout / "blobs/sha256"
    index = json.loads((layout / "index.json").read_bytes())
    first = index["manifests"][0]
    manifest = _blob(blobs, first)
    document = _blob(blobs, manifest["config"])
    if entries:
        layer = tar_of(entries)
        manifest["layers"].append(_put(blobs, gzip.compress(layer, 1), "application/vnd.oci.image.layer.v1.tar+gzip"))
        document["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(layer).hexdigest())
        document.pop("history", None)
    config = document["config"] | said
    changed = dict(pair.partition("=")[::2] for pair in config["Env"]) | dict(env or {})
    config["Env"] = [f"{name}={value}" for name, value in changed.items()]
    document["config"] = config
    manifest["config"] = _put(blobs, json.dumps(document).encode(), manifest["config"]["mediaType"])
    described = _put(blobs, json.dumps(manifest).encode(), first["mediaType"])
    index["manifests"].append({**described, "annotations": {REF_NAME: tag}})
    (layout / "index.json").write_text(json.dumps(index))


def _blob(blobs: Path, descriptor: Mapping[str, Any]) -> Any:
    return json.loads((blobs / descriptor["digest"].removeprefix("sha256:")).read_bytes())


def _put(blobs: Path, data: bytes, media: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}
