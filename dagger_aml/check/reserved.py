"""Files beside the code that the inference server reads as its own."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..data import frozen
from ..fs.lookup import is_file

_LARGEST = 4_000_000
"""Bytes of a file from which on it is not read here."""

SWAGGER = ("swagger.json", "swagger2.json", "swagger3.json", "swagger3.1.json")

NAMES = ("config.json", "logging.json", *SWAGGER)


class _Broken:
    """What stands for a file that is no JSON."""


BROKEN = _Broken()


@frozen
class Reserved:
    """A file of such a name.

    :param found: what stands in it; :data:`BROKEN` where that is no JSON.
    """

    path: Path
    found: Any


def reserved_in(code: Path, top: str, root: str, script: str, has: Callable[[str], bool]) -> Iterator[Reserved]:
    """The files of such names that the server reads.

    :param code: a folder here, and ``top`` the same in the image.
    :param root: the folder in the image that the server starts in.
    :param script: relative to that.
    :param has: whether the image has a file.
    """
    beside = posixpath.dirname(posixpath.normpath(f"{root}/{script}"))
    for name in NAMES:
        for folder in dict.fromkeys((root, root if name in SWAGGER else beside)):
            path = code / posixpath.relpath(f"{folder}/{name}", top)
            if not has(f"{folder}/{name}") or not is_file(path):
                continue
            size = path.stat().st_size
            if size > _LARGEST or (name == "config.json" and not size):
                continue
            try:
                yield Reserved(path, json.loads(path.read_bytes().decode("utf-8")))
            except (ValueError, RecursionError):
                yield Reserved(path, BROKEN)
            break
