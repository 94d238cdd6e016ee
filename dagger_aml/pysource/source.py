"""The one reader of Python source: each text is parsed once, whoever asks of it and however often.

What is asked: whether a file is an entry script (:mod:`.entry_script`), what its imports lead to in the image
(:mod:`.reached`), and what packages a code folder needs (:mod:`.imports`). The last two follow imports by different
rules on purpose:

========================================  ==================================  ======================================
question                                  ``reached``: what is used          ``imports``: what packages are needed
========================================  ==================================  ======================================
where a module of the project's lies      at the top of the code folder       also beside the script or, unless it is
                                                                              installed, anywhere in the code
``if TYPE_CHECKING:``                     followed: a file may be used        passed over: no package is needed
``anything.import_module("x")``           followed                            only of ``importlib`` or by itself
a text that is no Python                  leads nowhere                       told, and an error of the entry script
========================================  ==================================  ======================================
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from attrs import field

from .. import contract
from ..data import frozen
from .bindings import Scope, scope_of
from .bounds import DEEPEST
from .model_paths import ModelPath, model_paths
from .opened import Opened, opened
from .pythons import Python
from .texts import nodes_and_depth, paths_in
from .versions import Problem, parse

_PASSING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
"""What an ``except`` names that makes an import in its ``try`` one that may fail."""


_IMPORTERS = ("import_module", "__import__")


_MOST, _MOST_TREES = 256, 32
"""Texts of which it is remembered what stands in them, and those whose syntax is kept, which is much larger."""


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


@frozen(slots=False)
class Source:
    """What stands in a Python file.

    :param name: of the file, for Python's own messages.
    :param python: the version that is to run it; None where that is not known.
    :param problem: why it is none of the Python that is to run it. Of a ``broken`` one all else is empty; of others
        the rest says what travels and which file is the entry script, and nothing else should be concluded of it.
    :param imports: all of them, in the order of the text.
    :param names: that it may bind at its top level.
    :param declared: names that a function in it declares ``global``.
    :param functions: that are defined at its top level, under no condition.
    :param star: an import of everything at its top level, as written.
    :param paths: first parts of what look like relative paths among its texts.
    :param model_paths: what it names below the folder of the model.
    """

    data: bytes = field(repr=False)
    name: str = field(eq=False)
    python: Python | None = field(eq=False)
    problem: Problem | None = None
    imports: tuple[Imported, ...] = ()
    names: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    star: str | None = None
    paths: frozenset[str] = frozenset()
    model_paths: tuple[ModelPath, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether no Python parses it."""
        return self.problem is not None and self.problem.kind == "broken"

    @property
    def tree(self) -> ast.Module | None:
        """Its syntax, of a rewritten text if need be; None of a broken one, and of one that is too deep."""
        if self.problem and self.problem.kind == "large":
            return None
        return _tree(self.data, self.name, self.python)[0]

    @cached_property
    def scope(self) -> Scope:
        """What names it has once it has been loaded."""
        try:
            return scope_of(self.tree or ast.Module([], []))
        except RecursionError:  # Such as of some hundred `elif`, each in the `else` of the one before.
            return Scope({}, dynamic=True)

    @cached_property
    def opened(self) -> tuple[Opened, ...]:
        """The files that it opens by relative paths, come what may."""
        tree = self.tree
        return () if tree is None else tuple(opened(tree, self.data))

    @property
    def changes_path(self) -> bool:
        """Whether it may change where imports are looked for."""
        return b"sys" in self.data and (b".path" in self.data or b"import path" in self.data)


def read_source(path: Path, python: Python | None = None) -> Source:
    """Read a Python file; what it says is worked out once for the same text.

    :param python: the version that is to run it; ours unless given.
    :raises OSError: it cannot be read.
    """
    return parsed(path.read_bytes(), str(path), python)


def read_sound(path: Path, python: Python | None = None) -> Source | None:
    """As :func:`read_source`; None where the file cannot be read, or is none of the Python that is to run it."""
    try:
        found = read_source(path, python)
    except (OSError, ValueError):
        return None
    return None if found.problem else found


@lru_cache(maxsize=_MOST_TREES)
def _tree(data: bytes, name: str, python: Python | None) -> tuple[ast.Module | None, Problem | None]:
    return parse(data, name, python)


@lru_cache(maxsize=_MOST)
def parsed(data: bytes, name: str, python: Python | None = None) -> Source:
    """What stands in a text.

    :param name: for Python's own messages of it.
    :param python: as of :func:`read_source`.
    """
    tree, problem = _tree(data, name, python)
    if tree is None:
        return Source(data, name, python, problem)
    nodes, depth = nodes_and_depth(tree)
    if depth > DEEPEST:
        return Source(
            data,
            name,
            python,
            Problem(f"cannot be read as Python: it is nested deeper than {DEEPEST} levels", None, "large"),
        )
    names, star = _bound(tree)
    return Source(
        data,
        name,
        python,
        problem,
        imports=tuple(_imports(tree, calls=any(name.encode() in data for name in _IMPORTERS))),
        names=frozenset(names),
        declared=frozenset(each for node in nodes if isinstance(node, ast.Global) for each in node.names),
        functions=frozenset(
            each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        ),
        star=star,
        paths=frozenset(paths_in(nodes)),
        model_paths=model_paths(tree) if contract.MODEL_DIR.encode() in data and not problem else (),
    )


def _imports(tree: ast.Module, *, calls: bool) -> Iterator[Imported]:
    """Imports, those in functions too, in the order of the text; however deep its expressions are.

    :param calls: whether expressions are looked at too, most of a text, in which only calls import.
    """
    inner = ast.iter_child_nodes if calls else _statements
    waiting: list[tuple[ast.AST, int, bool, bool]] = [(tree, 0, False, False)]
    while waiting:
        node, depth, optional, typing = waiting.pop()
        more = [(each, depth + 1, optional, typing) for each in inner(node)]
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Imported(alias.name, (), 0, node.lineno, depth, optional, typing)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names if alias.name != "*")
            yield Imported(node.module or "", names, node.level, node.lineno, depth, optional, typing)
        elif isinstance(node, ast.Call):
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
    """What a statement, a handler or a case has below it but for expressions, in the order of the text."""
    return [each for name in _BLOCKS for each in getattr(node, name, ())]


_BLOCKS = ("body", "cases", "handlers", "orelse", "finalbody")


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


def _bound(tree: ast.Module) -> tuple[set[str], str | None]:
    """Names that statements bind at the module's top level, and the star import among them if any."""
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
            stored = (each for node in ast.iter_child_nodes(statement) for each in ast.walk(node))
            names.update(each.id for each in stored if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))
        parts = [statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
        below = [
            each for part in parts for name in ("body", "orelse", "finalbody") for each in getattr(part, name, [])
        ]
        waiting += [(each, False) for each in reversed(below)]
    return names, star
