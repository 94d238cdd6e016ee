"""Blobs and small documents kept by their digests on this machine, for builds that come later.

Whatever is read is held against its digest; what is damaged is taken out and counts as missing. The folder is its
user's alone, and all in it can be made or fetched again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from ..data import frozen
from ..errors import UsageError
from ..fs.cache_folder import is_own, private_folder
from ..text import pattern

DEFAULT_LIMIT = 10_000_000_000
"""Bytes that the blobs may take."""

_MOST_DOCUMENTS = 500
"""Of one kind; the longest unused go first."""

_MOST_OF_FILES = 5000
"""Of those that tell the digests of a folder's files, of which there is one for each folder of models."""

_CHUNK = 1 << 20

KINDS = ("runtime", "stamps", "layers", "facts", "calls", "files", "passed")
"""Of documents: what ran, what files became which layer, what layers became, facts of bases, calls that pushed what
was there already, digests of files, and images that passed their smoke test."""

_NAME = pattern(r"[a-z0-9][a-z0-9._-]*\Z")


class Damaged(Exception):
    """A kept blob that is not what its digest says; it is gone now."""


@frozen
class Kept:
    """Something in the store.

    :param name: ``sha256:…`` of a blob, ``KIND/NAME`` of a document.
    :param size: bytes.
    :param used: when it was last read or written, seconds since 1970.
    """

    name: str
    size: int
    used: float


@frozen
class ContentStore:
    """A folder of blobs and documents.

    :param root: made, for this user alone, when something is first kept.
    :param limit: bytes that blobs may take; the longest unused go first, when something is kept.
    """

    root: Path
    limit: int = DEFAULT_LIMIT

    def has(self, digest: str) -> bool:
        """Whether a blob is kept, damaged or not."""
        return self._blob(digest).is_file()

    def size(self, digest: str) -> int | None:
        """Bytes of a kept blob; None where there is none."""
        try:
            return self._blob(digest).stat().st_size
        except OSError:
            return None

    def is_whole(self, digest: str) -> bool:
        """Whether a blob is kept and is what its digest says; a damaged one is removed. Reads all of it."""
        try:
            with self.open(digest) as file:
                while file.read(_CHUNK):
                    pass
        except (KeyError, Damaged, OSError):
            return False
        return True

    @contextlib.contextmanager
    def open(self, digest: str) -> Iterator[IO[bytes]]:
        """A kept blob, to be read to its end.

        :raises KeyError: there is none. :raises Damaged: it is not what its digest says, told at its end.
        """
        with self.unchecked(digest) as file:
            yield cast("IO[bytes]", _Checked(file, digest, self._blob(digest)))

    @contextlib.contextmanager
    def unchecked(self, digest: str) -> Iterator[IO[bytes]]:
        """A kept blob, for who holds what becomes of its bytes against the digest.

        :raises KeyError: there is none.
        """
        path = self._blob(digest)
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise KeyError(digest) from None
        with file:
            touch(path)
            yield file

    def add(self, digest: str, chunks: Iterable[bytes]) -> int:
        """Keep a blob, whole or not at all; returns its bytes.

        :raises Damaged: the chunks are not what the digest says.
        :raises OSError: it cannot be written.
        """
        return self._added(chunks, digest)[1]

    def put(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Keep a blob, whole or not at all; returns its digest and its bytes.

        :raises OSError: it cannot be written.
        """
        return self._added(chunks, None)

    def keeping(self, digest: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, on their way to somebody else; kept once all went by, hashed once and not read back.

        That they cannot be kept is no error. Whoever stops before the end, or is told that they are wrong, has bytes
        that nothing was held against.

        :raises Damaged: at their end: they are not what the digest says, and are not kept.
        """
        total = hashlib.sha256()
        with contextlib.ExitStack() as stack:
            new: _New | None = None
            with contextlib.suppress(OSError, UsageError):
                new = stack.enter_context(_New(self._folder("blobs/sha256")))
            for chunk in chunks:
                total.update(chunk)
                if new and not new.took(chunk):
                    new = None
                yield chunk
            if f"sha256:{total.hexdigest()}" != digest:
                raise Damaged(digest)
            if new:
                with contextlib.suppress(OSError):
                    new.become(self._blob(digest))
                    self.prune(keep={digest})

    def _added(self, chunks: Iterable[bytes], expected: str | None) -> tuple[str, int]:
        total, size = hashlib.sha256(), 0
        with _New(self._folder("blobs/sha256")) as new:
            for chunk in chunks:
                total.update(chunk)
                size += len(chunk)
                new.write(chunk)
            digest = f"sha256:{total.hexdigest()}"
            if expected not in (None, digest):
                raise Damaged(expected)
            new.become(self._blob(digest))
        self.prune(keep={digest})
        return digest, size

    def document(self, kind: str, name: str) -> Any:
        """A kept document, of JSON; None where there is none, none that can be read, or others can write there."""
        path = self.document_path(kind, name)
        if not is_own(path.parent):
            return None
        try:
            kept = json.loads(path.read_bytes())
            found = kept["document"]
            if kept["sha256"] != _sum(found):
                return None
            touch(path)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return found

    def put_document(self, kind: str, name: str, document: Any) -> None:
        """Keep a document, whole or not at all; that it cannot be kept is no error."""
        with contextlib.suppress(OSError, UsageError):
            data = json.dumps({"sha256": _sum(document), "document": document}).encode()
            folder = self._folder(kind)
            handle, new = _new_file(folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(new, self.document_path(kind, name))  # noqa: PTH105
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(new)  # noqa: PTH108
                raise
            self._few(folder)

    def drop_document(self, kind: str, name: str) -> None:
        """Keep a document no longer."""
        with contextlib.suppress(OSError):
            self.document_path(kind, name).unlink()

    @staticmethod
    def _few(folder: Path) -> None:
        """Remove the longest unused documents of a kind, where there are many."""
        names = os.listdir(folder)  # noqa: PTH208 - no Path of each
        most = _MOST_OF_FILES if folder.name == "files" else _MOST_DOCUMENTS
        if len(names) <= most:
            return
        used: list[tuple[float, str]] = []
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                used.append(((folder / name).stat().st_mtime, name))
        for _, name in sorted(used)[:-most]:
            (folder / name).unlink(missing_ok=True)

    def blobs(self) -> tuple[Kept, ...]:
        """The kept blobs, the longest unused first."""
        found = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            for each in os.scandir(self.root / "blobs/sha256"):
                with contextlib.suppress(FileNotFoundError):
                    info = each.stat()
                    if re.fullmatch("[0-9a-f]{64}", each.name):
                        found.append(Kept(f"sha256:{each.name}", info.st_size, info.st_mtime))
                    elif each.name.startswith(".new-") and time.time() - info.st_mtime > 86400:
                        os.unlink(each.path)  # noqa: PTH108 - left by a process that was killed
        return tuple(sorted(found, key=lambda kept: (kept.used, kept.name)))

    def prune(self, limit: int | None = None, *, keep: Iterable[str] = ()) -> tuple[Kept, ...]:
        """Remove the longest unused blobs until the rest takes no more than a limit; returns what went.

        :param limit: bytes; the store's own unless given.
        :param keep: digests that stay, whatever their age.
        """
        kept, stay, gone = self.blobs(), frozenset(keep), []
        over = sum(each.size for each in kept) - (self.limit if limit is None else limit)
        for each in kept:
            if over <= 0 and limit != 0:
                break
            if each.name not in stay:
                self.remove(each)
                gone.append(each)
                over -= each.size
        return tuple(gone)

    def remove(self, kept: Kept) -> None:
        """Remove a blob."""
        self._blob(kept.name).unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove every document."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for kind in os.scandir(self.root):
                if kind.is_dir(follow_symlinks=False) and kind.name in KINDS:
                    for each in os.scandir(kind.path):
                        os.unlink(each.path)  # noqa: PTH108

    def _blob(self, digest: str) -> Path:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise ValueError(digest)
        return self.root / "blobs/sha256" / digest[7:]

    def document_path(self, kind: str, name: str) -> Path:
        """The file in which a document is kept, if it is."""
        if not _NAME.match(kind) or not _NAME.match(name):
            raise ValueError(f"{kind}/{name}")
        return self.root / kind / f"{name}.json"

    def _folder(self, name: str) -> Path:
        private_folder(self.root)
        folder = self.root / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def _new_file(folder: Path) -> tuple[int, str]:
    """A new file for this user alone, opened, and its path. ``tempfile`` takes 10 ms to load, of a push of 200."""
    name = str(folder / f".new-{os.urandom(12).hex()}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.open(name, flags, 0o600), name


class _New:
    """A file that is written beside those that are kept, and gone at the end of the block unless it became one."""

    def __init__(self, folder: Path) -> None:
        handle, self._name = _new_file(folder)
        self._file = os.fdopen(handle, "wb")

    def __enter__(self) -> _New:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            os.unlink(self._name)  # noqa: PTH108

    def write(self, chunk: bytes) -> None:
        """Write more. :raises OSError: it cannot be written."""
        self._file.write(chunk)

    def took(self, chunk: bytes) -> bool:
        """Write more; whether that could be done. Else nothing of it is left."""
        try:
            self.write(chunk)
        except OSError:
            self.__exit__()
            return False
        return True

    def become(self, path: Path) -> None:
        """Take a name among those that are kept. :raises OSError: it cannot be written."""
        self._file.close()
        os.replace(self._name, path)  # noqa: PTH105


def _sum(document: Any) -> str:
    """By which a damaged document is told."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


class _Checked:
    """A blob that is hashed while it is read, and held against its digest at its end."""

    def __init__(self, file: IO[bytes], digest: str, path: Path) -> None:
        self._file, self._digest, self._path = file, digest, path
        self._total = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._total.update(data)
        if not data or size < 0:
            self._check()
        return data

    def _check(self) -> None:
        if f"sha256:{self._total.hexdigest()}" != self._digest:
            self._path.unlink(missing_ok=True)
            raise Damaged(self._digest)


def touch(path: Path) -> None:
    """Note that something kept was used now."""
    with contextlib.suppress(OSError):
        os.utime(path)
