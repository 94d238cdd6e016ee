"""Whether an entry script is written for batch runs, told from its text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ..data import frozen
from ..text import pattern
from .bounds import too_much
from .quiet import quietly
from .source import Source
from .texts import every_node

_DRIVER = "azureml_user"
"""The package that only batch runs have (SDK v1's ParallelRunStep, SDK v2's parallel jobs)."""

_MINI_BATCH = pattern(r"_?mini_?batch(es)?", re.IGNORECASE)

CONTEXT = "mini_batch_context"
"""What batch runs give as a second argument to a ``run`` that takes it."""

_WRAPPERS = frozenset({"enumerate", "tqdm", "sorted", "iter", "list", "reversed", "set", "zip", "map", "filter"})

_OF_A_LIST = frozenset({"len", "map", "filter", "enumerate"})
"""Functions that a script for one request has no use for on the request's text."""


@frozen
class BatchSign:
    """What tells that a script is for batch runs.

    :param what: ends the sentence ``the entry script …``.
    """

    what: str
    line: int


def may_be_batch(source: Source) -> bool:
    """Whether the parameter of ``run`` is called as those of batch runs are, however it is used."""
    runs = [each for each in source.tree.body if isinstance(each, ast.FunctionDef)] if source.tree else []
    first = next((each.args.args[0].arg for each in runs if each.name == "run" and each.args.args), "")
    return _MINI_BATCH.fullmatch(first) is not None


def batch_sign(data: bytes) -> BatchSign | None:
    """What in a script's text tells that batch runs call it, which give ``run`` a list of files or a data frame.

    None for a script that only may be one: whose ``run`` is decorated, or does not use its parameter as a list.
    """
    if b"mini" not in data.lower() and _DRIVER.encode() not in data:
        return None
    if too_much(data):
        return None
    try:
        with quietly():
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in tree.body:
        module = next(_modules(node), None)
        if module:
            return BatchSign(f"imports {module}, which only batch runs have", node.lineno)
    runs = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run"]
    if len(runs) != 1 or runs[0].decorator_list:
        return None
    (run,) = runs
    taken = [*run.args.posonlyargs, *run.args.args]
    needed = taken[: len(taken) - len(run.args.defaults)]
    if any(each.arg == CONTEXT for each in needed[1:]):
        return BatchSign(f"takes {CONTEXT}, which only batch runs give", run.lineno)
    if taken and _MINI_BATCH.fullmatch(taken[0].arg) and _goes_through(run, taken[0]):
        return BatchSign(
            f"goes through {taken[0].arg}, a list of files or rows that only batch runs give", run.lineno
        )
    return None


def _modules(node: ast.stmt) -> Iterator[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom) and not node.level:
        names = [node.module or ""]
    yield from (name for name in names if name.partition(".")[0] == _DRIVER)


def _goes_through(run: ast.FunctionDef, parameter: ast.arg) -> bool:
    """Whether the function uses its parameter as a list or a data frame: loops over it, counts it, takes a column of
    it. Not told where another value is given to the name, such as what a request's JSON holds."""
    nodes, name = every_node(run), parameter.arg
    if any(isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load) for node in nodes):
        return False
    return any(_as_list(node, name) for node in nodes)


def _as_list(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.For | ast.comprehension):
        return _is_of(node.iter, name)
    if isinstance(node, ast.Subscript):
        column = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
        return column and isinstance(node.value, ast.Name) and node.value.id == name
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _OF_A_LIST:
        return any(isinstance(argument, ast.Name) and argument.id == name for argument in node.args)
    return False


def _is_of(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.id == name
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr in ("iterrows", "itertuples"):
        return _is_of(called.value, name)
    wraps = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return wraps in _WRAPPERS and any(_is_of(argument, name) for argument in node.args)
