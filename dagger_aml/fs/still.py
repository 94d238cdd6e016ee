"""What tells that a file is as it was: device, inode, size, and the times of the last change of content and inode.

The time of the last change of a file's own record cannot be set back. A file changed twice within one tick of a clock
keeps its times, so what is kept of files is kept only of those that lay still for a while before they were read, as
git's index has it ("racily clean").
"""

from __future__ import annotations

import os
import sys
import time

STILL_NS = 2_000_000_000
"""For which a file must not have been changed before it is read: FAT's times have two seconds."""

CHANGE_TIMES = sys.platform != "win32"
"""Whether files have a time that nobody can set back; on Windows that field is when they were made."""

Stamp = tuple[int, int, int, int, int]


def stamp_of(info: os.stat_result) -> Stamp:
    """Device, inode, size and both times of a file, the times in nanoseconds since 1970."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def lay_still(stamp: Stamp, now_ns: int) -> bool:
    """Whether a file had not been changed for a while.

    :param now_ns: before its stamp was taken, since 1970.
    """
    return CHANGE_TIMES and max(stamp[3:]) < now_ns - STILL_NS


def now_ns() -> int:
    """The time now, since 1970."""
    return time.time_ns()
