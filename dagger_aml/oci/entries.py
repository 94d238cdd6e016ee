"""What a layer that we write holds, and what it became."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import field

from ..data import frozen

Compression = Literal["none", "gzip"]
"""Of a layer's blob. Both are read by every tool; zstd is not (docker 20.10)."""


@frozen
class TarEntry:
    """One path of a layer, as it will be in the image.

    :param path: absolute, without a slash at its end; bytes that are not UTF-8 as surrogates.
    :param type: ``hardlink`` is one more name of an earlier entry of the same layer.
    :param mode: permission bits, special ones included.
    :param size: bytes of a file; 0 of all else.
    :param content: a file's bytes, or where they lie on this machine. Not compared.
    :param target: of a link its text, of a hard link the path of the earlier entry; else empty.
    """

    path: str
    type: Literal["dir", "file", "link", "hardlink"]
    mode: int
    uid: int
    gid: int
    size: int = 0
    content: Path | bytes = field(default=b"", eq=False, repr=False)
    target: str = ""


@frozen
class WrittenLayer:
    """A layer whose every byte has passed.

    :param diff_id: ``sha256:…`` of the tar, uncompressed.
    :param digest: ``sha256:…`` of the blob, as it travels.
    :param size: bytes of the blob.
    :param compression: of the blob.
    """

    diff_id: str
    digest: str
    size: int
    compression: Compression
