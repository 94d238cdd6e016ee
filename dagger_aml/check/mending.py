"""Where the text stands that has one right answer: the places that ``check --fix`` writes at."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from ..finding import FileLocation, Fix
from .text_file import TextFile

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


def in_text(location: str | None, pattern: str, after: str, column: int | None = None) -> tuple[Fix, ...]:
    """What a pattern's group ``old`` finds within texts of Python that begin on a line, each to be written otherwise.

    :param pattern: looked for in the text as it is written, its quotes among it.
    :param column: where the one that is meant begins, in bytes of UTF-8 from 0; None for any on the line.
    """
    if not isinstance(location, FileLocation) or not location.line or location.inside:
        return ()
    file = TextFile.read(location.path)
    if file is None:
        return ()
    return tuple(
        Fix(location.path, line, match["old"], after, begin + match.start("old") + 1)
        for line, begin, text in _texts(file, location.line, column)
        for match in re.finditer(pattern, text)
    )


def _texts(file: TextFile, line: int, column: int | None) -> Iterator[tuple[int, int, str]]:
    """The literals that begin on a line, each line of theirs with its number and the column that it begins at."""
    import token
    import tokenize

    kinds = {token.STRING, getattr(token, "FSTRING_MIDDLE", token.STRING)}
    try:
        for each in tokenize.generate_tokens(io.StringIO(file.text).readline):
            if each.start[0] > line:
                return
            begins = len(each.line[: each.start[1]].encode()) if column is not None else None
            if each.start[0] == line and each.type in kinds and begins == column:
                for place, text in enumerate(each.string.split("\n")):
                    yield line + place, 0 if place else each.start[1], text
    except (tokenize.TokenError, SyntaxError):
        return


def _line(location: str | None) -> str | None:
    if not isinstance(location, FileLocation) or location.line is None or location.inside:
        return None
    file = TextFile.read(location.path)
    return file.line(location.line) if file else None
