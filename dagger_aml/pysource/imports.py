"""What the code of a project imports: read as syntax, never run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from attrs import frozen

from ..errors import ProjectError

_PASSING = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
"""What an ``except`` names that makes an import in its ``try`` one that may fail."""


@frozen
class Import:
    """One import of something that is neither Python's own nor the project's.

    :param module: as written, ``azure.identity``; for ``from azure import identity`` it is ``azure``.
    :param names: what ``from`` imports of it.
    :param file: relative to the code folder, posix separators.
    :param optional: in a ``try`` that survives its failure, or below ``if __name__ == "__main__"``.
    :param reached: the file is the entry script, or is imported from it, directly or through others.
    """

    module: str
    names: tuple[str, ...]
    file: str
    line: int
    optional: bool
    reached: bool

    @property
    def top(self) -> str:
        """``azure`` of ``azure.identity``."""
        return self.module.partition(".")[0]


@frozen
class Code:
    """What was read of a code folder.

    :param imports: in the order of the files, those that the entry script reaches first.
    :param unread: ``file:line: why`` of files that are no Python; the entry script is never among them.
    :param own: which of the modules that a model names are the project's own.
    """

    imports: tuple[Import, ...]
    unread: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()


def read_code(
    folder: Path,
    files: Iterable[str],
    script: str,
    *,
    installed: Callable[[str], bool],
    modules: Iterable[str] = (),
) -> Code:
    """Read the imports of all Python files that travel.

    A module is the project's own if it lies beside the entry script or at the top of the code, or if it lies
    elsewhere in the code and is not installed: scripts that change ``sys.path`` find it there.

    :param files: that travel, relative to the folder.
    :param installed: whether a top-level name is a package's of this environment.
    :param modules: that a model names; those of the project's own are needed as if the entry script imported them.
    :raises ProjectError: a file cannot be read, or the entry script cannot be parsed.
    """
    tree = _Tree(frozenset(each for each in files if each.endswith(".py")), script, installed)
    found: dict[str, list[_Found]] = {}
    unread: list[str] = []

    def read(file: str) -> list[_Found]:
        if file not in found:
            found[file], problem = _read(folder, file)
            if problem and file == script:
                raise ProjectError(problem.partition(": ")[2], where=f"{folder / problem.partition(': ')[0]}")
            unread.extend([problem] if problem else [])
        return found[file]

    own = frozenset(module for module in modules if tree.is_own(module))
    waiting = [script, *(file for module in sorted(own) for file in tree.own(module.split("."), ()))]
    reached = dict.fromkeys(waiting)
    while waiting:
        file = waiting.pop(0)
        for each in read(file):
            for other in tree.files_of(each, file):
                if other not in reached:
                    reached[other] = None
                    waiting.append(other)
    imports = [
        Import(each.module, each.names, file, each.line, each.optional, file in reached)
        for file in (*reached, *sorted(tree.files - reached.keys()))
        for each in read(file)
        if not each.level and not tree.is_own(each.module) and each.module.partition(".")[0] not in STANDARD
    ]
    return Code(tuple(imports), tuple(unread), own)


STANDARD = frozenset(sys.stdlib_module_names) | {"__main__", "__builtin__", "copy_reg"}
"""Top-level names that no package has to bring; the last two are Python 2's, in old pickles."""


@frozen
class _Found:
    """An import statement; ``level`` is the number of its leading dots."""

    module: str
    names: tuple[str, ...]
    level: int
    line: int
    optional: bool


@frozen
class _Tree:
    """The Python files of the code, and what an import finds among them."""

    files: frozenset[str]
    script: str
    installed: Callable[[str], bool]

    def is_own(self, module: str) -> bool:
        return self._place(module.partition(".")[0]) is not None

    def own(self, parts: list[str], names: tuple[str, ...]) -> Iterator[str]:
        """The files that importing a module of the project's runs: its packages' and its own."""
        place = self._place(parts[0])
        if place is not None:
            yield from self._below(place, parts, names)

    def files_of(self, each: _Found, importer: str) -> Iterator[str]:
        parts = each.module.split(".") if each.module else []
        if not each.level:
            yield from self.own(parts, each.names)
            return
        folders = PurePosixPath(importer).parts[:-1]
        up = each.level - 1
        if up <= len(folders):
            yield from self._below("/".join(folders[: len(folders) - up]), parts, each.names)

    def _below(self, place: str, parts: list[str], names: tuple[str, ...]) -> Iterator[str]:
        whole = "/".join([*([place] if place else []), *parts])
        paths = ["/".join([*([place] if place else []), *parts[:end]]) for end in range(1, len(parts) + 1)]
        for path in [*paths, *([] if parts else [whole]), *(f"{whole}/{name}".lstrip("/") for name in names)]:
            yield from self.files & {f"{path}.py", f"{path}/__init__.py".lstrip("/")}

    def _place(self, top: str) -> str | None:
        """The folder in which a module or package of the project's lies."""
        if top in STANDARD:
            return None
        beside = PurePosixPath(self.script).parent.as_posix()
        for place in dict.fromkeys(["", "" if beside == "." else beside]):
            if self._has(place, top):
                return place
        if self.installed(top):
            return None
        folders = {str(parent) for file in self.files for parent in PurePosixPath(file).parents[:-1]}
        return next(
            (place for place in sorted(folders, key=lambda each: (len(each), each)) if self._has(place, top)), None
        )

    def _has(self, place: str, top: str) -> bool:
        path = f"{place}/{top}" if place else top
        return f"{path}.py" in self.files or any(file.startswith(f"{path}/") for file in self.files)


def _read(folder: Path, file: str) -> tuple[list[_Found], str | None]:
    """The imports of a file, or why it is no Python."""
    try:
        tree = ast.parse((folder / file).read_bytes(), file)
        visitor = _Visitor()
        visitor.visit(tree)
    except SyntaxError as error:
        python = ".".join(map(str, sys.version_info[:2]))
        return [], f"{file}:{error.lineno or 1}: Python {python} cannot parse it: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return [], f"{file}:1: cannot be read as Python ({error})"
    except OSError as error:
        raise ProjectError(f"cannot be read ({error.strerror})", where=str(folder / file)) from None
    return visitor.found, None


class _Visitor(ast.NodeVisitor):
    """Collects imports, those in functions too, and ``importlib.import_module`` of a text."""

    def __init__(self) -> None:
        self.found: list[_Found] = []
        self.optional = False

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, (), 0, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        names = tuple(alias.name for alias in node.names if alias.name != "*")
        self._add(node.module or "", names, node.level, node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        called = ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
        if called in ("importlib.import_module", "import_module", "__import__") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str) and _is_module(name.value):
                self._add(name.value, (), 0, node.lineno)
        self.generic_visit(node)

    def visit_Try(self, node: ast.Try) -> None:
        if any(_passes(handler) for handler in node.handlers):
            self._visit_optional([*node.body, *node.handlers, *node.orelse])
            for each in node.finalbody:
                self.visit(each)
        else:
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        test = ast.unparse(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING", "t.TYPE_CHECKING"):
            for each in node.orelse:
                self.visit(each)
        elif test in ("__name__ == '__main__'", "'__main__' == __name__"):
            self._visit_optional([*node.body, *node.orelse])
        else:
            self.generic_visit(node)

    def _visit_optional(self, nodes: Iterable[ast.AST]) -> None:
        before, self.optional = self.optional, True
        for node in nodes:
            self.visit(node)
        self.optional = before

    def _add(self, module: str, names: tuple[str, ...], level: int, line: int) -> None:
        self.found.append(_Found(module, names, level, line, self.optional))


def _passes(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    listed = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(each).rpartition(".")[2] in _PASSING for each in listed)


def _is_module(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))
