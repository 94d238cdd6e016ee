"""What was probably meant by a path that is not there."""

from __future__ import annotations

import os
from pathlib import Path

from .lookup import is_folder, is_there

_MOST = 1000
"""Names of a folder that are compared, so that a large one is not gone through for a hint."""


def meant(path: Path, root: Path | None = None) -> str:
    """A question that names what is there and is called nearly so, with a space behind it; empty where nothing is.

    The first part of the path that is missing is replaced by the nearest name beside it, if the rest is then there.

    :param path: what is not there.
    :param root: what the path is shown relative to; the path itself is shown as it is written unless given.
    """
    there, missing = path.parent, [path.name]
    while not is_folder(there):
        if there == there.parent:
            return ""
        missing.insert(0, there.name)
        there = there.parent
    beside = (there.joinpath(name, *missing[1:]) for name in _near(there, missing[0]))
    found = next(filter(is_there, beside), None)
    if found is None:
        return ""
    shown = Path(os.path.relpath(found, root)).as_posix() if root else str(found)
    return f"Did you mean {shown!r}? "


def _near(folder: Path, name: str) -> list[str]:
    """Names of a folder that are nearly this one, the nearest first; one that differs in its capitals before all."""
    import difflib
    from itertools import islice

    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, _MOST))
    except OSError:
        return []
    same = [each for each in names if each.lower() == name.lower() and each != name]
    return [*same, *difflib.get_close_matches(name, names, 2, 0.6)]
