"""Paths as the engine's include and exclude patterns have them."""

from __future__ import annotations

import re


def exact_pattern(path: str) -> str:
    """An include or exclude pattern that means exactly this path.

    The engine makes a regular expression of it, after taking white space off both ends.
    """
    plain = re.sub(r"[\\*?\[\]!+(){}|^$]", r"\\\g<0>", path.lstrip("/"))
    return re.sub(r"\s", r"[\g<0>]", plain)
