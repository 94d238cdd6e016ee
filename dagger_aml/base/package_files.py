"""What a base's Python environment has installed, and its C library, read from its files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from ..oci.layer_index import MOST_KEPT
from ..oci.layer_tree import LayerTree
from .facts import Distribution

LDD = "/usr/bin/ldd"
"""A script of glibc's, in whose text its version stands; Debian's and Ubuntu's images have it."""

_KEYS = ("name", "version", "requires-dist")


def keeps(path: str, size: int) -> int:
    """How many bytes of a file are kept while its layer is read."""
    if path == LDD:
        return size if size <= MOST_KEPT else 0
    return min(size, MOST_KEPT) if path.endswith(".dist-info/METADATA") else 0


def glibc(tree: LayerTree) -> str:
    """The version of the C library as :data:`LDD` has it, ``2.36``; empty where it has none."""
    if not tree.is_file(LDD):
        return ""
    for line in (tree.content(LDD) or b"").splitlines():
        found = re.search(rb"ldd \(.*\) (\d+\.\d+)", line)
        if found:
            return found[1].decode()
    return ""


def distributions(tree: LayerTree, folders: Iterable[str]) -> tuple[Distribution, ...] | None:
    """The packages in some folders of ``sys.path``, as the probe's script lists them; needs every layer.

    None where one has so long a METADATA that what it requires cannot be told.
    """
    found = []
    for folder in folders:
        for name in sorted(tree.names(folder)):
            path = posixpath.join(folder, name, "METADATA")
            ended = tree.real(path) if name.endswith(".dist-info") else None
            if ended and ended[1].type == "file":
                head = tree.head(ended[0], MOST_KEPT)
                if len(head) == MOST_KEPT and not re.search(rb"\r?\n\r?\n", head):
                    return None
                each = _read(head.decode("utf-8", "replace"))
                found += [each] if each.name and each.version else []
    return tuple(found)


def _read(text: str) -> Distribution:
    """The headers of a METADATA."""
    said: dict[str, list[str]] = {key: [] for key in _KEYS}
    for line in text.splitlines():
        if not line.strip():
            break
        key, _, value = line.partition(":")
        if key.lower() in said:
            said[key.lower()].append(value.strip())
    name, version = (said[key][-1] if said[key] else "" for key in ("name", "version"))
    return Distribution(name, version, tuple(said["requires-dist"]))
