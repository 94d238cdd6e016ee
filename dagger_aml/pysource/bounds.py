"""How much Python is read: ``ast.parse`` itself takes memory by the word, and stack by the depth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice

from ..text import pattern

MOST_BYTES, MOST_WORDS = 2_000_000, 100_000
"""Of a file; words are names, numbers, single signs, and whole texts in quotes but for those with values in them."""

DEEPEST = 2500
"""Levels of statements and expressions in one another."""

_FEW_BYTES = 100_000
"""A text below it has fewer words than the most, since each has a byte."""

_WORD = pattern(rb"\w+|[^\w\s]")

_TOKEN = pattern(rb"\"\"\"|'''|[\"'#]|\w+|[^\w\s]")

_REST: Mapping[bytes, re.Pattern[bytes]] = {
    b'"""': pattern(rb'[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""', re.DOTALL),
    b"'''": pattern(rb"[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''", re.DOTALL),
    b'"': pattern(rb'[^"\\\n]*(?:\\.[^"\\\n]*)*"', re.DOTALL),
    b"'": pattern(rb"[^'\\\n]*(?:\\.[^'\\\n]*)*'", re.DOTALL),
    b"#": pattern(rb"[^\n]*"),
}
"""What goes on behind a quote or the sign of a comment, and its end."""

_MOST_SIGNS = 1500

_SIGNS = (b"not", b"lambda", b"await", b"-", b"+", b"~")

_PREFIXES = pattern(rb"(?:(?:\bnot\b|\blambda\s*:|\bawait\b|[-+~])\s*){%d}" % _MOST_SIGNS)
"""Signs before an expression, each of which is a level for the parser; fewer of them it bears."""


def too_much(data: bytes) -> str | None:
    """Why a text is not parsed; None where it is."""
    if len(data) > MOST_BYTES:
        return f"is larger than {MOST_BYTES:,} bytes"
    if len(data) > _FEW_BYTES and _has_too_many(data):
        return f"has more than {MOST_WORDS:,} words"
    # Few texts have as many of them at all, and counting is faster than looking for them in a row.
    if sum(map(data.count, _SIGNS)) >= _MOST_SIGNS and _PREFIXES.search(data):
        return f"is nested deeper than {DEEPEST} levels"
    return None


def _has_too_many(data: bytes) -> bool:
    """Whether a text has more words than the most; the parser takes a text in quotes for one, however long."""
    if _count(data) <= MOST_WORDS:
        return False
    at, words, before = 0, 0, b""
    while words <= MOST_WORDS and (found := _TOKEN.search(data, at)):
        token, at = found[0], found.end()
        words += token != b"#"
        if token in _REST:
            rest = _REST[token].match(data, at)
            if rest is None:
                # Never closed, so it is no Python: nothing of it is looked at twice.
                return words + _count(data[at:]) > MOST_WORDS
            # Values stand in braces behind such a letter.
            words += _count(rest[0]) if token != b"#" and before.lower() in _WITH_VALUES else 0
            at = rest.end()
        before = token
    return words > MOST_WORDS


def _count(data: bytes) -> int:
    """How many words there are; of more than the most, no further than that."""
    return sum(1 for _ in islice(_WORD.finditer(data), MOST_WORDS + 1))


_WITH_VALUES = (b"f", b"rf", b"fr", b"t", b"rt", b"tr")
