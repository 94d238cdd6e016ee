"""The code of an image: what lies in the folder that the server starts in, put where it can be read as a folder is.

Files are copied aside while their layers are read, so that each layer is read once. Of files in which nothing is
looked for the copy is empty: of them it only matters that they are there.
"""

from __future__ import annotations

import posixpath
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from ...base.from_layers import kept
from ...data import frozen
from ...fs.disk_space import temporary_folder
from ...oci.layer_index import Entry, Read, Unanswered
from ...oci.layer_tree import LayerTree
from ..reserved import NAMES

_LARGEST = 2_000_001
"""Bytes of one file that are copied: one more than of a script that is read."""

_MOST_BYTES, _MOST_FILES, _DEEPEST = 64 * 1024 * 1024, 20_000, 40
"""Of all files together; code of which there is more is not looked at."""


class Aside:
    """A temporary folder that is gone as soon as nobody refers to this object."""

    def __init__(self) -> None:
        self.folder: Path = Path(tempfile.mkdtemp(prefix="dagger-aml-", dir=temporary_folder())).resolve()
        self._end = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


class Copies:
    """The files below a folder of an image in which something is looked for, copied while its layers are read.

    :param top: the folder, absolute.
    :param aside: where they go.
    """

    def __init__(self, top: str, aside: Aside) -> None:
        self._below, self._aside = f"{top}/", aside
        self._count, self._bytes = 0, 0

    def keep(self, path: str, size: int) -> int | Read:
        """What is to be kept of a file of a layer; its content of those below the folder."""
        if path.startswith(self._below) and is_read(path):
            return self._copy if path.endswith(".py") or size < _LARGEST else 0
        return kept(path, size)

    def _copy(self, file: IO[bytes]) -> bytes | None:
        if self._count >= _MOST_FILES or self._bytes >= _MOST_BYTES:
            return None
        data = file.read(_LARGEST)
        self._count, self._bytes = self._count + 1, self._bytes + len(data)
        (self._aside.folder / str(self._count)).write_bytes(data)
        return str(self._count).encode()

    def of(self, tree: LayerTree, path: str) -> Path:
        """The copy of what lies at a path of the image.

        :raises Unanswered: there is none.
        """
        told = tree.told(path)
        if told is None:
            raise Unanswered(f"{path} of the image cannot be read from its layer")
        return self._aside.folder / told.decode()


def is_read(path: str) -> bool:
    """Whether what stands in a file counts."""
    return path.endswith(".py") or posixpath.basename(path) in NAMES


@frozen
class InImage:
    """What lies at a path of an image, links followed.

    :param path: absolute, without links at its end being followed.
    """

    path: str
    entry: Entry


def entries_below(tree: LayerTree, top: str, leave: frozenset[str]) -> tuple[InImage, ...]:
    """What lies below a folder, itself first; links to folders are not followed.

    :param leave: folders into which is not looked.
    :raises Unanswered: the layers contradict each other, or there is very much.
    """
    return tuple(_walk(tree, top, leave))


def _walk(tree: LayerTree, top: str, leave: frozenset[str]) -> Iterator[InImage]:
    waiting, seen = [top], 0
    while waiting:
        path = waiting.pop()
        found = tree.real(path)
        if found is None:
            continue
        seen += 1
        if seen > _MOST_FILES or path.count("/") - top.count("/") > _DEEPEST:
            raise Unanswered(f"there is too much in {top} of the image to be looked at")
        yield InImage(path, found[1])
        if found[1].type == "dir" and path not in leave and (path == top or found[0] == path):
            waiting += (posixpath.join(path, name) for name in sorted(tree.names(path), reverse=True))


def put_aside(tree: LayerTree, top: str, entries: tuple[InImage, ...], copies: Copies, aside: Aside) -> Path:
    """A folder of this machine with the code of an image.

    :raises Unanswered: a part of it cannot be copied.
    """
    folder = aside.folder / "code"
    for each in entries:
        name = posixpath.relpath(each.path, top)
        place = folder / name
        if any(Path(part).parts != (part,) or "\0" in part for part in name.split("/") if part != "."):
            raise Unanswered("a name in the image can be none on this machine")
        try:
            if each.entry.type == "dir":
                place.mkdir(parents=True, exist_ok=True)
            elif each.entry.type == "file" and each.path.endswith(".py"):
                shutil.copyfile(copies.of(tree, each.path), place)
            elif each.entry.type == "file" and is_read(each.path):
                with suppress(Unanswered):  # It is too large to be looked at.
                    shutil.copyfile(copies.of(tree, each.path), place)
            elif each.entry.type == "file":
                place.touch()
        except (OSError, ValueError) as error:
            raise Unanswered(f"the code of the image cannot be copied: {error}") from None
    return folder
