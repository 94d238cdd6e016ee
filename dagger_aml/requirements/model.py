"""What a project wants of pip, as frozen data."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@|https?://[^/\s@]+@")


SECRET = "Remove it from the file, and give it when you build: `--secret id=pip,env=NAME`, or `src=FILE`."
"""What to do with a password that stands in a file which goes into the image."""


@frozen
class Requirements:
    """What a project wants of pip, and all the files on this machine that it names.

    :param path: the file that was read: a requirements file, a lock, or ``pyproject.toml``.
    :param names: the packages that it and the files it includes list, in order; constraints not among them.
    :param files: the file itself, files that it includes, wheels and source archives.
    :param text: what goes into the image in the file's place: pip's lines, made from a lock or ``pyproject.toml``;
        None for a requirements file, which goes as it is.
    :param indexes: option lines, to stand above ``text``, for the package indexes that the lock was made with.
    :param hashes: whether pip will take only what has a hash in the file.
    :param python: the Python versions that the file is for, such as ``>=3.10``; empty for any.
    """

    path: Path
    names: tuple[str, ...]
    files: tuple[Path, ...]
    text: str | None = None
    indexes: tuple[str, ...] = ()
    hashes: bool = False
    python: str = ""


def has_password(text: str) -> bool:
    """Whether a URL in a text has a password or token in it."""
    return _PASSWORD.search(text) is not None


LONGEST_PACKAGE = 4096
"""Characters of one package as it is written, its URL included."""
