"""A recipe that fails: one message with the place in its file, whatever went wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

from dagger_aml import DaggerAmlError, Options, UsageError, lay_out, load_project
from tests.support.calls import await_, error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

HEAD = "from dagger_aml.steps import base, code, labels\n\n\n"


def _project(folder: Path, recipe: str) -> Path:
    return make(folder, {"score.py": SCORE, "mine.py": HEAD + recipe})


def _error(root: Path) -> DaggerAmlError:
    return error_of(lambda: await_(lay_out(load_project(root, Options(recipe="./mine.py")))))


@for_each(
    ("body", "line", "told"),
    [
        (
            "    graph = base(graph, project.base)\n    return graph.add()\n",
            6,
            "`await` is missing before the call of base()",
        ),
        (
            "    graph = base(graph, project.base)\n    graph = await labels(graph, {'a': 'b'})\n    return graph\n",
            6,
            "`await` is missing before the call of base()",
        ),
        ("    return base(graph, project.base)\n", None, "the recipe returned base() without `await`"),
        ("    return {}['key']\n", 5, "the recipe failed: KeyError: 'key'"),
        ("    open(project.root / 'no such file')\n    return graph\n", 5, "the recipe failed: FileNotFoundError"),
        ("    return helper(graph)\n\n\ndef helper(graph):\n    return graph.nothing\n", 9, "AttributeError"),
        ("    return await labels(graph, 7)\n", 5, "the recipe failed: "),
    ],
    ids=["await", "await, told by a step", "await of return", "an error", "a file", "in a helper", "in a step"],
)
def test_an_error_of_a_recipe_is_one_message_with_its_place(tmp_path, body, line, told):
    root = _project(tmp_path, f"async def recipe(graph, project):\n{body}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no "coroutine … was never awaited" beside it
        error = _error(root)
    assert isinstance(error, UsageError)
    assert told in error.message
    if line:
        assert error.location == f"{root / 'mine.py'}:{line}"


def test_a_recipe_that_raises_shows_no_traceback(tmp_path, cli):
    root = _project(tmp_path, "async def recipe(graph, project):\n    raise RuntimeError('the shelf is empty')\n")
    code, _, err = cli("plan", root, "--recipe", "./mine.py")
    assert code == 2
    assert "mine.py:5: the recipe failed: RuntimeError: the shelf is empty" in err
    assert len(err.splitlines()) < 4


def test_an_error_of_ours_stays_what_it_is(tmp_path):
    head = "from dagger_aml import ProjectError\n\n\n"
    files = {
        "score.py": SCORE,
        "mine.py": head + "async def recipe(graph, project):\n    raise ProjectError('no stock')\n",
    }
    error = _error(make(tmp_path, files))
    assert (type(error).__name__, error.message) == ("ProjectError", "no stock")
