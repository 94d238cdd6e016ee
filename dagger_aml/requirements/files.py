"""The files that lists of packages name."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ProjectError, unreadable


def inside(path: Path, shown: str, location: str, root: Path, *, folder: bool = False) -> Path:
    """The file, or folder, that a line names: it exists, is no link, and lies in the project.

    :raises ProjectError: it does not.
    """
    if "://" in shown:
        raise ProjectError(f"a file from the network cannot be included: {shown}", location=location)
    found = path.resolve()
    if not found.is_relative_to(root):
        raise ProjectError(
            f"{shown!r} is outside the project", location=location, hint=f"Copy it into {root} and name it there."
        )
    if os.path.islink(path):  # noqa: PTH114 - no error for a name that no file can have
        raise ProjectError(f"{shown!r} is a link; name the file that it points to", location=location)
    there = os.path.isdir(found) if folder else os.path.isfile(found)  # noqa: PTH112, PTH113 - as above
    if not there:
        kind = "is not a folder" if os.path.exists(found) and folder else "does not exist"  # noqa: PTH110 - as above
        raise ProjectError(f"{shown!r} {kind}", location=location, hint=f"It is looked for at {path}.")
    return found


def read_text(path: Path) -> str:
    """A text file of the project, whole, without a byte order mark.

    :raises ProjectError: missing, unreadable, not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ProjectError("does not exist", location=str(path)) from None
    except IsADirectoryError:
        raise ProjectError("is a folder, not a file", location=str(path)) from None
    except OSError as error:
        raise unreadable(error, path) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ProjectError("is not a text file in UTF-8", location=str(path)) from None
    if "\0" in text:
        raise ProjectError("is not a text file (it holds NUL characters)", location=str(path))
    return text
