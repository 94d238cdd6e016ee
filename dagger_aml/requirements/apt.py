"""Debian packages: names, and files that list them."""

from __future__ import annotations

from pathlib import Path

from ..errors import GraphError, ProjectError
from ..finding import FileLocation
from ..text import pattern
from .files import read_text
from .model import LONGEST_PACKAGE

_APT = pattern(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?(?:=[A-Za-z0-9.+:~-]+\*?|/[a-z0-9.-]+)?\Z")


def read_apt(path: Path) -> tuple[str, ...]:
    """The packages of an apt file: names separated by white space, ``#`` begins a comment.

    :raises ProjectError: missing, unreadable, not UTF-8, or a word that is not a Debian package, with file:line.
    """
    found: list[str] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        for word in line.partition("#")[0].split():
            if not _APT.match(word):
                raise ProjectError(
                    f"not an apt package: {word!r}",
                    location=FileLocation(str(path), path, number),
                    hint="Write NAME, NAME=VERSION or NAME:ARCHITECTURE.",
                )
            found.append(word)
    return tuple(dict.fromkeys(found))


def check_apt(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the packages if each is a Debian package name, with an optional ``:ARCH``, ``=VERSION`` or ``/RELEASE``.

    :raises GraphError: one is not.
    """
    for package in packages:
        if not isinstance(package, str) or not _APT.match(package) or len(package) > LONGEST_PACKAGE:
            hint = "Write NAME, NAME=VERSION or NAME:ARCHITECTURE."
            raise GraphError(f"not an apt package: {repr(package)[:80]}", hint=hint)
    return tuple(dict.fromkeys(packages))
