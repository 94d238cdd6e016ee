"""Whether something lies at a path that a text names. The answer is no where Path's own methods raise.

What a user's code names may be too long for a path, hold a NUL, or lie in a folder that this user may not read.
"""

from __future__ import annotations

import os
from pathlib import Path


def is_file(path: Path | str) -> bool:
    """Whether a file is there, or a link to one; a pipe or a device is none."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: Path | str) -> bool:
    """Whether anything is there that is no dangling link."""
    return os.path.exists(path)  # noqa: PTH110
