"""Why a served image failed, as data."""

from __future__ import annotations

from collections.abc import Sequence

from ..data import frozen
from .log import Reader

LONGEST = 14
"""Lines of a traceback that are shown."""


@frozen
class Cause:
    """Why a served image failed.

    :param code: the start script's or the server's exit code, or None.
    :param message: one sentence without a final full stop.
    :param location: ``code/score.py:12``, or None.
    :param hint: what to do about it, one or more lines.
    :param shown: the user's own part of the traceback, innermost last, and other lines that tell something.
    :param kind: a word for programs: ``import``, ``library``, ``write``, ``file``, ``script``, ``pip``, ``contract``,
        ``memory``, ``crash``, ``timeout``, ``network``, ``restricted``, ``raised``, ``answer``, ``unknown``.
    """

    code: int | None
    message: str
    location: str | None = None
    hint: str = ""
    shown: tuple[str, ...] = ()
    kind: str = "unknown"


def tail(lines: Sequence[str]) -> tuple[str, ...]:
    """The last lines that tell something: the entry script's own and errors, or else the start script's."""
    reader = Reader()
    read = [reader.read(line) for line in lines]
    told = [each.shown for each in read if each.kind in ("user", "error") and each.text.strip()]
    begun = any(each.time for each in read)
    return tuple(told or ([] if begun else [line for line in lines if line.strip()]))[-LONGEST:]
