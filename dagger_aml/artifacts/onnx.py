"""What an ONNX file says of the files that hold its weights; no protobuf library is needed for it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

MOST = 16 << 20
"""Bytes that are read of one file. One whose weights lie elsewhere is small."""

_LOCATION = re.compile(rb"\x0a\x08location\x12(?=([\x01-\x7f]))", re.S)
"""The key of an entry of ``external_data``, of onnx.proto's TensorProto, and the length of its value."""


def external_data(path: Path) -> frozenset[str]:
    """Names of the files beside an ``.onnx`` file that hold its tensors; none for other files and unreadable ones."""
    if path.suffix.lower() != ".onnx":
        return frozenset()
    try:
        with path.open("rb") as file:
            data = file.read(MOST)
    except OSError:
        return frozenset()
    found = set()
    for match in _LOCATION.finditer(data):
        text = data[match.end() + 1 : match.end() + 1 + match[1][0]].decode("utf-8", "replace")
        name = PurePosixPath(text)
        if len(name.parts) == 1 and name.name:
            found.add(name.name)
    return frozenset(found)
