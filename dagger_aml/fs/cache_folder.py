"""Where dagger-aml keeps what it can make again."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ..errors import UsageError
from ..text import expanded

VARIABLE = "DAGGER_AML_CACHE_DIR"


def cache_folder() -> Path:
    """``$DAGGER_AML_CACHE_DIR``, else ``dagger-aml`` in the folder for caches of this system's users; not made here.

    Sources: the XDG base directory specification, Apple's and Microsoft's folders for application data.
    """
    said = os.environ.get(VARIABLE)
    if said:
        return expanded(said)
    if sys.platform == "darwin":
        return expanded("~/Library/Caches") / "dagger-aml"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or expanded("~/AppData/Local")) / "dagger-aml" / "cache"
    # The specification has a relative path ignored.
    said = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(said) if said.startswith("/") else expanded("~/.cache")) / "dagger-aml"


def private_folder(path: Path) -> Path:
    """The folder, made with its parents where it is not there; for this user alone (0700).

    :raises UsageError: it cannot be made, or belongs to somebody else.
    """
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
        path.chmod(0o700)
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
