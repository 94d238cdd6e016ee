"""Looking for a secret everywhere that a build writes to."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote


def forms(value: str) -> dict[str, bytes]:
    """A value as it could have been written: as it is, in base64 at each of three offsets, URL-encoded, backwards."""
    data = value.encode()
    found = {"as it is": data, "URL-encoded": quote(value, safe="").encode(), "backwards": data[::-1]}
    for offset in range(3):
        # What stands before it in the encoded text shifts it; the ends are cut, as they depend on the neighbours.
        coded = base64.b64encode(b"x" * offset + data)
        found[f"base64 at {offset}"] = coded[4 if offset else 0 :].rstrip(b"=")[:-1]
    return found


def in_bytes(data: bytes, values: dict[str, str], where: str) -> list[str]:
    """Where one of the values stands."""
    return [
        f"{where} holds {name} {form}"
        for name, value in values.items()
        for form, text in forms(value).items()
        if text in data
    ]


def in_tar(path: Path, values: dict[str, str]) -> list[str]:
    """Where a value stands in an image's tar: each file and name of each layer, the config, the history."""
    found, seen = [], 0
    for name, data in members(path):
        seen += 1
        found += in_bytes(data, values, f"{path.name}: {name}")
    assert seen > 100, f"only {seen} members were looked at in {path}"
    return found


def in_folder(path: Path, values: dict[str, str]) -> list[str]:
    """Where a value stands in the files of a folder and their names."""
    found = []
    for each in sorted(path.rglob("*")):
        found += in_bytes(str(each.relative_to(path)).encode(), values, "a name")
        if each.is_file():
            found += in_bytes(each.read_bytes(), values, str(each))
    return found


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The members of an image's tar and of the layers in it: their names and, decompressed, their bytes."""
    with tarfile.open(path) as outer:
        for member in outer:
            file = outer.extractfile(member)
            if file is None:
                continue
            data = file.read()
            plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            yield member.name, plain
            try:
                layer = tarfile.open(fileobj=io.BytesIO(plain))  # noqa: SIM115 - closed below
            except tarfile.TarError:
                continue
            with layer:
                for inner in layer:
                    contents = layer.extractfile(inner) if inner.isreg() else None
                    # A compressed file in a layer is looked into as well.
                    data = contents.read() if contents else b""
                    if data[:2] == b"\x1f\x8b":
                        data += gzip.decompress(data)
                    yield (
                        f"{member.name}: {inner.name}",
                        inner.name.encode() + b"\0" + inner.linkname.encode() + b"\0" + data,
                    )
