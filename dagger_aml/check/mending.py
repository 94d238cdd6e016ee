"""Where the text stands that has one right answer: the places that ``check --fix`` writes at."""

from __future__ import annotations

import re

from ..finding import FileLocation, Fix
from ..text import pattern

_NAME = r"(?<![\w.-])"


def on_line(location: str | None, pattern: str, after: str, *, begin: int = 1) -> tuple[Fix, ...]:
    """What a pattern's group ``old`` first finds on a line, to be written otherwise: comments stand behind it.

    :param begin: the column from which on it is looked for.
    """
    text = _line(location)
    if text is None:
        return ()
    found = re.search(pattern, text[begin - 1 :])
    assert isinstance(location, FileLocation) and location.line
    if found is None or found["old"] == after:
        return ()
    return (Fix(location.path, location.line, found["old"], after, begin + found.start("old")),)


def key(location: str | None, name: str, after: str) -> tuple[Fix, ...]:
    """The key of a project's file or of a deployment file, or the name in a Dockerfile; nothing for a flag's."""
    if not isinstance(location, FileLocation) or location.line is None or location.inside:
        return ()
    if location.columns:
        return (Fix(location.path, location.line, name, after, location.columns[0]),)
    if location.path.suffix == ".toml":
        return (Fix(location.path, location.line, name, after),)
    return on_line(location, rf"""{_NAME}(["']?)(?P<old>{re.escape(name)})\1(?=\s*:(?:\s|$))""", after)


def value(location: str | None, name: str, before: str, after: str) -> tuple[Fix, ...]:
    """The value of a variable in a project's file or a Dockerfile, where it stands there as it is; nothing for a
    deployment file, in which a word may be no text."""
    if not isinstance(location, FileLocation):
        return ()
    old = rf"(?P<old>{re.escape(before)})"
    if location.columns:
        pattern = rf"""^{re.escape(name)}(?:=|\s+)(["']?){old}\1(?=\s|$)"""
        return on_line(location, pattern, after, begin=location.columns[0])
    if location.path.suffix == ".toml":
        return on_line(location, rf"""{_NAME}["']?{re.escape(name)}["']?\s*=\s*(["']){old}\1""", after)
    return ()


def in_text(location: str | None, pattern: str, after: str, column: int) -> tuple[Fix, ...]:
    """What a pattern's group ``old`` first finds in a text of Python, on the line on which that begins.

    :param pattern: looked for in the text as it is written, its quotes among it.
    :param column: where the text begins, in bytes of UTF-8 from 0.
    """
    line = _line(location)
    if line is None:
        return ()
    begin = len(line.encode()[:column].decode(errors="replace"))
    text = _TEXT.match(line, begin)
    found = re.search(pattern, text[0]) if text else None
    if found is None:
        return ()
    assert isinstance(location, FileLocation) and location.line
    return (Fix(location.path, location.line, found["old"], after, begin + found.start("old") + 1),)


_TEXT = pattern(
    r"""
    [A-Za-z]{0,2}(?: \"\"\"(?:\\.|(?!\"\"\").)*(?:\"\"\")?
                   | '''(?:\\.|(?!''').)*(?:''')?
                   | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*')
    | [^"'{}]+
    """,
    re.VERBOSE,
)
"""A text on its line, or what stands between the values of one."""


def _line(location: str | None) -> str | None:
    if not isinstance(location, FileLocation) or location.line is None or location.inside:
        return None
    from .text_file import TextFile

    file = TextFile.read(location.path)
    return file.line(location.line) if file else None
