"""Where a Copy takes from: files of this machine, a text, or nothing."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field

from ..data import frozen
from ..errors import GraphError
from .checks import as_tuple, short

EntryType = Literal["file", "dir", "link"]


@frozen
class Entry:
    """One path below a local tree, as it will be in the image.

    :param path: relative to the tree's root, posix separators; bytes that are not UTF-8 as surrogates.
    :param type: ``file``, ``dir`` or ``link``.
    :param mode: normalised: 0o755 for folders and executables, 0o644 for other files, 0o777 for links.
    :param size: bytes; 0 for folders and links.
    :param target: what a link points to, else empty.
    :param at: where a file's bytes lie, an absolute path, where the tree has a link to them in its place.
    :param disk_mode: permission bits as found on disk, so that a back end knows whether it must change them.
    """

    path: str = field()
    type: EntryType
    mode: int
    size: int = 0
    target: str = ""
    disk_mode: int = field(default=0o644, eq=False)
    at: str = field(default="", eq=False)

    @path.validator
    def _check_path(self, _: Any, path: str) -> None:
        if not path or path[0] == "/" or "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise GraphError(f"not a relative path inside a folder: {short(path)}")


@frozen
class Local:
    """A file or a folder of the machine that runs dagger-aml.

    Made by :func:`dagger_aml.fs.tree.local`, which walks it and refuses what no builder copies alike.

    :param path: absolute path on that machine.
    :param entries: what is taken, sorted by path; a single file has one entry whose path is its own name.
    :param left_out: relative paths of what lies in the folder and is not taken.
    :param partial: only the entries are taken, whatever else lies there.
    :param digest: ``sha256:…`` of what the tree was made of, which stands for its bytes; empty where these count.
    """

    path: str
    entries: tuple[Entry, ...] = field(converter=as_tuple)
    left_out: tuple[str, ...] = field(default=(), converter=as_tuple)
    partial: bool = False
    digest: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)


@frozen
class Text:
    """A file whose bytes stand in the graph; UTF-8, so that every back end can carry it (other bytes: Local)."""

    data: bytes = field()
    executable: bool = False

    @data.validator
    def _check_data(self, _: Any, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise GraphError(f"a Text source must be bytes, not {type(data).__name__}")
        if b"\0" in data:
            raise GraphError("a Text source holds a NUL character", hint="Write it to a file and copy that.")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            raise GraphError("a Text source is not UTF-8", hint="Write it to a file and copy that.") from None


@frozen
class Empty:
    """A folder with nothing in it."""
