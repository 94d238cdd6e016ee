"""What the ops of a graph write."""

from __future__ import annotations

from .graph import Copy
from .source import EntryType, Local


def written_paths(copy: Copy) -> tuple[tuple[str, EntryType], ...]:
    """The image paths that a copy makes or replaces, its destination included, as far as its source tells."""
    if copy.kind == "file":
        return ((copy.dest, "file"),)
    made: list[tuple[str, EntryType]] = [(copy.dest, "dir")]
    if isinstance(copy.source, Local):
        above = "" if copy.dest == "/" else copy.dest
        made += [(f"{above}/{entry.path}", entry.type) for entry in copy.source.entries]
    return tuple(made)
