"""What is known of a base by its digest, or else read from its layers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, cast

from ...base.facts_cache import keep_facts
from ...base.known import KnownFacts
from ...errors import BuildError
from ...oci.manifest import BlobLayer
from ...oci.model import ImageError
from .beneath import Beneath


def facts_of(
    beneath: Beneath,
    paths: Sequence[str],
    folder: Path,
    cached: KnownFacts | None,
    told: Iterable[KnownFacts],
    packages: bool,
) -> KnownFacts | None:
    """The facts of a base; None where only a container can tell them.

    They are looked for in the cache of this machine, then in what earlier images tell, then in the base's layers.

    :param paths: to be asked for.
    :param folder: of the cache, and ``cached``: what it has of the base.
    :param told: what images on this very base tell.
    :param packages: whether what its Python has installed must be known.
    :raises BaseError: the base does not know its own user.
    """
    for known in (*([cached] if cached else []), *told):
        if known.for_paths(paths, packages=packages) is not None:
            if known is not cached:
                keep_facts(beneath.digest, known, folder)
            return known
    from ...base.from_layers import Unanswered, known_from_layers

    layers = [partial(opened, beneath, each) for each in beneath.layers]
    try:
        found = known_from_layers(beneath.config.get("config") or {}, layers, paths, packages=True)
    except (Unanswered, ImageError):
        return None
    keep_facts(beneath.digest, found, folder)
    if packages and not found.tells_packages:
        return None
    return found


def opened(beneath: Beneath, layer: BlobLayer) -> IO[bytes]:
    """A layer's blob as it comes, held against its digest at its end."""
    return cast("IO[bytes]", io.BufferedReader(_Passing(beneath.blobs.passing(layer.digest), layer.digest), 1 << 20))


class _Passing(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes], digest: str) -> None:
        self._chunks, self._digest = chunks, digest
        self._total, self._rest = hashlib.sha256(), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._check()
                return 0
            self._total.update(chunk)
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _check(self) -> None:
        if f"sha256:{self._total.hexdigest()}" != self._digest:
            raise BuildError(f"a layer does not match its digest {self._digest}", location="base")
