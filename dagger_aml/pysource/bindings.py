"""What names a module has once it has been loaded: followed through its top level, as Python runs it.

Whatever may be otherwise when the code runs counts as possible: both ways of a condition that the text does not
decide, a `try` that ends early, a loop that has nothing to go through.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from attrs import field

from ..data import frozen
from .texts import every_node

Kind = Literal["function", "async", "generator", "class", "constant", "import", "other"]
"""``class`` is one without bases and decorators, whose objects are nothing special."""

_DYNAMIC = frozenset({"exec", "globals", "locals", "vars", "setattr", "__dict__", "modules", "runpy", "path_hooks"})
"""Names by which code binds others in ways that no text tells."""


@frozen
class Parameters:
    """What a function takes.

    :param order: the names of all that can be given by name, keyword-only ones last.
    :param needed: those without a default.
    :param forbidden: ``*args``, ``**kwargs`` and ``data, /``, as they are written.
    """

    order: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


@frozen
class Binding:
    """One statement that gives a name something.

    :param parameters: of a function or a lambda; None otherwise.
    :param decorators: last parts of their names, ``input_schema``.
    :param module: that it is imported from, with the dots before it; None unless by ``from``.
    :param origin: its name there.
    :param shown: a constant as it is written.
    """

    kind: Kind
    line: int
    parameters: Parameters | None = None
    decorators: tuple[str, ...] = ()
    module: str | None = None
    origin: str = ""
    shown: str = ""


Possible = frozenset[Binding | None]
"""What a name may be; None for nothing."""

_NOTHING: Possible = frozenset({None})


@frozen
class Scope:
    """A module's names.

    :param names: what each may be; one that is not listed is never bound.
    :param stars: modules of which everything is imported, with the dots before them, and their lines.
    :param declared: names that a function in it declares ``global``.
    :param dynamic: whether it may bind names in ways that no text tells.
    :param answers: whether it has a ``__getattr__`` of its own.
    :param listed: its ``__all__``, where that is a plain list.
    """

    names: Mapping[str, Possible]
    stars: tuple[tuple[str, int], ...] = ()
    declared: frozenset[str] = frozenset()
    dynamic: bool = False
    answers: bool = False
    listed: frozenset[str] | None = field(default=None)

    def get(self, name: str) -> Possible:
        """What a name may be."""
        return self.names.get(name, _NOTHING)


_State = dict[str, Possible]
"""The names behind a statement: a block has its own, which each of its statements goes on to change."""


def scope_of(tree: ast.Module) -> Scope:
    """Follow a module's top level."""
    walker = _Walker()
    state = walker.block(tree.body, {}) or {}
    declared: set[str] = set()
    dynamic = False
    for node in every_node(tree):
        if isinstance(node, ast.Global):
            declared.update(node.names)
        elif isinstance(node, ast.Name | ast.Attribute):
            dynamic = dynamic or (node.id if isinstance(node, ast.Name) else node.attr) in _DYNAMIC
    return Scope(
        state,
        tuple(walker.stars),
        frozenset(declared),
        dynamic,
        state.get("__getattr__", _NOTHING) != _NOTHING,
        _listed(tree),
    )


class _Walker:
    def __init__(self) -> None:
        self.stars: list[tuple[str, int]] = []

    def block(self, body: Iterable[ast.stmt], state: _State) -> _State | None:
        """The names behind a block; None where its end is never reached."""
        now: _State | None = {**state}
        for statement in body:
            if now is None:
                return None
            now = self.statement(statement, now)
        return now

    def statement(self, node: ast.stmt, state: _State) -> _State | None:
        """The names behind a statement, which those before it may be changed to."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            state[node.name] = frozenset({_function(node)})
            return state
        if isinstance(node, ast.ClassDef):
            kind: Kind = "other" if node.bases or node.keywords or node.decorator_list else "class"
            state[node.name] = frozenset({Binding(kind, node.lineno)})
            return state
        if isinstance(node, ast.Import | ast.ImportFrom):
            return self.imports(node, state)
        _walruses(node, state)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                _assigned(target, node.value, state)
            return state
        if isinstance(node, ast.AnnAssign):
            if node.value:
                _assigned(node.target, node.value, state)
            return state
        if isinstance(node, ast.AugAssign):
            _assigned(node.target, None, state)
            return state
        if isinstance(node, ast.Delete):
            for each in node.targets:
                if isinstance(each, ast.Name):
                    state.pop(each.id, None)
            return state
        if isinstance(node, ast.Raise):
            return None
        if isinstance(node, ast.If):
            return self.decided(node, state)
        if isinstance(node, ast.While):
            body = None if truth_of(node.test) is False else self.block(node.body, state)
            return self.block(node.orelse, _joined(state, body) or state)
        if isinstance(node, ast.For | ast.AsyncFor):
            within = {**state}
            _assigned(node.target, None, within)
            body = self.block(node.body, within)
            return self.block(node.orelse, _joined(state, body) or state)
        if isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if item.optional_vars:
                    _assigned(item.optional_vars, None, state)
            return self.block(node.body, state)
        if isinstance(node, ast.Match):
            ends = [self.block(case.body, _captured(case.pattern, state)) for case in node.cases]
            last = node.cases[-1]
            always = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
            return _joined(*ends, *([] if always else [state]))
        if isinstance(node, ast.Try | ast.TryStar):
            return self.tried(node, state)
        return state

    def decided(self, node: ast.If, state: _State) -> _State | None:
        """The names behind a condition and its ``elif``, each of which is in the ``else`` of the one before."""
        ends: list[_State | None] = []
        truth = truth_of(node.test)
        while truth is None or not truth:
            if truth is None:
                ends.append(self.block(node.body, state))
            if len(node.orelse) != 1 or not isinstance(node.orelse[0], ast.If):
                return _joined(*ends, self.block(node.orelse, state))
            node = node.orelse[0]
            _walruses(node, state)
            truth = truth_of(node.test)
        return _joined(*ends, self.block(node.body, state))

    def imports(self, node: ast.Import | ast.ImportFrom, state: _State) -> _State:
        if isinstance(node, ast.Import):
            names = {
                each.asname or each.name.partition(".")[0]: Binding("import", node.lineno) for each in node.names
            }
            state.update((name, frozenset({each})) for name, each in names.items())
            return state
        module = "." * node.level + (node.module or "")
        for each in node.names:
            if each.name == "*":
                self.stars.append((module, node.lineno))
            else:
                made = Binding("import", node.lineno, module=module, origin=each.name)
                state[each.asname or each.name] = frozenset({made})
        return state

    def tried(self, node: ast.Try | ast.TryStar, state: _State) -> _State | None:
        now: _State | None = {**state}
        so_far: _State | None = state
        for statement in node.body:
            if now is not None:
                now = self.statement(statement, now)
                so_far = _joined(so_far, now)
        ends = [self.block(node.orelse, now) if now is not None else None]
        for handler in node.handlers:
            ends.append(self.block(handler.body, so_far or state))
        whole = _joined(*ends)
        if whole is None:
            return None
        return self.block(node.finalbody, whole)


def truth_of(test: ast.expr) -> bool | None:
    """Whether a condition holds when the server loads a module; None where the text does not tell."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = truth_of(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.Name):
        return False if test.id == "TYPE_CHECKING" else None
    if isinstance(test, ast.Attribute):
        own = isinstance(test.value, ast.Name) and test.value.id in ("typing", "t", "typing_extensions")
        return False if own and test.attr == "TYPE_CHECKING" else None
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq | ast.NotEq):
        sides = (test.left, test.comparators[0])
        if any(isinstance(each, ast.Name) and each.id == "__name__" for each in sides) and any(
            isinstance(each, ast.Constant) and each.value == "__main__" for each in sides
        ):
            return isinstance(test.ops[0], ast.NotEq)
    if isinstance(test, ast.BoolOp):
        parts = [truth_of(each) for each in test.values]
        deciding = isinstance(test.op, ast.Or)
        if deciding in parts:
            return deciding
        return None if None in parts else not deciding
    return None


def _joined(*states: _State | None) -> _State | None:
    there = [each for each in states if each is not None]
    if not there:
        return None
    names = {name for each in there for name in each}
    return {name: frozenset().union(*(each.get(name, _NOTHING) for each in there)) for name in names}


def _assigned(target: ast.expr, value: ast.expr | None, state: _State) -> None:
    if isinstance(target, ast.Name):
        if isinstance(value, ast.Name):
            found = state.get(value.id) or frozenset({Binding("other", target.lineno)})
            found = frozenset(each or Binding("other", target.lineno) for each in found)
        else:
            found = frozenset({_value(value, target.lineno)})
        state[target.id] = found
    elif isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            _assigned(each, None, state)
    elif isinstance(target, ast.Starred):
        _assigned(target.value, None, state)


def _value(value: ast.expr | None, line: int) -> Binding:
    if isinstance(value, ast.Lambda):
        return Binding("function", line, _parameters(value.args))
    if isinstance(value, ast.Constant):
        return Binding("constant", line, shown=ast.unparse(value)[:40])
    return Binding("other", line)


def _walruses(node: ast.stmt, state: _State) -> None:
    """Go on behind a statement's own expressions, which may bind names by ``:=``."""
    expressions = (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr))
    for each in expressions:
        for inner in every_node(each):
            if isinstance(inner, ast.NamedExpr):
                _assigned(inner.target, inner.value, state)


def _captured(pattern: ast.pattern, state: _State) -> _State:
    """The names behind a pattern that fits."""
    state = {**state}
    for node in every_node(pattern):
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if isinstance(name, str):
            state[name] = frozenset({Binding("other", pattern.lineno)})
    return state


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Binding:
    kind: Kind = "async" if isinstance(node, ast.AsyncFunctionDef) else "function"
    if kind == "function" and any(isinstance(each, ast.Yield | ast.YieldFrom) for each in own_nodes(node)):
        kind = "generator"
    return Binding(kind, node.lineno, _parameters(node.args), decorators(node))


def own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """What stands in a function, without what stands in functions and classes in it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    """The last parts of their names, ``input_schema``; ``?`` for one that has none."""
    found = []
    for each in node.decorator_list:
        name = each.func if isinstance(each, ast.Call) else each
        found.append(name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "?"))
    return tuple(found)


def _parameters(given: ast.arguments) -> Parameters:
    plain = [each.arg for each in (*given.posonlyargs, *given.args)]
    split = len(plain) - len(given.defaults)
    keyword = [
        (each.arg, default is not None) for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
    ]
    forbidden = [f"{each.arg}, /" for each in given.posonlyargs[-1:]]
    forbidden += [f"*{given.vararg.arg}"] if given.vararg else []
    forbidden += [f"**{given.kwarg.arg}"] if given.kwarg else []
    return Parameters(
        tuple([*plain, *(name for name, _ in keyword)]),
        tuple([*plain[:split], *(name for name, default in keyword if not default)]),
        tuple(forbidden),
    )


def _listed(tree: ast.Module) -> frozenset[str] | None:
    """``__all__``, where it is set once and is a list of texts."""
    found = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == "__all__"
    ]
    if len(found) != 1 or not isinstance(found[0], ast.List | ast.Tuple):
        return None
    texts = [each.value for each in found[0].elts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return frozenset(texts) if len(texts) == len(found[0].elts) else None
