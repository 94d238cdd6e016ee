"""Where the fast tests have their temporary folders: in memory, if the machine has room there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

MEMORY = Path("/dev/shm")
"""Of Linux; containers often have 64 MB of it, which is not enough."""

LEAST = 4 << 30
"""Bytes that must be free there; the tests hold some 300 MB at a time."""

FAST = ("tests/unit", "tests/golden")

ROOT = Path(__file__).parents[2]


def are_fast(args: Iterable[str]) -> bool:
    """Whether a run of these arguments of pytest's is of fast tests alone."""
    places = [Path(each.partition("::")[0]).resolve() for each in args]
    fast = [ROOT / each for each in FAST]
    return bool(places) and all(any(place.is_relative_to(each) for each in fast) for place in places)


def in_memory(args: Iterable[str]) -> bool:
    """Whether a run of these arguments of pytest's has its temporary folders in memory.

    Only where all of them are fast tests: builders read folders in ways of their own, and some are not on this side
    of a mount. A user who says where they are to be is not argued with.
    """
    if any(os.environ.get(each) for each in ("PYTEST_DEBUG_TEMPROOT", "TMPDIR")):
        return False
    if not are_fast(args):
        return False
    return MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= LEAST
