"""What an entry script leads to, told from its text: the modules that it imports and the paths that it names."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

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


_MODEL_DIR = (b"AZUREML_MODEL_DIR", b"get_model_path")


@frozen
class Reached:
    """What an entry script leads to, directly or through the modules of its code folder.

    :param modules: top-level names that are imported and lie in the folder.
    :param absent: top-level names that the entry script or such a module imports, come what may, and that lie neither
        in the folder nor in the standard library: packages, or modules from elsewhere.
    :param named: first parts of the relative paths that stand in the texts.
    :param reads_model_dir: whether one of the texts has AZUREML_MODEL_DIR, or SDK v1's ``get_model_path``.
    """

    modules: frozenset[str]
    absent: tuple[str, ...]
    named: frozenset[str]
    reads_model_dir: bool


def reached(folder: Path, script: str) -> Reached:
    """Follow an entry script's imports through its code folder, which is on ``sys.path`` in the image.

    What cannot be read or parsed leads nowhere; :func:`dagger_aml.pysource.entry_script.check` tells
    the user of that.

    :param script: relative to the folder.
    """
    seen: dict[Path, None] = {}
    waiting = [folder / script]
    modules: set[str] = set()
    absent: dict[str, None] = {}
    named: set[str] = set()
    reads = False
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen[path] = None
        try:
            data = path.read_bytes()
            tree = ast.parse(data)
            nodes = list(ast.walk(tree))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        reads = reads or any(word in data for word in _MODEL_DIR)
        named.update(_paths(nodes))
        needed = {name.partition(".")[0] for name in _imports(_unconditional(tree.body), path, folder)}
        for name in _imports(nodes, path, folder):
            if not all(part.isidentifier() for part in name.split(".")):
                continue
            top = name.partition(".")[0]
            files = list(_files(folder, name))
            if files or (folder / top).is_dir():
                modules.add(top)
                waiting += files
            elif top in needed and top not in sys.stdlib_module_names:
                absent[top] = None
    return Reached(frozenset(modules), tuple(absent), frozenset(named), reads)


def _unconditional(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run whenever the module is imported; what a ``try`` guards may be missing."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement


def _imports(nodes: Iterable[ast.AST], path: Path, folder: Path) -> Iterator[str]:
    """Dotted names, as seen from the folder, that import statements or ``import_module("name")`` may import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = _package(path, folder, node.level) if node.level else ""
            if above is None:
                continue
            module = ".".join(part for part in (above, node.module) if part)
            if module:
                yield module
            yield from (".".join(part for part in (module, alias.name) if part) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.strip("."):
                yield first.value.strip(".")


def _package(path: Path, folder: Path, level: int) -> str | None:
    """The package that a relative import starts from; None where it leaves the folder."""
    parts = path.relative_to(folder).parts[:-1]
    kept = len(parts) - (level - 1)
    return ".".join(parts[:kept]) if kept >= 0 else None


def _files(folder: Path, name: str) -> Iterator[Path]:
    """The files that importing a dotted name executes, as far as they lie in the folder."""
    here = folder
    for part in name.split("."):
        module, here = here / f"{part}.py", here / part
        yield from (each for each in (module, here / "__init__.py") if each.is_file())


def _paths(nodes: list[ast.AST]) -> Iterator[str]:
    """First parts of what look like relative paths among the texts; docstrings are none."""
    plain: set[int] = set()
    skipped: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            plain.update((id(node.left), id(node.right)))
        elif isinstance(node, ast.Call) and _called(node) in _OPENERS:
            plain.update(id(argument) for argument in node.args)
    for node in nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in skipped:
            continue
        text = node.value.replace("\\", "/")
        parts = [part for part in text.split("/") if part not in ("", ".", "..")]
        if parts and ("/" in text or id(node) in plain or "." in parts[0]):
            yield parts[0]


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
