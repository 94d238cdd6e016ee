"""Paths as the engine's include and exclude patterns have them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...errors import GraphError
from ...graph.checks import short
from ...text import named

_NO_TEXT = re.compile("[\udc80-\udcff]")
"""A byte of a name that is not UTF-8."""

_TAKEN_FOR = "\ufffd"
"""What patterns find in its place."""


def exact_pattern(path: str) -> str:
    """An include or exclude pattern that means exactly this path.

    The engine makes a regular expression of it, after taking white space off both ends. For it all bytes that are not
    UTF-8 are alike: :func:`check_told_apart`.
    """
    plain = re.sub(r"[\\*?\[\]!+(){}|^$]", r"\\\g<0>", path.lstrip("/"))
    return _NO_TEXT.sub(f"[{_TAKEN_FOR}]", re.sub(r"\s", r"[\g<0>]", plain))


def is_text(path: str) -> bool:
    """Whether an engine can be told a path as it is."""
    return not _NO_TEXT.search(path)


def check_told_apart(paths: Iterable[str], location: str) -> None:
    """:raises GraphError: a pattern of one path would mean another one too."""
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(_NO_TEXT.sub(_TAKEN_FOR, path), path)
        if other != path:
            raise GraphError(
                f"a Dagger engine cannot tell {short(other)} from {short(path)}: they differ only in bytes that are "
                "not UTF-8",
                location=location,
                hint=f"Rename one of them, or add {named('layers', 'direct')}.",
            )
