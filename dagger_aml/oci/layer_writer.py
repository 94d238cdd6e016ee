"""A layer written: its tar, the same bytes on every machine for the same entries, and its blob."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..fs.digest import file_digest
from ..fs.still import Stamp, stamp_of
from .chunks import CHUNK, ahead, begun, gathered, hashed
from .compression import gzipped
from .contents import changed, passing, pieces
from .entries import Compression, TarEntry, WrittenLayer
from .ordered import ordered
from .tar_header import END, header, padding, tar_size

FORMAT = 1
"""Number of the tar's form; raised when the same entries would give other bytes, since digests of layers are kept."""

OnFile = Callable[[TarEntry, bytes], None]
"""Gets a file and the 32 bytes of its sha256."""


def ignore(entry: TarEntry, digest: bytes) -> None:
    """For who needs no digests of files: they are not even computed."""


def tar_chunks(entries: Iterable[TarEntry], on_file: OnFile = ignore) -> Iterator[bytes]:
    """A layer's tar, uncompressed, in chunks of about 1 MiB. The order of the entries does not matter.

    :param on_file: called for each file once its bytes have passed, so that nobody need read it again.
    :raises GraphError: no layer can hold these entries: see :func:`~dagger_aml.oci.ordered.ordered`.
    :raises ProjectError: a file has gone, cannot be read, or has not the size that its entry says.
    """
    return gathered(_parts(ordered(entries), on_file))


def measured(entries: Iterable[TarEntry], on_file: OnFile = ignore) -> str:
    """A layer's diff ID, ``sha256:…``, without compressing anything. Raises as :func:`tar_chunks`."""
    entries, total = ordered(entries), hashlib.sha256()
    large = [] if on_file is ignore else [each for each in entries if _is_large(each)]
    if not large:
        for chunk in ahead(gathered(_parts(entries, on_file))):
            total.update(chunk)
        return _named(total)
    # Two threads read a large file at the same time, for its own digest and for the layer's: to hand over what one
    # has read, from one processor's cache to another's, takes longer.
    before = [_stamp(each) for each in large]
    digests = begun(lambda: [file_digest(Path(str(each.content)), each.size) for each in large])
    for part in _laid_out(entries):
        if isinstance(part, bytes):
            total.update(part)
        elif _is_large(part):
            for view in passing(part):
                total.update(view)
        else:
            for piece in _with_digest(part, on_file):
                total.update(piece)
    for each, digest, stamp in zip(large, digests.result(), before, strict=True):
        if _stamp(each) != stamp:
            raise changed(each)  # The two may have read other bytes.
        on_file(each, digest)
    return _named(total)


def _stamp(entry: TarEntry) -> Stamp | None:
    try:
        return stamp_of(os.stat(str(entry.content)))  # noqa: PTH116 - a path's text
    except OSError:
        return None


def _is_large(entry: TarEntry) -> bool:
    return entry.size >= CHUNK and isinstance(entry.content, Path)


def plain_size(entries: Iterable[TarEntry]) -> int:
    """Bytes of a layer's tar, uncompressed."""
    return sum(map(tar_size, entries)) + len(END)


class LayerStream:
    """A layer's blob, made while it is read: each file is read once, nothing is kept.

    To begin again is to read everything again, and gives the same bytes on the same machine.

    :param on_file: as for :func:`tar_chunks`; called in another thread than the reader's, one call at a time.
    :raises GraphError: no layer can hold these entries: see :func:`~dagger_aml.oci.ordered.ordered`.
    """

    def __init__(self, entries: Iterable[TarEntry], compression: Compression, on_file: OnFile = ignore) -> None:
        self._entries = ordered(entries)
        self._compression = compression
        self._on_file = on_file
        self._written: WrittenLayer | None = None
        self.size: int | None = plain_size(self._entries) if compression == "none" else None
        """Bytes of the blob where they are known before; else None."""

    def __iter__(self) -> Iterator[bytes]:
        """The blob in chunks of about 1 MiB.

        :raises ProjectError: a file has gone, cannot be read, or has not the size that its entry says.
        """
        self._written = None
        tar, blob, size = hashlib.sha256(), hashlib.sha256(), 0
        chunks = gathered(_parts(self._entries, self._on_file))
        # Reading and hashing, compressing, and what the reader does with the blob go on at the same time.
        made = ahead(hashed(chunks, tar))
        if self._compression == "none":
            blob = tar
        else:
            made = hashed(ahead(gzipped(made, plain_size(self._entries))), blob)
        for chunk in made:
            size += len(chunk)
            yield chunk
        self._written = WrittenLayer(_named(tar), _named(blob), size, self._compression)

    @property
    def written(self) -> WrittenLayer:
        """What the layer became.

        :raises RuntimeError: before its last chunk.
        """
        if self._written is None:
            raise RuntimeError("a layer's digests are known only when its last chunk has been taken")
        return self._written


def laid_out(entries: Iterable[TarEntry]) -> Iterator[bytes | TarEntry]:
    """A layer's tar, uncompressed, with a file's entry in the place of its contents. Raises as :func:`ordered`."""
    return _laid_out(ordered(entries))


def _laid_out(entries: Iterable[TarEntry]) -> Iterator[bytes | TarEntry]:
    for entry in entries:
        yield header(entry)
        if entry.type == "file":
            yield entry
            yield bytes(padding(entry.size))
    yield END


def _parts(entries: Iterable[TarEntry], on_file: OnFile) -> Iterator[bytes]:
    for part in _laid_out(entries):
        if isinstance(part, bytes):
            yield part
        else:
            yield from _with_digest(part, on_file)


def _with_digest(entry: TarEntry, on_file: OnFile) -> Iterator[bytes]:
    """A file's bytes; then its digest is told, to who needs it."""
    if on_file is ignore:
        yield from pieces(entry)
        return
    total = hashlib.sha256()
    yield from hashed(pieces(entry), total)
    on_file(entry, total.digest())


def _named(total: hashlib._Hash) -> str:
    return f"sha256:{total.hexdigest()}"
