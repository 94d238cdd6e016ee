"""Where the files of an image are on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .. import contract
from ..graph.graph import Copy, LayerOp
from ..graph.source import Local

Locate = Callable[[str], str | None]
"""From a path in the image to the project's file, as seen from the working directory; None where it is not the
project's."""


def located(layers: tuple[LayerOp, ...]) -> Locate:
    """Of an image whose layers are known."""
    copies = [
        (each.dest, each.source) for each in layers if isinstance(each, Copy) and isinstance(each.source, Local)
    ]

    def locate(path: str) -> str | None:
        for dest, source in copies:
            if path == dest:
                return str(near(Path(source.path)))
            below = path.removeprefix(dest + "/")
            if below != path and any(entry.path == below for entry in source.entries):
                return str(near(Path(source.path) / below))
        return None

    return locate


def in_image(path: str) -> str | None:
    """Of an image of which nothing is known: what lies where code goes is the user's, under its path there."""
    return path if path.startswith(contract.APP_ROOT + "/") and "/site-packages/" not in path else None


def near(path: Path) -> Path:
    """A path as seen from the working directory, where it lies below that."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve())
    except (ValueError, OSError):
        return path
