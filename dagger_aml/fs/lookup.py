"""Whether something lies at a path that a text names. The answer is no where Path's own methods raise.

What a user's code names may be too long for a path, hold a NUL, or lie in a folder that this user may not read. Where
that is to be told, :func:`kind_at` raises, as Path's methods do before Python 3.14.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Literal


def is_file(path: Path | str) -> bool:
    """Whether a file is there, or a link to one; a pipe or a device is none."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: Path | str) -> bool:
    """Whether anything is there that is no dangling link."""
    return os.path.exists(path)  # noqa: PTH110


def kind_at(path: Path) -> Literal["folder", "file", "other"] | None:
    """What is there, through links; None where nothing is, or a dangling link.

    :raises OSError: it cannot be told: a folder above may not be searched, the name is too long.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:  # A NUL.
        return None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"
