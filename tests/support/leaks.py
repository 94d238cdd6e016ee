"""Looking for a secret everywhere that a build writes to."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import io
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import quote


@functools.cache
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


def in_tar(path: Path, values: dict[str, str], beneath: Collection[str]) -> list[str]:
    """Where a value stands in an image's tar: each file and name of each layer, the config, the history.

    :param beneath: digests of the base's uncompressed layers, which were there before the value and are passed over.
        An engine started anew packs them again, with other digests: then they are looked at like the rest.
    """
    found, looked_at = [], 0
    for name, data in members(path, beneath):
        if name in beneath:
            continue
        looked_at += ": " in name
        found += in_bytes(data, values, f"{path.name}: {name}")
    assert looked_at > 1, f"only {looked_at} files of layers were looked at in {path}"
    return found


def in_folder(path: Path, values: dict[str, str]) -> list[str]:
    """Where a value stands in the files of a folder and their names."""
    found = []
    for each in sorted(path.rglob("*")):
        found += in_bytes(str(each.relative_to(path)).encode(), values, "a name")
        if each.is_file():
            found += in_bytes(each.read_bytes(), values, str(each))
    return found


_PLAIN: dict[str, str] = {}
"""Of each file of a tar the digest of its decompressed bytes, by that of the file: a base is in many tars."""


def members(path: Path, beneath: Collection[str] = ()) -> Iterator[tuple[str, bytes]]:
    """The members of an image's tar and of the layers in it: their names and, decompressed, their bytes.

    :param beneath: layers by the digest of their uncompressed bytes, of which the digest alone is told.
    """
    with tarfile.open(path) as outer:
        for member in outer:
            file = outer.extractfile(member)
            if file is None:
                continue
            data = file.read()
            packed = f"sha256:{hashlib.sha256(data).hexdigest()}"
            if (digest := _PLAIN.get(packed, packed)) in beneath:
                yield digest, b""
                continue
            plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            digest = _PLAIN[packed] = f"sha256:{hashlib.sha256(plain).hexdigest()}"
            if digest in beneath:
                yield digest, b""
                continue
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
