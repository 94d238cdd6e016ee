"""Where dagger-aml keeps what it can make again."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ..errors import UsageError
from ..text import expanded

VARIABLE = "DAGGER_AML_CACHE_DIR"

_NOWHERE = Path(os.devnull) / "no-home"
"""The home of a user who has none: nothing can be made in it, by root neither, and nothing is found there."""


def cache_folder() -> Path:
    """``$DAGGER_AML_CACHE_DIR``, else ``dagger-aml`` in the folder for caches of this system's users; not made here.

    Sources: the XDG base directory specification, Apple's and Microsoft's folders for application data.
    """
    said = os.environ.get(VARIABLE)
    if said:
        return expanded(said)
    if sys.platform == "darwin":
        return _at_home("Library/Caches") / "dagger-aml"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _at_home("AppData/Local")) / "dagger-aml" / "cache"
    # The specification has a relative path ignored.
    said = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(said) if said.startswith("/") else _at_home(".cache")) / "dagger-aml"


def _at_home(path: str) -> Path:
    """A path in this user's home. One in a container often has none, and a ``~`` that stays is no folder's name."""
    home = expanded("~")
    return (_NOWHERE if str(home).startswith("~") else home) / path


def private_folder(path: Path) -> Path:
    """The folder, made with its parents where it is not there; for this user alone (0700).

    :raises UsageError: it cannot be made, or belongs to somebody else.
    """
    if path.is_relative_to(_NOWHERE):
        raise UsageError(
            "the cache has no place: this user has no home",
            hint=f"Set {VARIABLE} to a folder that you may write to.",
        )
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.stat()
    except OSError as error:
        raise UsageError(
            f"the folder of the cache cannot be made ({error.strerror})",
            location=str(path),
            hint=f"Set {VARIABLE} to a folder that you may write to.",
        ) from None
    if hasattr(os, "geteuid") and info.st_uid != os.geteuid():
        raise UsageError(
            "the folder of the cache belongs to another user, who could change what is built",
            location=str(path),
            hint=f"Set {VARIABLE} to a folder of your own.",
        )
    if info.st_mode & 0o077:
        try:
            path.chmod(0o700)
        except OSError as error:
            raise UsageError(
                f"the folder of the cache is open to others, and cannot be made this user's alone ({error.strerror})",
                location=str(path),
                hint=f"Set {VARIABLE} to a folder that you may write to.",
            ) from None
    return path


def is_own(folder: Path) -> bool:
    """Whether nobody else can write there."""
    try:
        found = folder.stat()
    except OSError:
        return False
    if not hasattr(os, "geteuid"):
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
