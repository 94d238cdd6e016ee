"""What files would hold while a change is only shown: read here, by whatever `check --fix` may change files for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_DRAFTS: ContextVar[dict[str, bytes] | None] = ContextVar("_DRAFTS", default=None)


@contextmanager
def drafting() -> Iterator[Callable[[Path, bytes], None]]:
    """Let other bytes stand for those of files in this block: of each for which they are given to what it yields."""
    drafts: dict[str, bytes] = {}

    def put(path: Path, data: bytes) -> None:
        drafts[os.path.realpath(path)] = data

    token = _DRAFTS.set(drafts)
    try:
        yield put
    finally:
        _DRAFTS.reset(token)


def draft_of(path: Path | str) -> bytes | None:
    """What stands in for a file; None where nothing does."""
    drafts = _DRAFTS.get()
    return drafts.get(os.path.realpath(path)) if drafts else None


def read_bytes(path: Path | str) -> bytes:
    """A file, whole, or what stands in for it.

    :raises OSError: it cannot be read.
    """
    draft = draft_of(path)
    if draft is not None:
        return draft
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - without a buffer, of which nothing is left
        return file.read()
