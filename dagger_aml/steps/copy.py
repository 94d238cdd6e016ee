"""Files of the user's own, anywhere in the image."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..fs.tree import is_file, local
from ..graph.graph import Copy, Graph
from ..graph.source import Empty, Text
from ..graph.values import Number


async def copy(
    graph: Graph,
    source: str | Path | bytes | None,
    dest: str,
    *,
    uid: Number = 0,
    gid: Number = 0,
    changes: Literal["rarely", "often"] = "rarely",
) -> Graph:
    """Copy a file, a folder's contents, or bytes to an exact path. Needs no network.

    An existing folder keeps its owner and mode; new parents are 0:0 0755. Modes are normalised to 0755 and 0644.

    :param source: a path of this machine; ``bytes`` make a file, None an empty folder.
    :param dest: the file's own path, or the folder that the contents go into.
    :param changes: ``often`` puts it after what changes rarely.
    :raises ProjectError: the source is missing or cannot be read.
    :raises GraphError: an unsafe destination, or a special file in the source.
    """
    name = f"copy {dest}"
    if source is None:
        return graph.add(Copy(Empty(), dest, "tree", uid, gid, changes=changes, name=name))
    if isinstance(source, bytes):
        return graph.add(Copy(Text(source), dest, "file", uid, gid, changes=changes, name=name))
    found = local(Path(source), location=name)
    kind: Literal["file", "tree"] = "file" if is_file(found) else "tree"
    return graph.add(Copy(found, dest, kind, uid, gid, changes=changes, name=name))
