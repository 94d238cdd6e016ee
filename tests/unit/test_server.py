"""The step that adds the inference server: which bases get it, what it lays out, what it refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dagger_aml import Copy, Empty, From, Graph, Options, Run, UsageError, dockerfile, load_project, make_plan
from dagger_aml.base import catalog
from dagger_aml.base.facts import BaseFacts, PathFact
from dagger_aml.base.plain_python import PYTHONS, assumed_plain, image_for, is_plain, python_of
from dagger_aml.building.graphs import lay_out
from dagger_aml.errors import BaseError
from dagger_aml.finding import Finding
from dagger_aml.plan.model import Plan
from dagger_aml.plan.render import plan_text
from dagger_aml.steps import base, code, mlflow_script, model, server
from dagger_aml.steps.model import Model
from dagger_aml.steps.server import _ADD_USER, _START, START
from tests.support.calls import await_, error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, laid_out, make, planned

SLIM = "python:3.10-slim"
OLD = 'azureml-inference-server-http; python_version < "3.8"'
OTHER = "registry.example/ours/inference:3"
PINNED = {"code/score.py": SCORE, "conda.yml": "dependencies:\n  - python=3.10\n  - pip:\n      - idna==3.10\n"}


def asked(graph: Graph, **facts: Any) -> Plan:
    """The plan on a base as if that was probed."""
    known = evolve(assumed_plain(graph.from_), source="probed", **facts)
    return make_plan(graph, {graph.from_: known})


def runs(plan: Plan) -> list[str]:
    return [each.name for each in plan.layers if isinstance(each, Run)]


# --- which bases --------------------------------------------------------------------------------------------------


@for_each(
    ("text", "python"),
    [
        ("python:3.10-slim", "3.10"),
        ("python:3.10.13-slim-bookworm", "3.10"),
        ("python:3.8", "3.8"),
        ("docker.io/library/python:3.13", "3.13"),
        ("library/python:3.9", "3.9"),
        ("localhost:5000/python:3.7", "3.7"),
        ("localhost/python:3.7", "3.7"),
        ("registry.example/mirror/library/python:3.12-slim", "3.12"),
        ("python:slim", None),
        ("python:3-slim", None),
        ("python@sha256:" + "0" * 64, None),
    ],
)
def test_dockers_images_of_python_are_known_by_their_names(text: str, python: str | None) -> None:
    found = From.parse(text)
    assert is_plain(found) and python_of(found) == python == catalog.python(found)
    assert catalog.assumed(found) == assumed_plain(found) and catalog.assumed(found).source == "catalog"


@for_each(
    "text",
    ["pythons:3.10", "ours/python:3.10", "registry.example/team/python:3.10", "python/slim:3.10", "pypy:3.10", OTHER],
)
def test_what_is_only_called_alike_is_none(text: str) -> None:
    found = From.parse(text)
    assert not is_plain(found) and python_of(found) is None
    assert catalog.assumed(found).source == "assumed" and catalog.assumed(found).server is None


@for_each(
    ("versions", "image"),
    [
        ("==3.10.*", "python:3.10-slim"),
        ("==3.7.6", "python:3.7-slim"),
        (">=3.8,<3.11", "python:3.10-slim"),
        ("<3.12", "python:3.11-slim"),
        ("==2.7.*", None),
        (">3.99", None),
    ],
)
def test_the_image_for_a_python_is_the_newest_that_fits(versions: str, image: str | None) -> None:
    assert image_for(versions) == image


@pytest.mark.parametrize(
    ("versions", "named"),
    [
        ("==3.12.*", "minimal-py312-inference"),
        ("==3.11.*", "curated/minimal-py311-inference"),
        ("==3.8.*", "python:3.8-slim"),
        ("==2.7.*", None),
    ],
)
def test_a_supported_image_of_azure_ml_comes_first(versions: str, named: str | None) -> None:
    assert catalog.for_python(versions) == named


def test_every_image_that_is_named_gets_a_server(tmp_path: Path) -> None:
    root = make(tmp_path, {"code/score.py": SCORE})
    for python in PYTHONS:
        assert load_project(root, Options(base=image_for(f"=={python}.*"))).server


# --- what it lays out ---------------------------------------------------------------------------------------------


def test_an_image_of_a_plain_python_serves(tmp_path: Path) -> None:
    root = make(tmp_path / "p", {**PINNED, "model/m.bin": "m"})
    project, graph = laid_out(root, base=SLIM)
    plan = make_plan(graph)
    assert runs(plan) == ["server user", "server azureml-inference-server-http", "pip conda.yml (1 package)"]
    assert plan.config.cmd == (START,) and plan.config.user == "1000:1000" and plan.config.ports == (5001,)
    assert plan.config.env["AZUREML_CONDA_ENVIRONMENT_PATH"] == "/usr/local"
    assert {each.dest: (each.uid, each.gid) for each in plan.layers if isinstance(each, Copy)} == {
        "/var/azureml-app": (1000, 1000),
        "/usr/share/dagger-aml/serve": (None, None),
        "/usr/share/dagger-aml/requirements.txt": (None, None),
        "/var/azureml-app/azureml-models/p/1": (None, None),
    }
    assert _but_for_its_end(plan) == [] and plan.unconfirmed == ()
    assert "no inference server, so it is added (Docker's official images of Python have none)" in plan_text(
        plan, project
    )


def test_an_mlflow_model_s_script_belongs_to_the_user_too() -> None:
    plan = asked(await_(mlflow_script(await_(server(await_(base(Graph(), SLIM)))))))
    (script,) = [each for each in plan.layers if isinstance(each, Copy) and each.dest.endswith("mlflow_score.py")]
    assert (script.uid, script.gid) == (1000, 1000)


def test_a_models_place_does_not_depend_on_the_code(tmp_path: Path) -> None:
    plan = planned(make(tmp_path / "p", {**PINNED, "model/m.bin": "m"}), base=SLIM)
    assert [each.name.split()[0] for each in plan.file_layers] == ["server", "model", "code"]
    assert isinstance(plan.file_layers[0].source, Empty)


def test_the_project_s_variables_win(tmp_path: Path) -> None:
    plan = planned(make(tmp_path, {"code/score.py": SCORE}), base=SLIM, env=("WORKER_TIMEOUT=20",))
    assert plan.config.env["WORKER_TIMEOUT"] == "20"


@pytest.mark.parametrize(
    ("facts", "user", "owner"),
    [
        ({}, "1000:1000", (1000, 1000)),
        ({"user": "app", "uid": 1234, "gid": 55}, "app", (1234, 55)),
        ({"user": "0:7", "uid": 0, "gid": 7}, "1000:1000", (1000, 1000)),
    ],
)
def test_a_base_keeps_a_user_that_is_not_root(
    tmp_path: Path, facts: dict[str, Any], user: str, owner: tuple[int, int]
) -> None:
    root = make(tmp_path, {"score.py": SCORE})
    graph = await_(code(await_(server(await_(base(Graph(), SLIM)))), root))
    plan = asked(graph, **facts)
    assert plan.config.user == user
    owners = {(each.uid, each.gid) for each in plan.layers if isinstance(each, Copy) and each.dest.startswith("/var")}
    assert owners == {owner}
    (who,) = [each for each in plan.layers if isinstance(each, Run) and each.name == "server user"]
    assert who.argv[-2:] == tuple(map(str, owner)) and who.user == "0:0"


@for_each(
    ("files", "options", "own"),
    [
        ({"requirements.txt": "azureml_inference.server-http==1.4.0\n"}, {}, False),
        ({"requirements.txt": "azureml-defaults\n"}, {}, True),
        ({"requirements.txt": "idna\n"}, {"pip": ("azureml-inference-server-http<1.5",)}, False),
        ({"requirements.txt": "idna\n"}, {"pip": ("./x.whl",)}, True),
        ({"requirements.txt": f"{OLD}\n"}, {}, True),
        ({"requirements.txt": f"{OLD}\nazureml-inference-server-http\n"}, {}, False),
        ({"requirements.txt": "idna\n"}, {"pip": (OLD,)}, True),
    ],
)
def test_a_list_that_names_the_server_brings_it(
    tmp_path: Path, files: dict[str, str], options: dict[str, Any], own: bool
) -> None:
    project = load_project(make(tmp_path, {"score.py": SCORE, **files}), Options(base=SLIM))
    head = await_(base(Graph(), SLIM))
    plan = make_plan(await_(server(head, project.requirements, more=options.get("pip", ()))))
    assert ("server azureml-inference-server-http" in runs(plan)) is own


def test_uv_installs_it_where_uv_is_wanted(tmp_path: Path) -> None:
    plan = planned(make(tmp_path, {"code/score.py": SCORE}), base=SLIM, installer="uv")
    (run,) = [each for each in plan.layers if isinstance(each, Run) and each.verb == "server" and each.ages]
    assert run.argv[-1] == "azureml-inference-server-http" and "uv" in run.argv


# --- who says so --------------------------------------------------------------------------------------------------


@for_each(
    ("base", "said", "added"),
    [
        (SLIM, None, True), (SLIM, "base", False), (SLIM, "add", True),
        (OTHER, None, False), (OTHER, "base", False), (OTHER, "add", True), (None, None, False),
    ],
)  # fmt: skip
def test_auto_goes_by_the_base_s_name(tmp_path: Path, base: str | None, said: str | None, added: bool) -> None:
    project, graph = laid_out(make(tmp_path, {"code/score.py": SCORE}), base=base, server=said)
    assert project.server is added
    assert (graph.config.cmd == (START,)) is added
    assert project.origins.get("server") == ("Options(server=…)" if said else None)


def test_another_base_is_assumed_to_be_like_dockers_where_it_is_said(tmp_path: Path) -> None:
    plan = planned(make(tmp_path, {"code/score.py": SCORE}), base=OTHER, server="add")
    assert plan.facts.source == "assumed" and plan.facts.python is None and plan.facts.environment == "/usr/local"
    assert [each.id for each in plan.warnings] == [] and plan.unconfirmed == ()


def test_an_entrypoint_of_the_base_is_taken_away(tmp_path: Path) -> None:
    root = make(tmp_path, {"code/score.py": SCORE})
    _, graph = laid_out(root, base=OTHER, server="add")
    assert asked(graph, entrypoint=("/tini", "--")).config.entrypoint == ()
    assert "\nENTRYPOINT []\nCMD [" in dockerfile(graph).text, "it may have one: nothing was asked"
    assert asked(graph).config.entrypoint is None and planned(root, base=SLIM).config.entrypoint is None


def test_a_value_with_which_an_added_server_does_not_start_is_refused(tmp_path: Path) -> None:
    root = make(tmp_path, {"code/score.py": SCORE})
    error = error_of(laid_out, root, base=OTHER, server="add", env=("WORKER_COUNT=auto",))
    assert "WORKER_COUNT is 'auto'" in str(error)


@pytest.mark.parametrize("recipe", ["dynamic", "preinstalled"])
def test_recipes_that_need_a_server_add_none(tmp_path: Path, recipe: str) -> None:
    root = make(tmp_path, {"code/score.py": SCORE})
    with pytest.raises(UsageError, match=f"the recipe {recipe} needs a base image that has the inference server"):
        load_project(root, Options(recipe=recipe, base=SLIM, server="add"))
    assert not load_project(root, Options(recipe=recipe, base=SLIM)).server


def test_packages_as_files_are_refused_before_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    error = error_of(load_project, make(tmp_path, {"code/score.py": SCORE}), Options(base=SLIM, packages_as="files"))
    assert isinstance(error, UsageError) and 'Options(packages_as="installed")' in str(error.hint)


def test_an_image_of_packages_alone_has_the_server_too(tmp_path: Path) -> None:
    plan = planned(make(tmp_path, {"requirements.txt": "idna==3.10\n"}), base=SLIM, environment_only=True)
    assert plan.config.cmd == (START,) and "AZUREML_ENTRY_SCRIPT" not in plan.config.env


# --- what build asks ----------------------------------------------------------------------------------------------


def test_a_base_with_azure_mls_start_script_gets_no_second_server(tmp_path: Path) -> None:
    _, graph = laid_out(make(tmp_path, {"code/score.py": SCORE}), base=SLIM)
    error = error_of(asked, graph, starts=True, server="/opt/env/bin/azmlinfsrv")
    assert isinstance(error, BaseError) and "has Azure ML's start script" in error.message
    assert 'Options(server="base")' in str(error.hint)


@pytest.mark.parametrize(("facts", "said"), [({"pip": False}, "has no pip"), ({"managed": True}, "PEP 668")])
def test_a_python_that_takes_no_packages_is_refused(tmp_path: Path, facts: dict[str, bool], said: str) -> None:
    _, graph = laid_out(make(tmp_path, {"code/score.py": SCORE}), base=SLIM)
    assert said in error_of(asked, graph, **facts).message


def test_a_tag_that_lies_of_its_python_is_found_out(tmp_path: Path) -> None:
    _, graph = laid_out(make(tmp_path, PINNED), base=SLIM)
    assert asked(graph, python="3.10").unconfirmed == ()
    assert "is for Python 3.10" in error_of(asked, graph, python="3.9").message


def test_a_base_that_lacks_a_server_and_gets_none_is_warned_of_with_the_flag(tmp_path: Path) -> None:
    root = make(tmp_path, {"code/score.py": SCORE})
    (root_user, none) = _but_for_its_end(planned(root, base=SLIM, server="base"))
    assert (root_user.id, none.id) == ("AML601", "AML602") and 'Options(server="add")' in str(none.hint)
    made = evolve(assumed_plain(From.parse(OTHER)), source="probed", user="1000:1000", uid=1000, cmd=(START,))
    _, graph = laid_out(root, base=OTHER)
    assert make_plan(graph, {graph.from_: made}).warnings == ()


# --- conda files of another Python --------------------------------------------------------------------------------


@pytest.mark.parametrize("python", ["3.7", "3.8", "3.9", "3.10", "3.12", "3.13"])
def test_a_conda_file_of_any_python_gets_an_image_or_the_two_ways(tmp_path: Path, python: str) -> None:
    text = f"dependencies:\n  - python={python}\n  - pip:\n      - idna==3.10\n"
    root = make(tmp_path, {"code/score.py": SCORE, "conda.yml": text})
    assert _but_for_its_end(planned(root, base=f"python:{python}-slim")) == []
    if python == "3.12":
        assert planned(root).warnings == ()
        return
    ready = "minimal-ubuntu22.04-py39-cpu-inference" if python == "3.9" else f"python:{python}-slim"
    hint = str(error_of(planned, root).hint)
    assert 'Options(python="base")' in hint and f'Options(base="{ready}") (docs/bases.md)' in hint
    (warning,) = planned(root, python="base").warnings
    assert warning.id == "AML340" and f'Options(base="{ready}").' in str(warning.hint)
    assert _but_for_its_end(planned(root, base=ready)) == []


def _but_for_its_end(plan: Plan) -> list[Finding]:
    """What is told of a plan, but that the support of its Python has ended (AML620)."""
    return [each for each in plan.warnings if each.id != "AML620"]


# --- the scripts themselves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("passwd", "added"),
    [
        ("root:x:0:0::/root:/bin/sh\n", True),
        ("root:x:0:0::/root:/bin/sh", True),
        ("root:x:0:0::/root:/bin/sh\nubuntu:x:1000:1000::/home/ubuntu:/bin/sh\n", False),
        ("root:x:0:0::/root:/bin/sh\ndockeruser:x:7:7::/:/bin/sh\n", False),
        ("root:x:0:0::/root:/bin/sh\nten:x:11000:1000::/:/bin/sh\nother:x:5:1000::/:/bin/sh\n", True),
    ],
)
def test_the_user_is_added_once_and_only_where_its_number_is_free(tmp_path: Path, passwd: str, added: bool) -> None:
    make(tmp_path, {"etc/passwd": passwd, "etc/group": "root:x:0:\n", "home/": None})
    script = _ADD_USER.replace("/etc/", f"{tmp_path}/etc/").replace("/home/", f"{tmp_path}/home/")
    script = script.replace('chown "$1:$2"', ": chown")
    for _ in range(2):
        subprocess.run(["/bin/sh", "-euc", script, "user", "1000", "1000"], check=True)
    lines = (tmp_path / "etc/passwd").read_text().splitlines()
    line = f"dockeruser:*:1000:1000::{tmp_path}/home/dockeruser:/bin/sh"
    assert lines == [*passwd.splitlines(), *([line] if added else [])]
    assert ((tmp_path / "etc/group").read_text() == "root:x:0:\ndockeruser:*:1000:\n") is added
    assert (tmp_path / "home/dockeruser").is_dir() is added


def test_the_start_command_becomes_the_server_of_the_environment(tmp_path: Path) -> None:
    make(tmp_path, {"app/": None, "env/bin/azmlinfsrv": '#!/bin/sh\necho "$PWD $*"\n'})
    (tmp_path / "env/bin/azmlinfsrv").chmod(0o755)
    env = {"PATH": os.environ["PATH"], "AML_APP_ROOT": f"{tmp_path}/app"}
    env["AZUREML_CONDA_ENVIRONMENT_PATH"] = f"{tmp_path}/env"
    for script, told in ((None, "main.py"), ("sub/score.py", "sub/score.py")):
        more = {"AZUREML_ENTRY_SCRIPT": script} if script else {}
        said = subprocess.run(["/bin/sh", "-c", _START], env={**env, **more}, capture_output=True, text=True)
        assert said.stdout == f"{tmp_path}/app --entry_script {told} --port 5001\n"


def test_a_folder_made_before_both_lets_two_copies_change_places(tmp_path: Path) -> None:
    make(tmp_path, {"score.py": SCORE, "m.bin": "m"})
    head = await_(base(Graph(), SLIM))
    graph = await_(code(await_(server(head)), tmp_path, leave_out=[tmp_path / "m.bin"]))
    graph = await_(model(graph, Model(tmp_path / "m.bin", "m")))
    missing = make_plan(graph, {graph.from_: BaseFacts("probed", user="", uid=0, environment="/e", starts=False)})
    there = asked(graph, paths={**assumed_plain(graph.from_).paths, "/var/azureml-app": PathFact("dir")})
    for plan in (missing, there):
        names = [each.name.split()[0] for each in plan.layers]
        assert names.index("model") < names.index("code")
    assert await_(lay_out(load_project(tmp_path))).config.cmd is None
