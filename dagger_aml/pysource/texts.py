"""Texts of a Python file that look like paths."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Set

from ..text import pattern

LONGEST_NAME, LONGEST_PATH = 255, 4096
"""Bytes of one name in a path, and of a path, that Linux takes."""

_OPENERS = frozenset(
    {
        "Path",
        "PurePath",
        "PosixPath",
        "PurePosixPath",
        "open",
        "join",
        "joinpath",
        "listdir",
        "scandir",
        "walk",
        "glob",
    }
    | {"rglob", "iterdir", "exists", "isfile", "isdir", "is_file", "is_dir", "abspath", "realpath", "files"}
)
"""Calls whose plain text arguments are paths; ``body.get("data")`` is none of them."""


_PLAIN = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "asname", "level", "module", "kind", "type_comment"})
"""Fields of which nobody asks, or that hold no nodes."""


_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}
"""The same by classes, of those that were met."""


def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a class of nodes that may hold nodes."""
    return () if kind is ast.Constant else tuple(name for name in kind._fields if name not in _PLAIN)


def every_node(tree: ast.AST) -> list[ast.AST]:
    """As :func:`ast.walk`, in half the time: without contexts and operators, of which nobody asks."""
    return _nodes_and_depth(tree)[0]


def depth_of(tree: ast.AST) -> int:
    """How many levels of nodes are in one another."""
    return _nodes_and_depth(tree)[1]


def _nodes_and_depth(tree: ast.AST) -> tuple[list[ast.AST], int]:
    found, depth, end = [tree], 0, 0
    for place, node in enumerate(found):
        if place == end:
            depth, end = depth + 1, len(found)
        kind = node.__class__
        names = _FIELDS.get(kind)
        if names is None:
            names = _FIELDS[kind] = _fields(kind)
        for name in names:
            value = getattr(node, name, None)
            if value.__class__ is list:
                found += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST):
                found.append(value)
    return found, depth


def nodes_having(tree: ast.Module, data: bytes, words: Iterable[bytes]) -> list[ast.AST]:
    """The nodes of those outermost statements that have one of some words in their lines, in the order of the text.

    :param data: the text of which ``tree`` is the syntax.
    """
    if is_encoded_otherwise(data):
        return every_node(tree)
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    here = [number for number, line in enumerate(lines, 1) if any(word in line for word in words)]
    return [
        node
        for each in tree.body
        if any(first_line(each) <= number <= (each.end_lineno or number) for number in here)
        for node in every_node(each)
    ]


def first_line(statement: ast.stmt) -> int:
    """The line on which a statement begins, with its decorators."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)])


_ENDS = b"\"'/\\{}:\r\n"
"""What may stand beside the parts of a path: quotes, slashes, values in braces with their forms behind a colon, and
line ends behind a backslash."""

_ONE_END = bytes.maketrans(_ENDS, b"\n" * len(_ENDS))

_ESCAPED = pattern(rb"\\(?:x[2-7]|u00[2-7]|U000000[2-7]|N|0?[4-7][0-7]|1[0-7][0-7])")
"""By such a sign a letter of a plain name can be written; by other ones line ends, and letters of other alphabets."""

_ESCAPED_ANY = pattern(rb"\\[xuUN0-7]")

_HEAD = pattern(rb"[^\r\n]*(?:\r\n?|\n)?[^\r\n]*")

_CODING = pattern(rb"coding[:=][ \t]*([-\w.]+)")


def is_encoded_otherwise(data: bytes) -> bool:
    """Whether a text's first two lines may name an encoding in which its words need not stand as they are read."""
    head = _HEAD.match(data) if b"coding" in data else None
    named = _CODING.findall(head[0]) if head else ()
    return any(each.lower() not in (b"utf-8", b"utf8") for each in named)


_FEW_NAMES = 12


def finder(names: Set[str]) -> Callable[[bytes], bool]:
    """What tells of a text whether one of some names may be a part of a path in it, without a look at its syntax.

    A name that is put together of neighbouring texts (``"da" "ta/x"``) is not seen.
    """
    plain = {each.encode() for each in names if each.isprintable() and not any(end in each for end in "\"'\\{}:")}
    escaped = _ESCAPED if all(map(bytes.isascii, plain)) else _ESCAPED_ANY

    def may_have(data: bytes) -> bool:
        # To look for a few names is faster than to take a text apart.
        here = len(plain) > _FEW_NAMES or any(each in data for each in plain)
        if here and not plain.isdisjoint(data.translate(_ONE_END).split(b"\n")):
            return True
        return len(plain) < len(names) or escaped.search(data) is not None or is_encoded_otherwise(data)

    return may_have


def paths_in(nodes: list[ast.AST]) -> Iterator[str]:
    """First parts of what look like relative paths among the texts; docstrings are none."""
    for _, parts, sure in _path_like(nodes):
        if (sure or "." in parts[0]) and is_name(parts[0]):
            yield parts[0]


def places_of_part(tree: ast.Module, name: str) -> Iterator[tuple[int, int]]:
    """Lines of the texts that are paths with a part of this name, URLs not among them; with the column in which each
    begins, in bytes of UTF-8 from 0."""
    for node, parts, sure in _path_like(every_node(tree)):
        if sure and name in parts and "://" not in str(node.value):
            yield node.lineno, node.col_offset


def _path_like(nodes: list[ast.AST]) -> Iterator[tuple[ast.Constant, list[str], bool]]:
    """The texts but for docstrings, their parts, and whether they stand where paths do or have a slash."""
    plain: set[int] = set()
    skipped: set[int] = set()
    texts: list[tuple[ast.Constant, str]] = []
    for node in nodes:
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                texts.append((node, node.value))
        elif isinstance(node, ast.Call):
            if _called(node) in _OPENERS:
                plain.update(id(argument) for argument in node.args)
        elif isinstance(node, ast.Expr):
            skipped.add(id(node.value))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            plain.update((id(node.left), id(node.right)))
    for found, said in texts:
        if id(found) in skipped:
            continue
        text = said.replace("\\", "/")
        parts = [part for part in text.split("/") if part not in ("", ".", "..")]
        if parts:
            yield found, parts, "/" in text or id(found) in plain


def is_name(part: str) -> bool:
    """Whether a part of a path can be the name of a file at all; a prompt or an encoded image cannot."""
    return "\0" not in part and len(part.encode("utf-8", "surrogatepass")) <= LONGEST_NAME


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
