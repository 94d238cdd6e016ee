"""The names that a module's statements may bind at its top level, whatever is so when it runs."""

from __future__ import annotations

import ast

from .texts import every_node


def bound_at_top(tree: ast.Module) -> tuple[frozenset[str], str | None]:
    """Names that statements bind at the module's top level, and the star import among them if any, as written."""
    names: set[str] = set()
    star: str | None = None
    waiting: list[tuple[ast.stmt, bool]] = [(each, True) for each in reversed(tree.body)]
    while waiting:
        statement, top = waiting.pop()
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                if alias.name == "*" and (top or star is None):
                    star = ast.unparse(statement)
                names.add(alias.asname or alias.name.partition(".")[0])
            continue
        if top:
            stored = (each for each in every_node(statement) if isinstance(each, ast.Name))
            names.update(each.id for each in stored if isinstance(each.ctx, ast.Store))
        parts = [statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
        below = [
            each for part in parts for name in ("body", "orelse", "finalbody") for each in getattr(part, name, [])
        ]
        waiting += [(each, False) for each in reversed(below)]
    return frozenset(names), star


def defined_at_top(tree: ast.Module) -> frozenset[str]:
    """The functions of a module's top level, those under no condition."""
    return frozenset(each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))


def declared_global(tree: ast.Module) -> frozenset[str]:
    """The names that functions declare ``global``."""
    return frozenset(each for node in every_node(tree) if isinstance(node, ast.Global) for each in node.names)
