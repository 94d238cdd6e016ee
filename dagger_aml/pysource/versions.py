"""Parsing for a given Python: what that Python cannot parse, whichever runs the tool."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from typing import Literal

from ..data import frozen
from ..text import pattern
from .bounds import too_much
from .pythons import KNOWN, Python
from .quiet import quietly
from .texts import every_node

OURS: Python = sys.version_info[:2]

_OLDEST: Python = (3, 7)
"""What ``feature_version`` takes at least."""

_LONGEST_REWRITTEN = 100_000
"""Bytes of a text that is written anew to see whether it is of a newer Python; that takes long."""

_WITH = pattern(rb"\bwith\s*\(")

_FSTRING = pattern(rb"(?i)\bf?r?f['\"]")


@frozen
class Problem:
    """Why a text is no Python, or not one of a version.

    :param line: of the text, from 1; None where the parser names none.
    :param kind: ``broken``, no Python that we know parses it; ``older``, the Python that it is for does not, and a
        newer one does; ``newer``, ours does not, and the Python that it is for seems to; ``large``, it was not read.
    """

    message: str
    line: int | None
    kind: Literal["broken", "older", "newer", "large"] = "broken"


def version_of(text: str | None) -> Python | None:
    """``(3, 12)`` of ``3.12`` or ``3.12.4``; None for anything else."""
    found = re.match(r"(\d+)\.(\d+)(?:\.|$)", text or "")
    return (int(found[1]), int(found[2])) if found else None


def parse(data: bytes, name: str, python: Python | None) -> tuple[ast.Module | None, Problem | None]:
    """A text's tree, and what is wrong with it.

    There are both where its own Python parses it and ours does not (the tree is that of a rewritten text), and where
    ours parses it and its own does not.

    :param name: for Python's own messages of it.
    :param python: that is to run it; ours, where that is not known.
    """
    why = too_much(data)
    if why:
        return None, Problem(f"cannot be read as Python: it {why}", None, "large")
    wanted = max(_OLDEST, min(python or OURS, OURS))
    try:
        tree = _parse(data, name, wanted)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _failed(data, name, python, wanted, error)
    return tree, next(_unseen(tree, data, python), None) if python else None


def _parse(data: bytes | str, name: str, version: Python) -> ast.Module:
    with quietly():
        return ast.parse(data, name, feature_version=version)


def _failed(
    data: bytes, name: str, python: Python | None, wanted: Python, error: Exception
) -> tuple[ast.Module | None, Problem]:
    if not isinstance(error, SyntaxError):
        deep = isinstance(error, RecursionError | MemoryError)
        return None, Problem(f"cannot be read as Python ({error})", None, "large" if deep else "broken")
    if wanted < OURS:
        try:
            tree = _parse(data, name, OURS)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
        else:
            line = _line(tree, wanted) or error.lineno or None
            return tree, Problem(f"Python {_shown(python)} cannot parse it: {error.msg}", line, "older")
    shown = _shown(OURS if python is None else python)
    if python and python > OURS and len(data) > _LONGEST_REWRITTEN:
        return None, _newer(error, python)
    if (python is None or python > OURS) and len(data) <= _LONGEST_REWRITTEN:
        from .newer import rewritten

        try:
            text = rewritten(_decoded(data), KNOWN if python is None else python)
            tree = _parse(text.text, name, OURS)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            shown = f"{_shown(OURS)} or {_shown(python)}" if python else shown
            if python and python > KNOWN:
                return None, _newer(error, python)
        else:
            if text.used:
                return tree, _newer(error, python)
    return None, Problem(f"Python {shown} cannot parse it: {error.msg}", error.lineno or None)


def _line(tree: ast.Module, python: Python) -> int | None:
    """The line of the first statement that is too new, where its end is what the parser names."""
    kinds = [kind for since, kind in (((3, 10), ast.Match), ((3, 11), ast.TryStar)) if python < since]
    lines = [
        node.lineno for node in every_node(tree) if isinstance(node, ast.stmt) and isinstance(node, tuple(kinds))
    ]
    return min(lines, default=None)


def _newer(error: SyntaxError, python: Python | None) -> Problem:
    whose = f"that of the base image is {_shown(python)}" if python else "the base image may have a newer one"
    message = f"Python {_shown(OURS)}, which runs dagger-aml, cannot parse it ({error.msg}); {whose}"
    return Problem(message, error.lineno or None, "newer")


def _decoded(data: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _unseen(tree: ast.Module, data: bytes, python: Python) -> Iterator[Problem]:
    """What is newer than a Python, and what ``feature_version`` does not look at."""
    if python < (3, 12) <= OURS and _FSTRING.search(data):
        from .newer import NoPythonError, rewritten

        try:
            used = rewritten(_decoded(data), (3, 12)).used
        except (NoPythonError, SyntaxError, ValueError):
            used = ()
        yield from (_older(python, (3, 12), line, what) for _, line, what in used if what.startswith("f-string"))
    if python >= (3, 11):
        return
    if python < (3, 9) and _WITH.search(data) and (line := _bracketed_with(_decoded(data))):
        yield _older(python, (3, 9), line, "a `with` whose items stand in brackets")
    for node in every_node(tree):
        if isinstance(node, ast.Subscript) and _is_bare_star(node.slice):
            yield _older(python, (3, 11), node.lineno, "a star in a subscript")
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Starred):
            yield _older(python, (3, 11), node.lineno, "a star in an annotation")
        elif python >= (3, 9):
            continue
        elif isinstance(node, ast.For | ast.AsyncFor) and _is_bare_star(node.iter):
            yield _older(python, (3, 9), node.lineno, "a star behind `in`")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from (
                _older(python, (3, 9), each.lineno, "a decorator that is no dotted name or call of one")
                for each in node.decorator_list
                if not _is_dotted(each.func if isinstance(each, ast.Call) else each)
            )


def _bracketed_with(text: str) -> int | None:
    """The line of the first ``with (a as b):``, which from Python 3.13 on the parser takes for one of any Python."""
    depth, begun, before = 0, 0, ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.OP and token.string in "([{":
            depth += 1
            begun = depth if before == "with" else begun
        elif token.type == tokenize.OP and token.string in ")]}":
            begun = 0 if begun == depth else begun
            depth -= 1
        elif token.string == "as" and begun and begun == depth:
            return token.start[0]
        before = token.string
    return None


def _is_bare_star(node: ast.expr) -> bool:
    """Whether it is a tuple without brackets of its own that has a star in it."""
    if not isinstance(node, ast.Tuple) or not any(isinstance(each, ast.Starred) for each in node.elts):
        return False
    return (node.lineno, node.col_offset) == (node.elts[0].lineno, node.elts[0].col_offset)


def _is_dotted(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _older(python: Python, needed: Python, line: int, what: str) -> Problem:
    return Problem(f"Python {_shown(python)} cannot parse it: {what} needs Python {_shown(needed)}", line, "older")


def _shown(python: Python | None) -> str:
    return ".".join(map(str, python or OURS))
