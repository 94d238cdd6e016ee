"""What the metadata of an installed package says, by its lines."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import IO

from .facts import Distribution

_MOST_OF_A_LINE, _MOST_TOLD = 64 * 1024, 256 * 1024
"""Characters, and bytes of one file."""

_TOLD = ("name:", "version:", "requires-dist:")


def lines_of_metadata(file: IO[bytes]) -> bytes | None:
    """The lines of a METADATA file that :data:`~dagger_aml.base.probe.PROBE` prints; the description is not read.

    :returns: None where there is too much of them.
    """
    text = io.TextIOWrapper(file, "utf-8", "replace")
    told, size = [], 0
    while line := text.readline(_MOST_OF_A_LINE):
        if not line.endswith("\n") and len(line) == _MOST_OF_A_LINE:
            return None
        if line == "\n":
            break
        if line.lower().startswith(_TOLD):
            told.append(line.strip().encode("utf-8", "surrogateescape"))
            size += len(told[-1])
        if size > _MOST_TOLD:
            return None
    return b"\n".join(told)


def of_folder(name: str) -> tuple[str, str] | None:
    """Name and version of a package by the name of its metadata's folder, ``scikit_learn-1.5.2.dist-info``.

    :returns: the name as it is compared, ``scikit-learn``; None where it is no such folder.
    """
    stem, dot, kind = name.rpartition(".")
    said, dash, version = stem.rpartition("-")
    if not (dot and kind == "dist-info" and dash and said and version):
        return None
    return re.sub(r"[-_.]+", "-", said).lower(), version.replace("_", "-")


def distribution_of(lines: Iterable[str]) -> Distribution | None:
    """What these lines tell of a package; None where name or version is missing."""
    name = version = ""
    requires = []
    for line in lines:
        key, _, value = line.partition(":")
        key, value = key.lower(), value.strip()
        if key == "name":
            name = value
        elif key == "version":
            version = value
        elif key == "requires-dist":
            requires.append(value)
    return Distribution(name, version, tuple(requires)) if name and version else None
