"""Files that an entry script opens by a relative path, come what may: when loaded, in ``init()`` or in ``run()``."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator, Mapping, Sequence

from ..data import frozen
from .calls import dotted, imported, top_function
from .texts import every_node, is_encoded_otherwise

_READ = frozenset(
    {
        *("joblib.load", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "torch.load", "torch.jit.load"),
        *("pandas.read_csv", "pandas.read_parquet", "pandas.read_json", "pandas.read_pickle", "pandas.read_excel"),
        *("tensorflow.keras.models.load_model", "keras.models.load_model", "onnxruntime.InferenceSession"),
        *("PIL.Image.open", "cv2.imread", "lightgbm.Booster"),
    }
)
"""Functions that read the file that their first argument names, or one that is called as in :data:`_KEYS`."""

_KEYS = ("file", "filename", "filepath", "path", "filepath_or_buffer", "path_or_bytes", "model_file")

_WRITTEN_BY = {"joblib.dump": 1, "torch.save": 1, "numpy.save": 0, "numpy.savetxt": 0, "logging.FileHandler": 0}
"""Functions that write, and which argument names the file."""

_WRITING_METHODS = frozenset({"to_csv", "to_parquet", "to_excel", "to_pickle", "savefig"})
"""Methods that no other objects have than tables and figures; their first argument is a path."""

_OPENERS = frozenset({"open", "io.open", "codecs.open"})

_PATHS = frozenset({"pathlib.Path", "pathlib.PosixPath"})

_SKIPPED = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.If, ast.IfExp, ast.BoolOp, ast.While),
    *(ast.Match, ast.Try, ast.TryStar, ast.comprehension, ast.For, ast.AsyncFor),
)
"""What a condition decides, or what goes on where the file is missing."""

_PATH_METHODS = ("read_text", "read_bytes", "write_text", "write_bytes", "open")

_WORDS = tuple(
    {
        name.rpartition(".")[2].encode()
        for name in (*_READ, *_WRITTEN_BY, *_WRITING_METHODS, *_OPENERS, *_PATH_METHODS, "logging.basicConfig")
    }
)
"""One of them at least stands in a text that opens something."""

_MOVES = (b"chdir", b"__main__.py")
"""What may change where relative paths begin."""


@frozen
class Opened:
    """A file that is opened.

    :param path: as the text has it, without ``./`` and the like.
    :param by: ``run()``, ``init()`` or ``loading the entry script``.
    """

    path: str
    line: int
    writes: bool
    by: str


def opened(tree: ast.Module, data: bytes) -> Iterator[Opened]:
    """The files, in the order of the text; none of a text that may change the working directory.

    :param data: the text of which ``tree`` is the syntax.
    """
    if any(word in data for word in _MOVES):
        return
    if not any(word in data for word in _WORDS) and not is_encoded_otherwise(data):
        return
    values = _Texts(tree)
    bodies: list[tuple[str, Sequence[ast.stmt]]] = [("loading the entry script", tree.body)]
    bodies += [(f"{name}()", top_function(tree, name)) for name in ("init", "run")]
    for by, body in bodies:
        for node in _carried_out(body):
            path, writes = values.opened(node) if isinstance(node, ast.Call) else (None, False)
            if path is not None and _is_relative(path):
                yield Opened(posixpath.normpath(path), node.lineno, writes, by)  # type: ignore[attr-defined]


def _is_relative(path: str) -> bool:
    return bool(path.strip()) and path[0] not in "/~<" and "\0" not in path and ":" not in path and "\\" not in path


def _carried_out(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of statements that run one after the other; nothing behind one that may end them."""
    for statement in body:
        waiting: list[ast.AST] = [statement]
        while waiting:
            node = waiting.pop()
            if not isinstance(node, _SKIPPED):
                yield node
                waiting += reversed(list(ast.iter_child_nodes(node)))
        own = not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if own and any(isinstance(each, ast.Return | ast.Raise) for each in every_node(statement)):
            return


class _Texts:
    """The texts of a module's expressions: constants, names that are bound once to one, and joined paths."""

    def __init__(self, tree: ast.Module) -> None:
        self._imports: Mapping[str, str] = imported(tree)
        bound: dict[str, list[ast.expr | None]] = {}
        for node in every_node(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                bound.setdefault(node.targets[0].id, []).append(node.value)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.setdefault(node.id, []).append(None)
            elif isinstance(node, ast.arg):
                bound.setdefault(node.arg, []).extend((None, None))
        # An assignment's own target is met twice: as an assignment, and as a name that is stored to.
        self._bound = {name: values[0] or values[1] for name, values in bound.items() if len(values) == 2}
        self._shadowed = bound.keys() | {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

    def opened(self, call: ast.Call) -> tuple[str | None, bool]:
        """The path that a call opens, and whether it writes; None where it opens none that is known."""
        function, given = call.func, call.args
        named = {each.arg: each.value for each in call.keywords}
        first = given[0] if given else next((named[key] for key in _KEYS if key in named), None)
        name = dotted(function, self._imports)
        if isinstance(function, ast.Name) and function.id == "open" and "open" not in self._shadowed:
            name = name or "open"
        if name in _OPENERS:
            mode = self.text(given[1] if len(given) > 1 else named.get("mode", ast.Constant("r")))
            return (None if mode is None else self.text(first)), _writes(mode)
        if name in _READ:
            return self.text(first), False
        if name in _WRITTEN_BY and len(given) > _WRITTEN_BY[name]:
            return self.text(given[_WRITTEN_BY[name]]), True
        if name == "logging.basicConfig" and "filename" in named:
            return self.text(named["filename"]), True
        if isinstance(function, ast.Attribute):
            if function.attr in _WRITING_METHODS and first is not None:
                return self.text(first), True
            if function.attr in _PATH_METHODS:
                path = self.path(function.value)
                mode = self.text(given[0]) if function.attr == "open" and given else "r"
                return path, function.attr.startswith("write") or _writes(mode)
        return None, False

    def text(self, node: ast.expr | None, deeper: int = 8) -> str | None:
        """What a text or a path is."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id=name) if deeper and self._bound.get(name) is not None:
                return self.text(self._bound[name], deeper - 1)
            case ast.Call(func=function, args=parts) if (
                deeper and parts and dotted(function, self._imports) == "os.path.join"
            ):
                texts = [self.text(each, deeper - 1) for each in parts]
                return None if None in texts else posixpath.join(*(each for each in texts if each is not None))
        return self.path(node, deeper) if node is not None else None

    def path(self, node: ast.expr, deeper: int = 8) -> str | None:
        """What a ``Path`` is."""
        if not deeper:
            return None
        match node:
            case ast.Name(id=name) if self._bound.get(name) is not None:
                return self.path(self._bound[name] or node, deeper - 1)
            case ast.Call(func=function, args=[only]) if dotted(function, self._imports) in _PATHS:
                return self.text(only, deeper - 1)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                before, after = self.path(left, deeper - 1), self.text(right, deeper - 1)
                return None if before is None or after is None else posixpath.join(before, after)
        return None


def _writes(mode: str | None) -> bool:
    return mode is not None and any(each in mode for each in "wax+")
