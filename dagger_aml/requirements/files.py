"""The files that lists of packages name."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from ..errors import ProjectError, unreadable
from ..fs import drafts
from ..fs.nearby import meant


def inside(path: Path, shown: str, location: str, root: Path, *, folder: bool = False) -> Path:
    """The file, or folder, that a line names: it exists, is no link, and lies in the project.

    :param shown: as the line has it.
    :raises ProjectError: it does not; it is named by an absolute path, which nothing in the build has.
    """
    if shown.lower().startswith("file:"):
        raise ProjectError(
            f"a file URL cannot be used in the build: {shown!r}",
            location=location,
            hint="Copy the file into the project, and name it by its relative path.",
        )
    if "://" in shown:
        raise ProjectError(f"a file from the network cannot be included: {shown}", location=location)
    found = path.resolve()
    if not found.is_relative_to(root):
        raise ProjectError(
            f"{shown!r} is outside the project", location=location, hint=f"Copy it into {root} and name it there."
        )
    if os.path.isabs(shown):  # noqa: PTH117 - no error for a name that no file can have
        raise ProjectError(
            f"{shown!r} is an absolute path, and the build does not have it",
            location=location,
            hint=f"Write the path relative to this file, as for {found.relative_to(root)} in the project's folder.",
        )
    if os.path.islink(path):  # noqa: PTH114 - no error for a name that no file can have
        raise ProjectError(f"{shown!r} is a link; name the file that it points to", location=location)
    there = os.path.isdir(found) if folder else os.path.isfile(found)  # noqa: PTH112, PTH113 - as above
    if not there:
        kind = "is not a folder" if os.path.exists(found) and folder else "does not exist"  # noqa: PTH110 - as above
        raise ProjectError(f"{shown!r} {kind}", location=location, hint=f"{meant(path)}It is looked for at {path}.")
    return found


def read_text(path: Path) -> str:
    """A text file of the project, whole, without its byte order mark.

    :raises ProjectError: missing, unreadable, neither UTF-8 nor marked as UTF-16 or UTF-32.
    """
    return decoded(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """A file of the project, whole.

    :raises ProjectError: missing or unreadable.
    """
    try:
        return drafts.read_bytes(path)
    except FileNotFoundError:
        raise ProjectError("does not exist", location=str(path)) from None
    except IsADirectoryError:
        raise ProjectError("is a folder, not a file", location=str(path)) from None
    except OSError as error:
        raise unreadable(error, path) from None


_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; the first that fits counts, for UTF-16's is how one of UTF-32's begins."""


def marked(data: bytes) -> tuple[bytes, str] | None:
    """The byte order mark of a file, and the encoding that it tells; None without one."""
    return next((each for each in _MARKS if data.startswith(each[0])), None)


def decoded(data: bytes, path: Path, encoding: str = "utf-8") -> str:
    """A file's text.

    :param encoding: of a file without a byte order mark.
    :raises ProjectError: it is no text in that encoding, or there is no such encoding.
    """
    mark, encoding = marked(data) or (b"", encoding)
    hint = "Save it as UTF-8."
    try:
        text = data[len(mark) :].decode(encoding)
    except LookupError:
        raise ProjectError(
            f"its coding line names an unknown encoding: {encoding}", location=str(path), hint=hint
        ) from None
    except ValueError:
        raise ProjectError(f"is not a text file in {encoding.upper()}", location=str(path), hint=hint) from None
    if "\0" in text:
        raise ProjectError("is not a text file (it holds NUL characters)", location=str(path), hint=hint)
    return text
