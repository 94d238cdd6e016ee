"""The machine that a benchmark runs on."""

from __future__ import annotations

import os
import platform


def machine() -> str:
    """What it was measured on, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores of {platform.machine()}, {memory:.0f} GiB, load {load:.1f} at the start"
