"""TOML, and where what is wrong with it, or a key, stands in a file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any, TypeAlias

from .data import frozen

_Key: TypeAlias = tuple[str | int, ...]

_AT = re.compile(r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")


class NotToml(ValueError):
    """A text is no TOML; as a text, the error is what the parser says, place included.

    :param said: what the parser says.
    """

    def __init__(self, said: str) -> None:
        super().__init__(said)
        at = _AT.search(said)
        self.reason: str = said.replace(at[0], "") if at else said
        """What is wrong, without the place."""
        self.line: int | None = int(at["line"]) if at and at["line"] else None
        """Where, from 1; None for the end of the text."""
        self.column: int | None = int(at["column"]) if at and at["column"] else None


def read(text: str) -> dict[str, Any]:
    """The tables of a text.

    :raises NotToml: it is none, or more or deeper than is read.
    """
    if len(text) > MOST_CHARACTERS:
        raise NotToml(f"is longer than {MOST_CHARACTERS:,} characters")
    if _LONG_KEY.search(text):
        raise NotToml(f"has a key of more than {_DEEPEST} parts")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotToml(str(error)) from None
    except RecursionError:
        raise NotToml("is nested too deep") from None
    if _is_deep(found):
        raise NotToml("is nested too deep")
    return found


def _is_deep(found: Any) -> bool:
    level, depth = [found], 0
    while level and depth <= _DEEPEST:
        level = [
            value
            for each in level
            for value in (each.values() if isinstance(each, dict) else each)
            if isinstance(value, dict | list)
        ]
        depth += 1
    return bool(level)


MOST_CHARACTERS = 32_000_000
"""Of a text: locks of many packages are long."""

_DEEPEST = 32
"""Tables and lists in one another, and parts of a key."""


_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""


_LONG_KEY = re.compile(rf"^[ \t]*(?:\[+[ \t]*)?(?:{_PART}[ \t]*\.[ \t]*){{{_DEEPEST}}}", re.M)

_ASSIGNMENT = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")


@frozen
class Lines:
    """Where the keys of a text stand.

    :param exact: the first line, from 1, of each table's header and of each ``key =``.
    :param headed: the first line of a header of each key or of something in it.
    """

    exact: Mapping[_Key, int]
    headed: Mapping[_Key, int]

    def of(self, key: _Key) -> int:
        """The line, from 1, on which a key stands, or the nearest enclosing one that has a line.

        For a key within an inline table it is the line of the table.
        """
        whole = [lines[key] for lines in (self.exact, self.headed) if key in lines]
        if whole:
            return min(whole)
        return next((self.exact[key[:n]] for n in range(len(key) - 1, 0, -1) if key[:n] in self.exact), 1)


def lines_of(text: str) -> Lines:
    """Find where the keys of a text stand.

    Reads headers and ``key =`` at the beginning of lines, which is how people write these files.
    """
    exact: dict[_Key, int] = {}
    headed: dict[_Key, int] = {}
    table: _Key = ()
    counts: dict[_Key, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        header = _HEADER.match(line)
        if header:
            table = _split_key(header[2])
            if header[1] == "[[":
                index = counts[table] = counts.get(table, -1) + 1
                table = (*table, index)
            for length in range(min(len(table), _DEEPEST) + 1):
                headed.setdefault(table[:length], number)
            exact.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            exact.setdefault((*table, *_split_key(assignment[1])), number)
    return Lines(exact, headed)


def _split_key(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[^.]+', text))
