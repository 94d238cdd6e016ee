"""Where the fast tests have their temporary folders: in memory, if the machine has room there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

MEMORY = Path("/dev/shm")
"""Of Linux; containers often have 64 MB of it, which is not enough."""

LEAST = 4 << 30
"""Bytes that must be free there; the tests hold some 300 MB at a time."""

FAST = ("tests/unit", "tests/golden")

KEPT = 3
"""Runs whose folders stay, for a look; pytest keeps as many."""

_NAME = "aml-"
"""What such folders begin with; short, since paths of sockets may have 107 bytes."""

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


def own_root(parent: Path) -> Path:
    """A folder for the temporary folders of this run alone, which others may walk through.

    pytest's own, ``pytest-of-USER``, is one for all runs of a user, and each that begins shuts it to others: in the
    middle of a test of another run that has become nobody, too. Folders of runs that are over go, but for the latest.
    """
    parent = parent.resolve()  # As pytest tells its folders.
    over = [each for each in parent.glob(f"{_NAME}*") if not _runs(each) and _is_of_pytest(each)]
    for each in sorted(over, key=_when)[:-KEPT]:
        shutil.rmtree(each, ignore_errors=True)
    made = parent / f"{_NAME}{os.getpid()}"
    shutil.rmtree(made, ignore_errors=True)  # Of an earlier process of that number.
    made.mkdir()
    made.chmod(0o755)
    return made


def _runs(folder: Path) -> bool:
    """Whether the run goes on whose folder this is, or may."""
    try:
        os.kill(int(folder.name.removeprefix(_NAME)), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True


def _is_of_pytest(folder: Path) -> bool:
    """Whether it holds what pytest makes, and nothing that somebody keeps in a folder of such a name."""
    with contextlib.suppress(OSError):
        return all(each.startswith("pytest-of-") for each in os.listdir(folder))
    return False


def _when(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime
    return 0
