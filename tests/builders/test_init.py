"""What `dagger-aml init` writes, followed to an image that scores."""

import json
import pickle
from pathlib import Path

import pytest

from dagger_aml import Engine, Graph, Options, build, load_project, load_recipe
from dagger_aml.requirements.read import read_requirements
from tests.support.cli import printed
from tests.support.scoring import score_tar

pytestmark = [pytest.mark.builders, pytest.mark.engine, pytest.mark.anyio]

_SCORE = """\
import json
import os
import pickle

import cattrs
try:
    import never_heard_of_it
except ImportError:
    never_heard_of_it = None


def init():
    global model
    with open(os.environ["AZUREML_MODEL_DIR"] + "/model.pkl", "rb") as file:
        model = pickle.load(file)


def run(data):
    words = cattrs.structure(json.loads(data)["words"], list[str])
    return {"known": [word in model for word in words]}
"""
"""It imports one package, and its model needs another: packages that dagger-aml itself has."""


async def test_what_init_writes_is_built_and_scores(
    tmp_path: Path, engine: Engine, bases: dict[str, str], need
) -> None:
    need("docker")
    root = tmp_path / "words"
    for name, data in {
        "code/score.py": _SCORE.encode(),
        "model/model.pkl": pickle.dumps(_sorted_set("one", "two")),
        "request.json": b'{"words": ["two", "three"]}',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    printed("init", root)
    assert set(read_requirements(root / "requirements.txt").names) == {"cattrs", "sortedcontainers"}
    project = load_project(root, Options(base=bases["classic"]))
    assert project.origins["models"].startswith("dagger-aml.toml:")
    tar = tmp_path / "words.tar"
    graph = await load_recipe(project.recipe)(Graph(), project)
    await build(graph, engine, tags=["localhost/dagger-aml-test/init:1"], output=tar)
    scored = score_tar(tar, root / "request.json", runtime="docker")
    assert (scored.status, json.loads(scored.body)) == (200, {"known": [True, False]}), scored.logs


def _sorted_set(*words: str) -> object:
    """An object of a package that the tests have (hypothesis brings it) and the base has not."""
    from sortedcontainers import SortedSet

    return SortedSet(words)
