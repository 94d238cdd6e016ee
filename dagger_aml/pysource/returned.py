"""What a function returns that is no JSON, as far as its text proves it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from ..data import frozen
from .bindings import decorators, own_nodes
from .calls import dotted, imported
from .entry_points import TRANSPARENT
from .source import Source

_BUILT_IN = {
    "set": "a set",
    "frozenset": "a set",
    "bytes": "bytes",
    "bytearray": "bytes",
    "complex": "a complex number",
    "map": "what map() gives",
    "filter": "what filter() gives",
    "zip": "what zip() gives",
    "range": "a range",
    "enumerate": "what enumerate() gives",
    "reversed": "what reversed() gives",
}

_OTHERS: Mapping[str, str] = {
    **{
        f"numpy.{name}": "an array of numpy"
        for name in (
            *("array", "asarray", "zeros", "ones", "full", "arange", "linspace"),
            *("concatenate", "stack", "vstack", "hstack", "expand_dims", "argsort"),
        )
    },
    "torch.tensor": "a tensor",
    "torch.from_numpy": "a tensor",
    "pandas.DataFrame": "a data frame",
    "pandas.Series": "a series of pandas",
    "datetime.datetime.now": "a datetime",
    "datetime.datetime.utcnow": "a datetime",
    "datetime.datetime.today": "a datetime",
    "datetime.date.today": "a date",
    "decimal.Decimal": "a Decimal",
    "uuid.uuid4": "a UUID",
    "pathlib.Path": "a path",
}

_DEEPEST = 8
"""Values within values that are looked at."""


@frozen
class NotJson:
    """A returned value that no request gets.

    :param what: it is, ``a set``.
    :param line: of the value.
    """

    what: str
    line: int


def not_json(source: Source, name: str = "run") -> Iterator[NotJson]:
    """What the one function of this name returns that ``json.dumps`` refuses, each line once.

    Nothing is said of a function that others decorate than the server's own decorators.
    """
    tree = source.tree
    found = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name] if tree else []
    if tree is None or len(found) != 1 or not TRANSPARENT.issuperset(decorators(found[0])):
        return
    (function,) = found
    values = _Values(function, imported(tree), source.names)
    nodes = [node for node in own_nodes(function) if isinstance(node, ast.Return)]
    seen: set[int] = set()
    for node in sorted(nodes, key=lambda each: each.lineno):
        bad = values.bad(node.value, _DEEPEST)
        if bad and bad.line not in seen:
            seen.add(bad.line)
            yield bad


class _Values:
    """The values of a function's expressions, those of names that it binds once among them."""

    def __init__(self, function: ast.FunctionDef, imports: Mapping[str, str], taken: frozenset[str]) -> None:
        self._imports = imports
        arguments = function.args
        others = (arguments.vararg, arguments.kwarg)
        listed = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *(each for each in others if each))
        self._bound: dict[str, list[ast.expr | None]] = {each.arg: [None] for each in listed}
        single: set[int] = set()
        for node in own_nodes(function):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self._bound.setdefault(node.targets[0].id, []).append(node.value)
                single.add(id(node.targets[0]))
        for node in own_nodes(function):
            for name in _targets(node) if id(node) not in single else ():
                self._bound.setdefault(name, []).append(None)
        self._taken = taken - imports.keys()

    def bad(self, node: ast.expr | None, deeper: int) -> NotJson | None:
        """What of a value is no JSON; None where nothing certainly is."""
        if node is None or deeper < 0:
            return None
        what = self._kind(node)
        if what:
            return NotJson(what, node.lineno)
        if isinstance(node, ast.Name):
            bound = self._bound.get(node.id, [])
            found = self.bad(bound[0], deeper - 1) if len(bound) == 1 else None
            # What is bound by a value that changes later is still of that kind; what it holds may be another.
            return NotJson(found.what, node.lineno) if found and self._kind(bound[0]) else None
        return next(filter(None, (self.bad(each, deeper - 1) for each in _parts(node))), None)

    def _kind(self, node: ast.expr | None) -> str | None:
        match node:
            case ast.Set() | ast.SetComp():
                return "a set"
            case ast.GeneratorExp():
                return "a generator"
            case ast.Constant(value=bytes()):
                return "bytes"
            case ast.Constant(value=complex()):
                return "a complex number"
            case ast.Call(func=ast.Attribute(attr="encode"), args=given) if all(_is_text(each) for each in given):
                return "bytes"
            case ast.Call(func=ast.Name(id=name)) if name in _BUILT_IN and name not in (
                *self._taken,
                *self._imports,
                *self._bound,
            ):
                return _BUILT_IN[name]
            case ast.Call(func=function):
                return _OTHERS.get(dotted(function, self._imports))
        return None


def _parts(node: ast.expr) -> Sequence[ast.expr]:
    """The values that stand in a value whatever happens."""
    match node:
        case ast.Dict(values=values) | ast.List(elts=values) | ast.Tuple(elts=values):
            return [each for each in values if not isinstance(each, ast.Starred)]
        case ast.ListComp(elt=value) | ast.DictComp(value=value):
            return [value]
    return []


def _targets(node: ast.AST) -> Iterator[str]:
    """The names that a node binds to what is not known."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
        yield node.id
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
