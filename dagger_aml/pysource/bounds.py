"""How much Python is read: ``ast.parse`` itself takes memory by the word, and stack by the depth."""

from __future__ import annotations

import re

MOST_BYTES, MOST_WORDS = 2_000_000, 100_000
"""Of a file; words are names, numbers and single signs."""

DEEPEST = 2500
"""Levels of statements and expressions in one another."""

_FEW_BYTES = 100_000
"""A text below it has fewer words than the most, since each has a byte."""

_WORD = re.compile(rb"\w+|[^\w\s]")

_PREFIXES = re.compile(rb"(?:(?:\bnot\b|\blambda\s*:|\bawait\b|[-+~])\s*){1500}")
"""Signs before an expression, each of which is a level for the parser; fewer of them it bears."""


def too_much(data: bytes) -> str | None:
    """Why a text is not parsed; None where it is."""
    if len(data) > MOST_BYTES:
        return f"is larger than {MOST_BYTES:,} bytes"
    if len(data) > _FEW_BYTES:
        words = sum(1 for _ in _WORD.finditer(data))
        if words > MOST_WORDS:
            return f"has more than {MOST_WORDS:,} words"
    if _PREFIXES.search(data):
        return f"is nested deeper than {DEEPEST} levels"
    return None
