"""``Options`` as a program gives them: mappings, paths, and secrets whose values are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagger_aml import Options, Secret, UsageError, dockerfile, input_digest, load_project, make_plan, sync
from dagger_aml.errors import DaggerAmlError
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

VALUE = "https://me:hidden-word@pypi.example.com/simple/"
FILES = {"code/score.py": SCORE, "model/m": "m", "requirements.txt": "six==1.17.0\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "p", FILES)


@for_each(
    ("mapping", "texts"),
    [
        ({"env": {"A": "1", "B": "x=y, z"}}, {"env": ["A=1", "B=x=y, z"]}),
        ({"env": {"A": ""}}, {"env": "A="}),
        ({"env": {}}, {"env": ()}),
        ({"label": {"com.example.team": "forecasting"}}, {"label": "com.example.team=forecasting"}),
        ({"model": {"rates:3": Path("m/rates")}}, {"model": "rates:3=m/rates"}),
        ({"requirements": Path("r.txt"), "ca": Path("/ca.pem")}, {"requirements": "r.txt", "ca": "/ca.pem"}),
        ({"recipe": Path("mine.py"), "deployment": Path("d.yml")}, {"recipe": "mine.py", "deployment": "d.yml"}),
    ],
)
def test_a_mapping_says_what_texts_say(mapping: dict[str, Any], texts: dict[str, Any]) -> None:
    assert Options(**mapping) == Options(**texts)


def test_variables_and_labels_reach_the_image(folder: Path) -> None:
    given = Options(env={"A": "x=y", "B": "2"}, label={"com.example.team": "north south"})
    plan = make_plan(sync.lay_out(load_project(folder, given)))
    assert {"A": "x=y", "B": "2"}.items() <= plan.config.env.items()
    assert plan.config.labels["com.example.team"] == "north south"


@pytest.mark.parametrize(
    "secret",
    [
        {"pip": VALUE},
        {"pip": VALUE.encode()},
        {"pip": Secret.of("pip", VALUE)},
        Secret.of("pip", VALUE),
        [Secret.of("pip", VALUE)],
        ["id=pip,env=TRY_INDEX"],
        "id=pip,env=TRY_INDEX",
    ],
    ids=["text", "bytes", "secret by id", "secret", "secrets", "texts", "one text"],
)
def test_a_secret_by_value_is_as_one_from_a_variable(
    folder: Path, secret: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same value is mounted, digests do not tell one from another, and none is shown."""
    monkeypatch.setenv("TRY_INDEX", VALUE)
    options = Options(secret=secret)
    project = load_project(folder, options)
    assert [(each.id, each.reveal()) for each in project.access.secrets] == [("pip", VALUE.encode())]
    graph = sync.lay_out(project)
    plan = make_plan(graph)
    by_variable = load_project(folder, Options(secret=["id=pip,env=TRY_INDEX"]))
    assert input_digest(plan) == input_digest(make_plan(sync.lay_out(by_variable)))
    assert input_digest(plan) != input_digest(make_plan(sync.lay_out(load_project(folder))))
    shown = [repr(each) for each in (options, project, graph, plan)]
    assert "hidden-word" not in " ".join([*shown, dockerfile(graph, format="buildkit").text])
    (mounted,) = (each for layer in plan.layers for each in getattr(layer, "mounts", ()) if each.id == "pip")
    assert "hidden-word" in mounted.value.reveal().decode()


def test_a_secret_by_value_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "dagger-aml.toml").write_text('secrets = { pip = "env=TRY_INDEX" }\n')
    monkeypatch.setenv("TRY_INDEX", "https://other.example/")
    given = load_project(folder, Options(secret={"pip": VALUE}))
    assert [each.reveal() for each in given.access.secrets] == [VALUE.encode()]


def test_one_secret_twice_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        load_project(folder, Options(secret=[Secret.of("pip", VALUE), "id=pip,env=TRY_INDEX"]))


@for_each(
    ("given", "said"),
    [
        ({"env": {"A=B": "c"}}, "not the name of a variable or label: 'A=B'"),
        ({"env": {"": "c"}}, "not the name of a variable or label: ''"),
        ({"label": {7: "c"}}, "not the name of a variable or label: 7"),
        ({"env": {"WORKERS": 2}}, "the value of WORKERS is no text: 2"),
        ({"secret": {"pip": "env=hidden-word"}}, "this says where the secret is"),
        ({"secret": {"pip": "src=hidden-word"}}, "this says where the secret is"),
        ({"secret": {"pip": ""}}, "neither text nor bytes, or empty"),
        ({"secret": {"pip": None}}, "neither text nor bytes, or empty"),
        ({"secret": {"PIP": "hidden-word"}}, "not a secret id: 'PIP'"),
        ({"secret": {"pip": Secret.of("apt", "hidden-word")}}, "the secret apt is given as pip"),
    ],
)
def test_what_is_no_mapping_of_texts_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Options(**given)
    assert said in str(caught.value) and "hidden-word" not in str(caught.value)
    assert str(caught.value.location).startswith("Options")


def test_bytes_are_a_value_whatever_they_begin_with() -> None:
    (secret,) = Options(secret={"pip": b"env=x"}).secret
    assert isinstance(secret, Secret) and secret.reveal() == b"env=x"


def test_a_value_that_no_image_may_hold_is_refused_with_its_name(folder: Path) -> None:
    with pytest.raises(DaggerAmlError, match="A"):
        load_project(folder, Options(env={"A": "x\ny"}))
