"""What tells that somebody wrote to a file while it was read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from ..errors import DaggerAmlError, ProjectError
from ..graph.graph import Copy, LayerOp
from ..graph.source import Local
from ..graph.stages import walk
from .tree import placed

AGAIN = "Run the same command again when no program writes to it any more."


Stamps = dict[str, tuple[int, int, int] | None]
"""Size, time in nanoseconds and number of each file; None of one that is not there."""


def stamps(layers: Iterable[LayerOp]) -> Stamps:
    """What tells that a file was changed, for each local file that layers take, those of stages included."""
    return {path: _stamp(path) for path in local_files(layers)}


def local_files(layers: Iterable[LayerOp]) -> Iterator[str]:
    """The path of each file of this machine that layers take, those of stages included."""
    for op in walk(layers):
        layer = op.layer
        if isinstance(layer, Copy) and isinstance(layer.source, Local):
            for entry, path in placed(layer.source):
                if entry.type == "file":
                    yield path


def check_stamps(before: Stamps) -> None:
    """Refuse what was made of files that somebody else wrote to meanwhile.

    A file's bytes are read at one moment and its digest is taken at another: they would not agree.

    :raises ProjectError: a file vanished or changed.
    """
    for path, stamp in before.items():
        now = _stamp(path)
        if now is None or now != stamp:
            message = "disappeared" if now is None else "changed"
            raise ProjectError(f"{message} while it was being read", location=path, hint=AGAIN)


@contextlib.contextmanager
def unchanged(layers: Iterable[LayerOp]) -> Iterator[None]:
    """Check the stamps of what layers take around a block; also where it failed, which is then why.

    :raises ProjectError: a file vanished or changed.
    """
    before = stamps(layers)
    try:
        yield
    except DaggerAmlError:
        check_stamps(before)
        raise
    check_stamps(before)


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        info = os.lstat(path)
    except OSError:
        return None
    return info.st_size, info.st_mtime_ns, info.st_ino
