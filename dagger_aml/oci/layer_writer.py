"""A layer written: its tar, the same bytes on every machine for the same entries, and its blob."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from .chunks import ahead, gathered, hashed
from .compression import gzipped
from .contents import pieces
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
    total = hashlib.sha256()
    for chunk in ahead(tar_chunks(entries, on_file)):
        total.update(chunk)
    return _named(total)


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
            made = hashed(ahead(gzipped(made)), blob)
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
        elif on_file is ignore:
            yield from pieces(part)
        else:
            total = hashlib.sha256()
            yield from hashed(pieces(part), total)
            on_file(part, total.digest())


def _named(total: hashlib._Hash) -> str:
    return f"sha256:{total.hexdigest()}"
