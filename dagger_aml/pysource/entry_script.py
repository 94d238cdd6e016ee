"""What can be told of an entry script without running it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ..errors import ProjectError, unreadable

_LONGEST_NAME = 255
"""Bytes of one name in a path that Linux takes."""


def check_relative(script: str, where: str) -> str:
    """The entry script's path in its plain form, ``score.py`` for ``./score.py``.

    :param where: what says it, for the message.
    :raises ProjectError: absolute, outside the code folder, or longer than a path can be.
    """
    pure = PurePosixPath(script)
    if any(len(part.encode("utf-8", "surrogatepass")) > _LONGEST_NAME for part in pure.parts):
        raise ProjectError(f"the entry script's name is longer than a file's can be: {script[:60]}…", where=where)
    if pure.is_absolute() or script.startswith("\\") or ":" in script[:2]:
        raise ProjectError(
            f"the entry script must be relative to the code folder: {script}",
            where=where,
            do="The image's start script looks for it below the code folder and breaks on an absolute path.",
        )
    if ".." in pure.parts or not pure.parts:
        raise ProjectError(
            f"the entry script lies outside the code folder: {script!r}",
            where=where,
            do="Move it into the code folder, or make the folder above it the code folder ([code] path).",
        )
    return pure.as_posix()


def check(folder: Path, script: str) -> tuple[str, ...]:
    """Check that ``script`` is an entry script of the code folder; returns notes for the user.

    Azure ML's inference server loads the file and calls its ``init()`` once and ``run(data)`` for each request.

    :param script: path relative to the folder, posix separators.
    :raises ProjectError: absolute, outside the folder, missing, not Python, or provably without ``init`` or ``run``.
    """
    pure = PurePosixPath(check_relative(script, str(folder)))
    path = folder / pure
    if not path.is_file():
        raise ProjectError(
            "the entry script does not exist",
            where=str(path),
            do=_candidates(folder) or "Name it with --entry-script or `entry-script` of [code].",
        )
    if pure.suffix != ".py":
        raise ProjectError("the entry script must end in .py", where=str(path))
    if folder.resolve() not in path.resolve().parents:
        raise ProjectError("the entry script is a link that leads out of the code folder", where=str(path))
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        python = ".".join(map(str, sys.version_info[:2]))
        place = f"{path}:{error.lineno}" if error.lineno else str(path)
        raise ProjectError(f"Python {python} cannot parse it: {error.msg}", where=place) from None
    except OSError as error:
        raise unreadable(error, path) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProjectError(f"cannot be read as Python ({error})", where=str(path)) from None
    names, star = _bound(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            names.update(node.names)
    missing = [f"{name}()" for name in ("init", "run") if name not in names]
    if not missing:
        return ()
    if star:
        return (f"{script}: {' and '.join(missing)} may come from `{star}`; that cannot be told without running it",)
    raise ProjectError(
        f"the entry script has no {' and no '.join(missing)}",
        where=str(path),
        do="Azure ML's server calls init() once at start and run(data) for each request.",
    )


def _bound(body: Iterable[ast.stmt]) -> tuple[set[str], str | None]:
    """Names that statements bind at the module's top level, and the star import among them if any."""
    names: set[str] = set()
    star: str | None = None
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                if alias.name == "*":
                    star = ast.unparse(statement)
                names.add(alias.asname or alias.name.partition(".")[0])
            continue
        for node in ast.iter_child_nodes(statement):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    names.add(inner.id)
        for field in ("body", "orelse", "finalbody"):
            more, inner_star = _bound(getattr(statement, field, []))
            names |= more
            star = star or inner_star
        for handler in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            more, inner_star = _bound(handler.body)
            names |= more
            star = star or inner_star
    return names, star


def find(folder: Path) -> tuple[str, ...]:
    """Names of the Python files of a folder that have ``init`` and ``run`` at their top level, sorted.

    Where a file defines both, those that only import or assign them (its tests, say) are none. What does not parse is
    none, and neither are ``__init__.py`` and tests by their names.
    """
    defined, bound = [], []
    for path in sorted(folder.glob("*.py")) if folder.is_dir() else ():
        if path.stem in ("__init__", "conftest") or path.stem.startswith("test_") or path.stem.endswith("_test"):
            continue
        try:
            data = path.read_bytes()
            if b"init" not in data or b"run" not in data:
                continue
            body = ast.parse(data).body
            names, _ = _bound(body)
        except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
            continue
        functions = {each.name for each in body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
        if {"init", "run"} <= functions:
            defined.append(path.name)
        elif {"init", "run"} <= names:
            bound.append(path.name)
    return tuple(defined or bound)


def _candidates(folder: Path) -> str | None:
    """A sentence that names Python files of the folder which have both functions."""
    found = find(folder)
    return f"Has init() and run(): {', '.join(found)}; name it with --entry-script." if found else None
