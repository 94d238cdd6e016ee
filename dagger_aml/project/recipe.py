"""Finding a recipe: by the name of a built-in one, by a path, or by an installed entry point."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Coroutine
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from ..errors import DaggerAmlError, UsageError
from ..graph.graph import Graph
from ..graph.stages import secret_ids
from .file import looks_like_path
from .model import Project
from .network import check_secrets

Recipe = Callable[[Graph, Project], Coroutine[Any, Any, Graph]]


GROUP = "dagger_aml.recipes"
"""Entry point group in which an installed package offers recipes."""

RECIPE_LABEL = "io.dagger-aml.recipe"
"""In which an image says what recipe laid it out."""


def recipe_folder() -> Path:
    """Where the built-in recipes are: packed into the wheel, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    packed = package / "recipes"
    return packed if packed.is_dir() else package.parent / "recipes"


def recipe_names() -> tuple[str, ...]:
    """The names of the built-in recipes."""
    return tuple(sorted(path.stem for path in recipe_folder().glob("*.py") if not path.stem.startswith("_")))


_OTHERS: set[str] = set()
"""Names of recipes that were loaded and are not ours."""


def is_built_in(name: str) -> bool:
    """Whether a name is that of a built-in recipe."""
    return name.isidentifier() and not name.startswith("_") and (recipe_folder() / f"{name}.py").is_file()


def loaded_others() -> bool:
    """Whether a recipe that is not ours was loaded, whose code may have more to do when the process ends."""
    return bool(_OTHERS)


def load_recipe(name: str, *, root: Path | None = None) -> Recipe:
    """Find and load a recipe.

    :param name: a built-in one's name; a path that ends in ``.py`` or has a slash; else an entry point's name.
    :param root: what a path is relative to, after the working directory.
    :raises UsageError: no such recipe (the nearest names are told), or the file has no ``async def recipe``, or it
        cannot be imported.
    """
    if looks_like_path(name):
        candidates = [Path(name), *([root / name] if root else [])]
        path = next((each for each in candidates if each.is_file()), None)
        if path is None:
            raise UsageError("the recipe file does not exist", location=name)
        _OTHERS.add(name)
        return _from_file(path)
    path = recipe_folder() / f"{name}.py"
    if name.isidentifier() and path.is_file():
        return _from_file(path)
    from importlib.metadata import entry_points

    installed = entry_points(group=GROUP)
    for point in installed.select(name=name):
        _OTHERS.add(name)
        try:
            found = point.load()
        except Exception as error:
            raise UsageError(
                f"the recipe {name!r} cannot be imported: {type(error).__name__}: {error}", location=point.value
            ) from error
        return _checked(found, point.value)
    known = (*recipe_names(), *sorted(point.name for point in installed))
    import difflib

    near = difflib.get_close_matches(name, known, 2, 0.4)
    raise UsageError(
        f"no recipe is called {name!r}",
        hint=(f"Did you mean {' or '.join(near)}? " if near else "")
        + f"Known: {', '.join(known)}; for your own recipe file, give its path, such as ./mine.py.",
    )


def label_of(name: str) -> str:
    """What an image says of its recipe: a name; of a file that alone, so that no path of this machine is in it."""
    said = Path(name).name if looks_like_path(name) else name
    return said if said.isprintable() else said.encode("unicode_escape").decode()


async def run_recipe(project: Project) -> Graph:
    """The graph that a project's recipe lays out, as it says it: no rule has looked at it.

    :raises UsageError: no such recipe, or what it returned is no graph.
    :raises ProjectError, GraphError: what the recipe's steps refuse.
    """
    try:
        recipe = load_recipe(project.recipe, root=project.root)
    except UsageError as error:
        error.location = error.location or project.origins.get("recipe")
        raise
    graph = await _called(recipe, project)
    check_secrets(project.access, secret_ids(graph))
    return graph.configure(labels={RECIPE_LABEL: label_of(project.recipe), **graph.config.labels})


async def _called(recipe: Recipe, project: Project) -> Graph:
    """What a recipe returned; an error in it that is not ours says where in its file."""
    try:
        graph = await recipe(Graph(access=project.access), project)
    except DaggerAmlError:
        raise
    except Exception as error:
        code: CodeType | None = getattr(inspect.unwrap(recipe), "__code__", None)
        if code is None or Path(code.co_filename).is_relative_to(recipe_folder()):
            raise  # a fault of ours: all of the traceback is wanted
        from .recipe_error import recipe_error

        raise recipe_error(error, project.recipe, code) from error
    if isinstance(graph, Graph):
        return graph
    from .recipe_error import not_awaited

    raise not_awaited(graph, project.recipe) or UsageError(
        "the recipe did not return a Graph", location=project.recipe
    )


class _Uncached(SourceFileLoader):
    """Puts no ``__pycache__`` beside a file of the user's, and compiles one that many projects have once."""

    def source_to_code(  # type: ignore[override]
        self, data: bytes, path: str, fullname: str | None = None, *, _optimize: int = -1
    ) -> CodeType:
        """As Python's own, of the same bytes at the same path once. Python 3.15 names the module, too."""
        return _compiled(data, path, _optimize)

    def set_data(self, path: object, data: object, *, _mode: int = 0o666) -> None:
        """Write nothing."""


@lru_cache(maxsize=32)
def _compiled(data: bytes, path: str, optimize: int) -> CodeType:
    code: CodeType = compile(data, path, "exec", dont_inherit=True, optimize=optimize)
    return code


def _from_file(path: Path) -> Recipe:
    module_name = f"_dagger_aml_recipe_{path.stem}"
    loader = _Uncached(module_name, str(path)) if path.suffix == ".py" else None
    spec = importlib.util.spec_from_file_location(module_name, path, loader=loader)
    if spec is None or spec.loader is None:
        raise UsageError("is not a Python file", location=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except DaggerAmlError:
        raise
    except Exception as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        line = getattr(error, "lineno", None) or _line_in(error, path)
        place = f"{path}:{line}" if line else str(path)
        raise UsageError(
            f"the recipe cannot be imported: {type(error).__name__}: {reason}", location=place
        ) from error
    return _checked(getattr(module, "recipe", None), str(path))


def _checked(found: object, location: str) -> Recipe:
    if not inspect.iscoroutinefunction(found):
        raise UsageError(
            "the recipe file has no `async def recipe(graph, project)`",
            location=location,
            hint="See docs/own-recipe.md, or copy one of the built-in recipes.",
        )
    return found


def _line_in(error: BaseException, path: Path) -> int | None:
    line, trace = None, error.__traceback__
    while trace:
        if Path(trace.tb_frame.f_code.co_filename).absolute() == path.absolute():
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
