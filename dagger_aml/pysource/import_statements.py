"""The imports of one Python file, as they stand in its text."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from ..data import frozen
from .texts import is_encoded_otherwise

_PASSING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
"""What an ``except`` names that makes an import in its ``try`` one that may fail."""

_IMPORTERS = ("import_module", "__import__")

_BLOCKS: Mapping[type[ast.AST], tuple[str, ...]] = {
    ast.Module: ("body",),
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.With, ast.AsyncWith), ("body",)),
    **dict.fromkeys((ast.ExceptHandler, ast.match_case), ("body",)),
    **dict.fromkeys((ast.If, ast.For, ast.AsyncFor, ast.While), ("body", "orelse")),
    **dict.fromkeys((ast.Try, ast.TryStar), ("body", "handlers", "orelse", "finalbody")),
    ast.Match: ("cases",),
}
"""What has statements in it, and where, in the order of the text."""

_STATEMENTS = frozenset({*_BLOCKS, ast.Import, ast.ImportFrom})


@frozen
class Imported:
    """One import.

    :param module: as written; empty for ``from . import a``.
    :param names: what ``from`` imports of it, a star not.
    :param level: how many dots stand before the module.
    :param line: in the file, from 1.
    :param depth: 1 for a statement of the module itself; more for what stands in another statement.
    :param optional: in a ``try`` that survives its failure, or below ``if __name__ == "__main__"``.
    :param typing: below ``if TYPE_CHECKING``.
    :param by: a statement, ``importlib`` (or ``import_module`` or ``__import__`` by itself), or another call of such
        a name. Of a call, ``module`` is the text that it is given, whatever that is.
    """

    module: str
    names: tuple[str, ...]
    level: int
    line: int
    depth: int
    optional: bool
    typing: bool
    by: Literal["statement", "importlib", "call"] = "statement"

    @property
    def top(self) -> str:
        """``azure`` of ``azure.identity``."""
        return self.module.partition(".")[0]


def is_within(module: str, names: Iterable[str], outer: str) -> bool:
    """Whether an import is of a module or of something in it, ``from azureml.contrib import services`` included.

    :param module: that is imported, and ``names`` what ``from`` imports of it.
    :param outer: the module that it may be of.
    """
    written = (module, *(f"{module}.{name}" for name in names))
    return any(f"{each}.".startswith(f"{outer}.") for each in written)


def imports_of(tree: ast.Module, data: bytes) -> Iterator[Imported]:
    """Imports, those in functions too, in the order of the text; however deep its expressions are.

    :param data: the text of which ``tree`` is the syntax.
    """
    # Expressions are most of a text, and only calls in them import.
    inner: Callable[[ast.AST], Iterable[ast.AST]] = (
        ast.iter_child_nodes if any(name.encode() in data for name in _IMPORTERS) else _statements
    )
    # Each import has the word in it, so none is left once as many are found: mostly at the top of the text.
    left = sys.maxsize if is_encoded_otherwise(data) else data.count(b"import")
    waiting: list[tuple[ast.AST, int, bool, bool]] = [(tree, 0, False, False)]
    while waiting and left:
        node, depth, optional, typing = waiting.pop()
        if isinstance(node, ast.Import):
            left -= 1
            for alias in node.names:
                yield Imported(alias.name, (), 0, node.lineno, depth, optional, typing)
            continue
        if isinstance(node, ast.ImportFrom):
            left -= 1
            names = tuple([alias.name for alias in node.names if alias.name != "*"])
            yield Imported(node.module or "", names, node.level, node.lineno, depth, optional, typing)
            continue
        more = [(each, depth + 1, optional, typing) for each in inner(node)]
        if isinstance(node, ast.Call):
            by, first = _importer(node), node.args[0] if node.args else None
            if by and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Imported(first.value, (), 0, node.lineno, depth, optional, typing, by)
        elif isinstance(node, ast.Try) and any(_passes(handler) for handler in node.handlers):
            more = [(each, depth + 1, True, typing) for each in (*node.body, *node.handlers, *node.orelse)]
            more += [(each, depth + 1, optional, typing) for each in node.finalbody]
        elif isinstance(node, ast.If) and _is_typing(node.test):
            more = [(each, depth + 1, optional, True) for each in node.body]
            more += [(each, depth + 1, optional, typing) for each in node.orelse]
        elif isinstance(node, ast.If) and _is_main(node.test):
            more = [(each, depth + 1, True, typing) for each in (*node.body, *node.orelse)]
        waiting += reversed(more)


def _statements(node: ast.AST) -> list[ast.AST]:
    """The imports below a statement, a handler or a case, and what may have some in it, in the order of the text."""
    found: Iterator[ast.AST] = (each for name in _BLOCKS.get(node.__class__, ()) for each in getattr(node, name))
    return [each for each in found if each.__class__ in _STATEMENTS]


def _importer(node: ast.Call) -> Literal["importlib", "call"] | None:
    called = node.func
    if isinstance(called, ast.Name):
        return "importlib" if called.id in _IMPORTERS else None
    if not isinstance(called, ast.Attribute) or called.attr not in _IMPORTERS:
        return None
    own = isinstance(called.value, ast.Name) and called.value.id == "importlib" and called.attr == "import_module"
    return "importlib" if own else "call"


def _passes(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    listed = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        (isinstance(each, ast.Name) and each.id in _PASSING)
        or (isinstance(each, ast.Attribute) and each.attr in _PASSING)
        for each in listed
    )


def _is_typing(test: ast.expr) -> bool:
    if isinstance(test, ast.Attribute):
        return test.attr == "TYPE_CHECKING" and isinstance(test.value, ast.Name) and test.value.id in ("typing", "t")
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _is_main(test: ast.expr) -> bool:
    """``__name__ == "__main__"``, either way round."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = (test.left, test.comparators[0])
    return any(isinstance(each, ast.Name) and each.id == "__name__" for each in sides) and any(
        isinstance(each, ast.Constant) and each.value == "__main__" for each in sides
    )
