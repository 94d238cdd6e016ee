"""What an ONNX file says of the files that hold its weights; no protobuf library is needed for it."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path, PurePosixPath

from ..text import pattern

LONGEST = 16 << 20
"""Bytes of a file that is read. One whose weights lie elsewhere is small; a longer one holds them itself."""

_LOCATION = pattern(rb"\x0a\x08location\x12(?=([\x01-\x7f]))", re.S)
"""The key of an entry of ``external_data``, of onnx.proto's TensorProto, and the length of its value."""


def external_data(path: Path) -> frozenset[str]:
    """Names of the files beside an ``.onnx`` file that hold its tensors; none for other files and unreadable ones."""
    if path.suffix.lower() != ".onnx":
        return frozenset()
    try:
        info = path.stat()
        return _read(path, info.st_size, info.st_mtime_ns) if info.st_size <= LONGEST else frozenset()
    except OSError:
        return frozenset()


@lru_cache(maxsize=64)
def _read(path: Path, size: int, changed: int) -> frozenset[str]:
    """As :func:`external_data`, worked out once for a file of that size and time."""
    data = path.read_bytes()
    found = set()
    for match in _LOCATION.finditer(data):
        text = data[match.end() + 1 : match.end() + 1 + match[1][0]].decode("utf-8", "replace")
        name = PurePosixPath(text)
        if len(name.parts) == 1 and name.name:
            found.add(name.name)
    return frozenset(found)
