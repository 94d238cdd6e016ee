"""Whether a text is nested deeper than what is read: by its signs where they are few, by its syntax elsewhere."""

from __future__ import annotations

import ast

from .bounds import DEEPEST
from .texts import depth_of, first_line, is_encoded_otherwise

_SIGNS = b"()[]{}<>=!+-*/%@&|^~.,:;\"'"

_WORDS = (b"await", b"else", b"not", b"yield")

_BRACKETS = (b"(", b"[", b"{")

_OUTERMOST = 20
"""Levels that an outermost statement and its expression may have without a sign, generously."""


def most_levels(text: bytes) -> int:
    """A number that is not below the levels of a statement's syntax, told from its signs.

    Each level takes a sign or a word of its own; but what is in brackets may be an ``or`` of an ``and`` of a
    comparison, each without one, which the brackets are counted for.
    """
    return _OUTERMOST + _signs(text) + sum(map(text.count, _WORDS)) + 2 * sum(map(text.count, _BRACKETS))


def _signs(text: bytes) -> int:
    return len(text) - len(text.translate(None, _SIGNS))


def is_too_deep(tree: ast.Module, data: bytes) -> bool:
    """Whether a text is nested deeper than the deepest that is read.

    :param data: the text of which ``tree`` is the syntax.
    """
    if is_encoded_otherwise(data):
        return depth_of(tree) > DEEPEST
    # As if all signs were brackets, and all else words of three letters.
    if _OUTERMOST + 3 * _signs(data) + len(data) // 3 <= DEEPEST or most_levels(data) <= DEEPEST:
        return False
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return any(most_levels(_text(each, lines)) > DEEPEST and depth_of(each) >= DEEPEST for each in tree.body)


def _text(statement: ast.stmt, lines: list[bytes]) -> bytes:
    return b"\n".join(lines[first_line(statement) - 1 : statement.end_lineno])
