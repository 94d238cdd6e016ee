"""Every message of the package as text: ``python -m tools.messages`` prints them, one file after the other.

What a person may read of the program: errors with their hints, warnings, lines of the progress, help texts. They are
taken from the source, so that none is missed which no test provokes; what the program fills in stands in braces. The
golden file ``tests/golden/messages.txt`` holds them: a change of words is seen in review, and all is read at once.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from dagger_aml.cli.flags import in_flags

PACKAGE = Path(__file__).parents[1] / "dagger_aml"

_FEWEST_WORDS = 2
"""A text of fewer words is a name, a key, or a part of a message that is listed with the rest of it."""

_MOST_LINES = 4
"""A text of more lines is a script that runs in an image or a file that is written, and no message."""

_WORD = re.compile(r"(?<!\S)[`'\"(]?[A-Za-z][a-z'-]*[`'\").,:;]*(?!\S)")
_PATTERN = re.compile(r"\(\?|\\[dsSwb]|\|[A-Za-z]+\|")
"""What regular expressions have and sentences have not."""

BARE = (ast.Name, ast.alias, ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
"""More than half of all nodes, with no text beneath."""


def messages_text(package: Path = PACKAGE) -> str:
    """What ``messages.txt`` must hold."""
    parts = ["What the program may say, by file; written by python -m tests.golden.regenerate."]
    for path in sorted(package.rglob("*.py")):
        found = list(dict.fromkeys(messages_of(path.read_text(encoding="utf-8"))))
        if found:
            parts += [f"\n# {path.relative_to(package).as_posix()}\n", *found]
    return "\n".join(parts) + "\n"


def messages_of(source: str) -> Iterator[str]:
    """The messages of one file, in the order in which they stand there."""
    found: list[tuple[int, int, str]] = []
    _collect(ast.parse(source), found)
    for _, _, text in sorted(found):
        lines = text.strip().split("\n")
        told = len(_WORD.findall(text)) >= _FEWEST_WORDS and not _PATTERN.search(text)
        if told and len(lines) <= _MOST_LINES:
            yield "\n    ".join(lines)


def _collect(node: ast.AST, found: list[tuple[int, int, str]]) -> None:
    """Add the outermost texts below a node, but none that stands alone: docstrings, and what describes a constant."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    text = _shown(node) if isinstance(node, ast.expr) else None
    if text is not None and isinstance(node, ast.expr):
        found.append((node.lineno, node.col_offset, text))
        return
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, BARE):
            _collect(child, found)


def _shown(node: ast.expr) -> str | None:
    """A text as far as the source tells it, what is filled in in braces; None for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Call):
        return _setting(node)
    if isinstance(node, ast.JoinedStr):
        parts = (str(part.value) if isinstance(part, ast.Constant) else _filled(part) for part in node.values)
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _shown(node.left), _shown(node.right)
        if left is None and right is None:
            return None
        return (_filled(node.left) if left is None else left) + (_filled(node.right) if right is None else right)
    if isinstance(node, ast.IfExp):
        ways = [_shown(node.body), _shown(node.orelse)]
        return None if None in ways else " ~or~ ".join(str(way) for way in ways)
    return None


def _setting(call: ast.Call) -> str | None:
    """What ``named("base", "IMAGE")`` is to who reads it in a terminal; None for any other call."""
    if not (isinstance(call.func, ast.Name) and call.func.id == "named" and isinstance(call.args[0], ast.Constant)):
        return None
    values = [each.value if isinstance(each, ast.Constant) else _filled(each) for each in call.args[1:]]
    return in_flags(str(call.args[0].value), *values)


def _filled(node: ast.expr) -> str:
    """What is filled in, by the last of its names: ``{path}`` for ``copy.source.path``."""
    if isinstance(node, ast.FormattedValue):
        node = node.value
    text = _shown(node)
    if text is not None:
        return text
    name = next((each for each in ast.walk(node) if isinstance(each, ast.Name | ast.Attribute)), None)
    return "{" + (name.attr if isinstance(name, ast.Attribute) else name.id if name else "…") + "}"


if __name__ == "__main__":
    print(messages_text(), end="")
