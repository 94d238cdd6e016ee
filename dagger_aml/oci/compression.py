"""How the blobs of layers are compressed, and whether it is worth it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Protocol, cast

from .chunks import CHUNK, gathered
from .contents import sample
from .entries import Compression, TarEntry
from .tar_header import tar_size

_LEAST_GAIN = 0.05
"""A blob as it is takes less work for who pulls it than a gzip that is hardly smaller."""


_LITTLE = 256 << 10
"""Bytes that zlib compresses in some milliseconds: there isa-l would save less than it takes to load."""

_PARTS, _PART = 16, 256 << 10
"""How many parts of a layer's files are tried, and bytes of each: 4 MiB together."""


def choose_compression(entries: Sequence[TarEntry]) -> Compression:
    """``none`` where gzip would make a layer less than 5 % smaller, as some parts of its files tell.

    A layer of less than 1 MiB is compressed always, without a look at it. Two machines may choose otherwise where the
    gain is near 5 %: a layer's diff ID is the same either way, its blob's digest is not.

    :raises ProjectError: a file has gone or cannot be read.
    """
    whole = sum(map(tar_size, entries))
    if whole < CHUNK:
        return "gzip"
    seen = kept = 0
    compressor = _compressor()
    for part in sample(entries, _PARTS, _PART):
        seen += len(part)
        kept += len(compressor.compress(part))
    kept += len(compressor.flush())
    # Headers all but vanish.
    gzipped = sum(entry.size for entry in entries) * kept / max(seen, 1)
    return "none" if gzipped > whole * (1 - _LEAST_GAIN) else "gzip"


def gzipped(chunks: Iterable[bytes], size: int | None = None) -> Iterator[bytes]:
    """The bytes compressed, in chunks of about 1 MiB. Neither a time nor a name stands in them.

    Up to 256 KiB the same bytes give the same result wherever zlib is the same. More is compressed by isa-l: the
    same bytes in the same chunks give the same result on one machine, but once in a great many times, when it was
    seen to make two blobs of them. Another processor or another version of it may compress otherwise.

    :param size: of all chunks together, where that is known before.
    """
    return gathered(_compressed(chunks, _plain() if size is not None and size <= _LITTLE else _compressor()))


def _compressed(chunks: Iterable[bytes], compressor: _Compressor) -> Iterator[bytes]:
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


def gunzipped(stream: IO[bytes]) -> tuple[IO[bytes], type[Exception]]:
    """A stream without its gzip, by isa-l where it is to be had, and what it raises besides gzip's own errors."""
    try:
        from isal import igzip, isal_zlib
    except ImportError:
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb")), zlib.error
    opened = igzip.IGzipFile(fileobj=stream, mode="rb")  # type: ignore[no-untyped-call]
    return cast("IO[bytes]", opened), cast("type[Exception]", isal_zlib.error)


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _compressor() -> _Compressor:
    """Of gzip at its fastest: Intel's isa-l, 15 times as fast as zlib, or zlib where isa-l is not to be had."""
    try:
        from isal import isal_zlib
    except ImportError:
        return _plain()
    return isal_zlib.compressobj(1, wbits=31)


def _plain() -> _Compressor:
    return zlib.compressobj(1, wbits=31)
