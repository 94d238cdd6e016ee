"""A file system that takes nothing more: known by what is raised or said, and told with the room that there is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..errors import BuildError, DaggerAmlError, UsageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


_SAID = ("no space left on device", "disk quota exceeded")


_LITTLE = 1 << 20
"""Bytes: with fewer free, a file system counts as full."""


def says_full(text: str) -> bool:
    """Whether a program's words mean that a disk is full."""
    return any(words in text.lower() for words in _SAID)


def is_full(place: Path) -> bool:
    """Whether a file system takes nothing more: no bytes or no names."""
    try:
        found = os.statvfs(place)
    except (OSError, AttributeError):
        return False
    return found.f_bavail * found.f_frsize < _LITTLE or (found.f_files > 0 and found.f_favail == 0)


def not_written(error: OSError, location: str, place: Path) -> DaggerAmlError:
    """The error for an output that the system did not take: exit code 1 where its disk is full, else 2.

    :param location: as the user named it.
    :param place: a folder on its file system.
    """
    message = f"cannot be written ({error.strerror or error})"
    if error.errno in _FULL:
        return DaggerAmlError(message, location=location, hint=more_room(place))
    hint = "Use a path where this user may write." if error.errno in _DENIED else None
    return UsageError(message, location=location, hint=hint)


def not_kept(error: OSError, root: Path) -> DaggerAmlError:
    """The same for what goes into the cache, of which the user named nothing."""
    made = not_written(error, str(root), root)
    way = "It is the cache: `dagger-aml cache prune` empties it, and DAGGER_AML_CACHE_DIR names another folder."
    made.hint = "\n".join(filter(None, (made.hint, way)))
    return made


def not_removed(error: OSError, root: Path) -> UsageError | None:
    """The error for a cache that this user may not remove from; None for any other fault."""
    if error.errno not in _DENIED:
        return None
    return UsageError(
        f"the cache cannot be emptied ({error.strerror})",
        location=str(root),
        hint="Do it where the folder may be written to, as a user who owns it; "
        "or name the cache that is meant by DAGGER_AML_CACHE_DIR.",
    )


def not_saved(error: DaggerAmlError, location: str, place: Path) -> DaggerAmlError:
    """The error of a builder that wrote an output, told as a full disk where it says so."""
    if not isinstance(error, BuildError) or not says_full(f"{error.message}\n{error.output}"):
        return error
    return BuildError(
        "cannot be written (no space left on device)",
        location=location,
        command=error.command,
        output=error.output or error.message,
        hint=more_room(place),
    )


def more_room(place: Path) -> str:
    """What to do about a full disk, with the room at a folder and in the one for temporary files."""
    return (
        "Free disk space there, or use another path.\n"
        f"Free: {_free(place)}. For temporary files: {_free(temporary_folder())} (set TMPDIR to use another folder)."
    )


def temporary_folder() -> Path:
    """Where large temporary files go: $TMPDIR, else /var/tmp, which is not in memory as /tmp may be, else /tmp."""
    roomy = "/var/tmp"
    if not os.environ.get("TMPDIR") and os.access(roomy, os.W_OK):
        return Path(roomy)
    return Path(os.environ.get("TMPDIR") or "/tmp")


def _free(place: Path) -> str:
    import shutil

    try:
        return f"{shutil.disk_usage(place).free / 1e6:,.1f} MB in {place}"
    except OSError as error:
        return f"unknown in {place} ({error.strerror})"
