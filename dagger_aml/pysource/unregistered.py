"""What breaks in an entry script because the server loads it by its path.

It is then no part of a package, and it is not in ``sys.modules``, where dataclasses and pydantic look for the module
of a class.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import PurePosixPath

from ..data import frozen
from ..text import pattern
from .bindings import truth_of
from .quiet import quietly
from .source import Source
from .texts import every_node

_TYPE = pattern(r"\s*(?:(\w+)\s*\.)?\s*(\w+)")
"""What `dataclasses` looks for in a field's type that is a text; without a module it asks ``sys.modules``."""

_MAKERS = {"dataclasses": "dataclass", "pydantic.dataclasses": "dataclass"}


@frozen
class OwnType:
    """A class of the entry script whose types are texts that cannot be resolved.

    :param field: the first of its fields with such a type, and the type.
    :param sure: it is made whenever the script is loaded.
    """

    name: str
    line: int
    field: str
    type: str
    sure: bool


def dataclasses_of_texts(source: Source) -> Iterator[OwnType]:
    """Dataclasses that cannot be made in an entry script."""
    if b"dataclass" not in source.data or source.tree is None:
        return
    makers = set(_imported(source.tree, _MAKERS))
    postponed = _is_postponed(source.tree)
    for node, sure in _classes(source.tree) if makers else ():
        if not any(
            _dotted(each.func if isinstance(each, ast.Call) else each) in makers for each in node.decorator_list
        ):
            continue
        for name, text, _ in _texts(node, postponed=postponed):
            found = _TYPE.match(text)
            if found and not found[1]:
                yield OwnType(node.name, node.lineno, name, text, sure)
                break


def models_of_texts(source: Source) -> Iterator[OwnType]:
    """Pydantic models with types that pydantic does not find: anything but builtins and the class itself."""
    if b"BaseModel" not in source.data or source.tree is None:
        return
    if any(word in source.data for word in (b"model_rebuild", b"update_forward_refs")):
        return
    bases = set(_imported(source.tree, {"pydantic": "BaseModel"}))
    postponed = _is_postponed(source.tree)
    known = set(dir(builtins))
    for node, sure in _classes(source.tree) if bases else ():
        if not any(_dotted(each) in bases for each in node.bases):
            continue
        bases.add(node.name)
        for name, text, annotation in _texts(node, postponed=postponed):
            parsed = annotation if postponed else _expression(text)
            used = {each.id for each in every_node(parsed) if isinstance(each, ast.Name)} if parsed else set()
            if used - known - {node.name}:
                yield OwnType(node.name, node.lineno, name, text, sure)
                break


@frozen
class Relative:
    """A relative import that cannot succeed, since it leaves the package that its file is in.

    :param file: relative to the code folder.
    :param text: as it is written, ``from .helper import x``.
    :param absolute: what would find the same module, if it is in the code folder.
    :param sure: it is run whenever its file is loaded.
    """

    file: str
    line: int
    text: str
    absolute: str | None
    sure: bool


def relative_imports(file: str, source: Source, *, is_script: bool) -> Iterator[Relative]:
    """Relative imports of a file that cannot succeed.

    :param file: relative to the code folder, which is on ``sys.path``.
    :param is_script: it is the entry script, which is in no package wherever it lies.
    """
    folders = PurePosixPath(file).parts[:-1]
    for each in source.imports:
        if each.level > (0 if is_script else len(folders)) and not (each.optional or each.typing):
            names = ", ".join(each.names) or "*"
            above = folders[: max(len(folders) - each.level + 1, 0)]
            module = ".".join([*above, *([each.module] if each.module else [])])
            absolute = f"from {module} import {names}" if module else f"import {names}" if each.names else None
            text = f"from {'.' * each.level}{each.module} import {names}"
            yield Relative(file, each.line, text, absolute, sure=each.depth == 1)


def _written(annotation: ast.expr) -> str:
    try:
        return ast.unparse(annotation)
    except RecursionError:
        return "…"


_LONGEST_TYPE = 1000
"""Characters of a text that may be a type."""


def _classes(tree: ast.Module) -> Iterator[tuple[ast.ClassDef, bool]]:
    """Classes, and whether each is made whenever the module is loaded; what never runs is left out."""
    waiting: list[tuple[ast.AST, bool]] = [(each, True) for each in reversed(tree.body)]
    while waiting:
        node, sure = waiting.pop()
        if isinstance(node, ast.ClassDef):
            yield node, sure
            waiting += [(each, sure) for each in reversed(node.body)]
        elif isinstance(node, ast.If) and truth_of(node.test) is not None:
            waiting += [(each, sure) for each in reversed(node.body if truth_of(node.test) else node.orelse)]
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            waiting += [(each, False) for each in reversed(list(ast.iter_child_nodes(node)))]


def _texts(node: ast.ClassDef, *, postponed: bool) -> Iterator[tuple[str, str, ast.expr]]:
    """Fields of a class whose type is a text when the class is made: name, text, expression."""
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            if postponed:
                yield each.target.id, _written(each.annotation), each.annotation
            elif isinstance(each.annotation, ast.Constant) and isinstance(each.annotation.value, str):
                yield each.target.id, each.annotation.value, each.annotation


def _imported(tree: ast.Module, wanted: dict[str, str]) -> Iterator[str]:
    """By which dotted names a module has things of others; of a module of the same name nobody knows."""
    for node in every_node(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in wanted:
                    yield f"{alias.asname or alias.name}.{wanted[alias.name]}"
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module in wanted:
            yield from (alias.asname or alias.name for alias in node.names if alias.name == wanted[node.module])


def _is_postponed(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in tree.body
    )


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _expression(text: str) -> ast.expr | None:
    if len(text) > _LONGEST_TYPE:
        return None
    try:
        with quietly():
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
