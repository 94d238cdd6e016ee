"""The entries of a layer in the one order that they are written in, and what no layer can hold."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from attrs import evolve

from ..errors import GraphError
from ..graph.checks import short
from .entries import TarEntry
from .tar_header import encoded

_WHITEOUT = ".wh."


_LONGEST_PATH, _LONGEST_NAME = 4095, 255
"""Bytes of a path or a link's text, and of one name in a path, that Linux takes."""


_LARGEST_ID = 2**32 - 2
"""Of a user or a group; the next one means "none"."""


def ordered(entries: Iterable[TarEntry]) -> Sequence[TarEntry]:
    """The entries as they stand in a layer: by the bytes of their paths, so folders before what is in them.

    Hard links come after all else, each with mode and owner of its file: tools give both names what the last says.

    :raises GraphError: a name that layers cannot hold; a path that is there twice (some tools refuse that), or whose
        folder is not there (some make one of root's); a hard link to what is no file of this layer.
    """
    found: dict[str, TarEntry] = {}
    for entry in entries:
        _check(entry)
        if entry.path in found:
            raise GraphError("a layer would hold this path twice", location=entry.path)
        found[entry.path] = entry
    for entry in found.values():
        folder = posixpath.dirname(entry.path)
        if folder != "/" and (folder not in found or found[folder].type != "dir"):
            raise GraphError(f"a layer would hold this path without its folder {short(folder)}", location=entry.path)
    return [
        _like_its_file(entry, found.get(entry.target)) if entry.type == "hardlink" else entry
        for entry in sorted(found.values(), key=lambda each: (each.type == "hardlink", encoded(each.path)))
    ]


def _like_its_file(link: TarEntry, file: TarEntry | None) -> TarEntry:
    if file is None or file.type != "file":
        raise GraphError(f"a hard link to {short(link.target)}, which is no file of its layer", location=link.path)
    return evolve(link, mode=file.mode, uid=file.uid, gid=file.gid)


def _check(entry: TarEntry) -> None:
    path = entry.path
    _check_name(path, path, _LONGEST_NAME)
    _check_name(entry.target, path, _LONGEST_PATH)
    if path == "/" or not path.startswith("/") or path.startswith("//") or posixpath.normpath(path) != path:
        raise GraphError("a layer holds only absolute, plain paths below /", location=path)
    if posixpath.basename(path).startswith(_WHITEOUT):
        raise GraphError(
            "a name that begins with .wh. removes a file from an image, and cannot be put into one",
            location=path,
            hint="Rename it, or leave it out.",
        )
    if entry.type == "link" and not entry.target:
        raise GraphError("a link without a target", location=path)
    if not (0 <= entry.mode <= 0o7777 and 0 <= entry.uid <= _LARGEST_ID and 0 <= entry.gid <= _LARGEST_ID):
        raise GraphError("its mode or the number of its owner is none that a file can have", location=path)
    if entry.size and entry.type != "file":
        raise GraphError(f"a {entry.type} of {entry.size} bytes", location=path)


def _check_name(text: str, path: str, longest: int) -> None:
    """Refuse a path or a link's text that Linux cannot have.

    :param longest: bytes of each name in it.
    """
    try:
        name = encoded(text)
    except UnicodeEncodeError:
        raise GraphError(f"a name that Linux cannot have: {short(text)}", location=short(path)) from None
    if b"\0" in name:
        raise GraphError(f"a name holds a NUL character: {short(text)}", location=short(path))
    if len(name) > _LONGEST_PATH or max(map(len, name.split(b"/"))) > longest:
        raise GraphError(f"a name is longer than Linux takes: {short(text)}", location=short(path))
