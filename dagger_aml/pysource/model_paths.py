"""What a Python file opens below ``AZUREML_MODEL_DIR``, told from its text.

Values are followed through names of the same file: ``base = Path(os.environ["AZUREML_MODEL_DIR"])`` and then
``base / "model" / NAME``. What is not known ends a path: of ``os.path.join(base, "model", name)`` only ``model`` is.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product

from .. import contract
from ..data import frozen
from .texts import every_node

_MOST = 16
"""Values that are followed of one expression."""

_SAME = frozenset({"absolute", "as_posix", "expanduser", "resolve", "rstrip"})
"""Methods that give the same path."""

_SAME_OF = frozenset({"abspath", "expanduser", "fspath", "normpath", "realpath", "str"})
"""Functions that give the path that they are given."""

_PATHS = frozenset({"Path", "PosixPath", "PurePath", "PurePosixPath"})


@frozen
class ModelPath:
    """A path below the folder of the model.

    :param parts: the names, the outermost first; they may hold ``*``, ``?`` and ``[``.
    :param whole: whether nothing unknown follows.
    :param line: in the file, from 1.
    """

    parts: tuple[str, ...]
    whole: bool
    line: int


@frozen
class _Below:
    """The folder of the model and what is added to it."""

    text: str = ""
    whole: bool = True


_Value = _Below | str | None
"""A path below the folder, another text, or what is not known."""


def model_paths(tree: ast.Module) -> tuple[ModelPath, ...]:
    """The paths below the model's folder that a module names, in the order of the text."""
    try:
        return tuple(dict.fromkeys(_Values(tree).found(tree)))
    except RecursionError:
        return ()


class _Values:
    """The values of a module's expressions, worked out as they are asked for."""

    def __init__(self, tree: ast.Module) -> None:
        self._bound: dict[str, list[ast.expr | None]] = {}
        self._known: dict[str, tuple[_Value, ...]] = {}
        for node in every_node(tree):
            for name, value in _bindings(node):
                self._bound.setdefault(name, []).append(value)

    def found(self, tree: ast.Module) -> Iterator[ModelPath]:
        waiting: list[ast.AST] = [tree]
        while waiting:
            node = waiting.pop()
            below = []
            if isinstance(node, ast.BinOp | ast.Call | ast.JoinedStr):
                below = [each for each in self.of(node) if isinstance(each, _Below)]
            for each in below:
                yield from _as_path(each, node.lineno)  # type: ignore[attr-defined]
            if not below:
                waiting += reversed(list(ast.iter_child_nodes(node)))

    def of(self, node: ast.expr | None) -> tuple[_Value, ...]:
        """What an expression may be."""
        match node:
            case ast.Constant(value=str(text)):
                return (text,)
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                return self._named(f".{name}")
            case ast.Subscript(slice=ast.Constant(value=contract.MODEL_DIR)):
                return (_Below(),)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._combined(_joined, [left, right])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._combined(_concatenated, [left, right])
            case ast.JoinedStr(values=pieces):
                return self._combined(_concatenated, [_plain(piece) for piece in pieces])
            case ast.BoolOp(values=either):
                return self._any_of(either)
            case ast.IfExp(body=body, orelse=orelse):
                return self._any_of([body, orelse])
            case ast.Call():
                return self._called(node)
        return (None,)

    def _named(self, name: str) -> tuple[_Value, ...]:
        if name not in self._known:
            self._known[name] = (None,)
            self._known[name] = self._any_of(self._bound.get(name, [None]))
        return self._known[name]

    def _any_of(self, nodes: Sequence[ast.expr | None]) -> tuple[_Value, ...]:
        return tuple(dict.fromkeys(each for node in nodes for each in self.of(node)))[:_MOST]

    def _combined(
        self, combine: Callable[[Sequence[_Value]], _Value], nodes: Sequence[ast.expr | None]
    ) -> tuple[_Value, ...]:
        each = islice(product(*(self.of(node) for node in nodes)), _MOST)
        return tuple(dict.fromkeys(combine(values) for values in each))

    def _called(self, node: ast.Call) -> tuple[_Value, ...]:
        function, arguments = node.func, node.args
        first = arguments[0] if arguments else None
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(first, ast.Constant) and first.value == contract.MODEL_DIR and name in ("get", "getenv"):
            return (_Below(),)
        if name in _PATHS or (name == "join" and len(arguments) > 1):
            return self._combined(_joined, [_plain(each) for each in arguments])
        if name in _SAME_OF and first is not None:
            return self.of(first)
        if not isinstance(function, ast.Attribute):
            return (None,)
        before = function.value
        if name == "join" and isinstance(before, ast.Constant) and isinstance(first, ast.List | ast.Tuple):
            return self._combined(_joined, list(first.elts)) if before.value == "/" else (None,)
        if name == "joinpath":
            return self._combined(_joined, [before, *(_plain(each) for each in arguments)])
        if (
            name in ("glob", "rglob")
            and first is not None
            and any(isinstance(each, _Below) for each in self.of(before))
        ):
            deeper: list[ast.expr] = [ast.Constant("**")] if name == "rglob" else []
            return self._combined(_joined, [before, *deeper, first])
        if name == "format" and isinstance(before, ast.Constant) and isinstance(before.value, str):
            return self._combined(_concatenated, _filled_in(before.value, arguments))
        return self.of(before) if name in _SAME else (None,)


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a node binds, and to what; None where that is not known."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _target(target, value)
        case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            yield from _target(target, value)
        case ast.AugAssign(target=target) | ast.For(target=target) | ast.comprehension(target=target):
            yield from _target(target, None)
        case ast.withitem(optional_vars=ast.expr() as target):
            yield from _target(target, None)
        case ast.arg(arg=name):
            yield name, None


def _target(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    match target:
        case ast.Name(id=name):
            yield name, value
        case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
            yield f".{name}", value
        case ast.Tuple(elts=targets) | ast.List(elts=targets):
            for each in targets:
                yield from _target(each, None)


def _plain(node: ast.expr) -> ast.expr | None:
    """A piece of an f-string or an argument; None for a starred one and one with a format."""
    if isinstance(node, ast.FormattedValue):
        return node.value if node.format_spec is None and node.conversion in (-1, ord("s")) else None
    return None if isinstance(node, ast.Starred) else node


def _filled_in(text: str, arguments: Sequence[ast.expr]) -> list[ast.expr | None]:
    """The pieces of ``"{}/a".format(x)``; what has names or numbers is not followed."""
    pieces = text.split("{}")
    if len(pieces) != len(arguments) + 1 or any("{" in piece for piece in pieces):
        return [None]
    filled: list[ast.expr | None] = [ast.Constant(pieces[0])]
    for argument, piece in zip(arguments, pieces[1:], strict=True):
        filled += [_plain(argument), ast.Constant(piece)]
    return [each for each in filled if not (isinstance(each, ast.Constant) and each.value == "")]


def _joined(values: Sequence[_Value]) -> _Value:
    """As ``os.path.join`` has it."""
    first, *rest = values
    made = first
    for value in rest:
        if made is None or isinstance(value, _Below):
            return None
        if isinstance(made, str):
            made = None if value is None else posixpath.join(made, value)
        elif not made.whole:
            return made
        elif value is None:
            made = _Below(f"{made.text}/", whole=False)
        elif value.startswith("/"):
            return None
        else:
            made = _Below(f"{made.text}/{value}")
    return made


def _concatenated(values: Sequence[_Value]) -> _Value:
    """As ``+`` has it."""
    made: _Value = ""
    for value in values:
        if value is None:
            return _Below(made.text, whole=False) if isinstance(made, _Below) else None
        if isinstance(value, _Below):
            if made != "":
                return None
            made = value
        elif isinstance(made, str):
            made += value
        elif isinstance(made, _Below):
            if not made.whole:
                return made
            if not made.text and value and not value.startswith("/"):
                return None
            made = _Below(made.text + value)
    return made


def _as_path(below: _Below, line: int) -> Iterator[ModelPath]:
    """The path, unless it is the folder itself or leaves it."""
    text = below.text if below.whole else below.text[: below.text.rfind("/") + 1]
    normal = posixpath.normpath(text.lstrip("/") or ".")
    parts = () if normal == "." else tuple(normal.split("/"))
    if ".." not in parts and "\0" not in normal and (parts or not below.whole):
        yield ModelPath(parts, below.whole, line)
