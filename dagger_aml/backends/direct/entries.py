"""What copies make of an image's files, as the entries of a layer.

They are keeping copies (docs/builder-cases.md): a folder that exists keeps its owner and mode, a new destination gets
the copy's owner, new folders above it are 0:0 0755. Every folder above an entry is an entry too, with what it has
beneath: docker and podman make one that a layer does not list anew, as 0:0 0755.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

from attrs import evolve

from ...base.facts import PathFact, prefixes
from ...errors import GraphError
from ...fs.tree import is_file
from ...graph.graph import Copy
from ...graph.source import Empty, Local, Text
from ...oci.entries import TarEntry


def layer_entries(
    copies: Sequence[Copy], beneath: Mapping[str, PathFact]
) -> tuple[tuple[TarEntry, ...], Mapping[str, PathFact]]:
    """The entries of one layer that holds copies, each path once, and what is there when it lies on top.

    :param copies: resolved, in order, and not of a stage.
    :param beneath: of the image below, each existing folder above the destinations, and each path that is copied.
    :raises GraphError: a folder goes where something else is, or the reverse.
    """
    known: MutableMapping[str, PathFact] = dict(beneath)
    made: dict[str, TarEntry] = {}
    for copy in copies:
        for entry in _copied(copy, known):
            before = known.get(entry.path)
            if before and (before.type == "dir") != (entry.type == "dir"):
                raise GraphError(
                    f"{entry.path} is a {before.type} in the image and would become a {entry.type}",
                    location=copy.name,
                    hint="Rename it, or copy it to another path.",
                )
            if entry.path in made and made[entry.path].type == "file":
                _rename(entry.path, made)
            made[entry.path] = entry
            known[entry.path] = _fact(entry)
    return tuple(made.values()), known


def _rename(path: str, made: MutableMapping[str, TarEntry]) -> None:
    """Give a file that is about to be replaced to the first of its other names, so that these keep its bytes."""
    others = [each for each in made.values() if each.type == "hardlink" and each.target == path]
    for number, each in enumerate(others):
        new = made[path] if number == 0 else made[each.path]
        made[each.path] = evolve(new, path=each.path, target="" if number == 0 else others[0].path)


def _copied(copy: Copy, known: Mapping[str, PathFact]) -> Iterator[TarEntry]:
    uid, gid = (0, 0) if copy.uid is None or copy.gid is None else (int(str(copy.uid)), int(str(copy.gid)))
    for folder in prefixes(posixpath.dirname(copy.dest)):
        yield _kept(folder, known) or TarEntry(folder, "dir", 0o755, 0, 0)
    if copy.kind == "tree" and copy.dest != "/":
        if copy.root:
            yield TarEntry(copy.dest, "dir", copy.root.mode, copy.root.uid, copy.root.gid)
        else:
            yield _kept(copy.dest, known) or TarEntry(copy.dest, "dir", 0o755, uid, gid)
    for entry in _contents(copy):
        yield evolve(entry, uid=uid, gid=gid)


def _kept(folder: str, known: Mapping[str, PathFact]) -> TarEntry | None:
    """A folder that exists, as it is."""
    fact = known.get(folder)
    return TarEntry(folder, "dir", fact.mode, fact.uid, fact.gid) if fact and fact.type == "dir" else None


def _first_name(place: Path, path: str, names: MutableMapping[tuple[int, int], str]) -> str:
    """The first path at which the tree has this file, which may have several names; builders keep them one file."""
    with contextlib.suppress(OSError):
        info = os.stat(place)  # noqa: PTH116 - for each of thousands
        if info.st_nlink > 1:
            return names.setdefault((info.st_dev, info.st_ino), path)
    return path


def _fact(entry: TarEntry) -> PathFact:
    if entry.type in ("dir", "link"):
        return PathFact("dir" if entry.type == "dir" else "link", entry.mode, entry.uid, entry.gid)
    return PathFact("file", entry.mode, entry.uid, entry.gid)


def _contents(copy: Copy) -> Iterator[TarEntry]:
    """What the source holds, at its place in the image; owned by nobody yet."""
    source = copy.source
    if isinstance(source, Text):
        mode = 0o755 if source.executable else 0o644
        yield TarEntry(copy.dest, "file", mode, 0, 0, len(source.data), source.data)
    elif isinstance(source, Local):
        single, root = is_file(source), Path(source.path)
        names: dict[tuple[int, int], str] = {}
        for entry in source.entries:
            path = copy.dest if single else posixpath.join(copy.dest, entry.path)
            if entry.type == "file":
                place = root if single else Path(entry.at) if entry.at else root / entry.path
                first = _first_name(place, path, names)
                if first != path:
                    yield TarEntry(path, "hardlink", entry.mode, 0, 0, target=first)
                else:
                    yield TarEntry(path, "file", entry.mode, 0, 0, entry.size, place)
            else:
                yield TarEntry(path, entry.type, entry.mode, 0, 0, target=entry.target)
    elif not isinstance(source, Empty):
        raise TypeError(f"{copy.name}: a stage's files are made by a builder")
