"""What a conda file lists for the inference server alone: one rule, whoever names the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagger_aml import Options, load_project, make_plan
from dagger_aml.contract import SERVER
from dagger_aml.plan.render import plan_json
from dagger_aml.project.conda import imports_sdk
from dagger_aml.pysource.reached import reached
from tests.support.cases import for_each
from tests.support.projects import SCORE, laid_out, make
from tests.unit.test_deployment_project import MODEL, conda, copies, deployment

LIST = "/usr/share/dagger-aml/requirements.txt"
BOTH = ("azureml-defaults", "azureml_inference_server_http", "idna==3.10")
SDK = "from azureml.core.model import Model\n" + SCORE

THERE = "the base image has the inference server"
ADDED = "the inference server is added"


def told(root: Path, *pip: str, score: str = SCORE, python: str = "3.12", **options: Any) -> tuple[list[str], Any]:
    """The names that pip is told and the plan's lines, the latter as plain data; how the file is found makes no
    difference."""
    make(root, {"score.py": score, "conda.yaml": conda(python, *pip)})
    project, graph = laid_out(root, **options)
    lines = copies(graph).get(LIST, [])
    data = plan_json_of(graph, project)
    return [line.partition("  #")[0] for line in lines if not line.startswith("#")], data


def plan_json_of(graph: Any, project: Any) -> Any:
    return plan_json(make_plan(graph), project)["project"]["packages"]


def test_a_base_that_has_the_server_needs_neither(tmp_path: Path):
    names, lines = told(tmp_path, *BOTH)
    assert names == ["idna==3.10"]
    assert lines == [
        {"conda": "pip", "pip": None, "why": lines[0]["why"], "line": 4},
        {"conda": "azureml-defaults", "pip": None, "why": THERE, "line": 6},
        {"conda": "azureml_inference_server_http", "pip": None, "why": THERE, "line": 7},
    ]


def test_a_deployment_file_changes_nothing_of_it(tmp_path: Path):
    found = told(tmp_path / "a", *BOTH)
    text = deployment("  conda_file: conda.yaml", *MODEL, code=".")
    make(tmp_path / "b", {"model/m.bin": "1", "deployment.yml": text})
    assert told(tmp_path / "b", *BOTH) == found


@for_each(
    ("pip", "options", "beside"),
    [
        (BOTH, {}, True),
        (("azureml-defaults",), {}, False),
        (("azureml-defaults", "idna"), {}, True),
        (("azureml-defaults", "idna"), {"base": "python:3.12-slim"}, True),
        (BOTH, {"base": "python:3.12-slim"}, False),
        (("idna",), {}, False),
        (("azureml-inference-server-http==1.4.1", "azureml-defaults"), {}, False),
        (BOTH, {"pip": ("azureml-inference-server-http",)}, True),
        (BOTH, {"base": "r.example/own:1"}, False),
        (BOTH, {"recipe": "dynamic"}, False),
        (BOTH, {"recipe": "preinstalled"}, False),
    ],
)  # fmt: skip
def test_pip_is_told_of_the_server_so_that_it_suits_both(
    tmp_path: Path, pip: tuple[str, ...], options: dict[str, Any], beside: bool
):
    """Without it MLflow and the like, which share packages with the server, break its pins."""
    make(tmp_path, {"score.py": SCORE, "conda.yaml": conda("3.12", *pip)})
    assert load_project(tmp_path, Options(**options)).pip == ((SERVER,) if beside else ())


def test_a_list_with_hashes_is_installed_as_it_is(tmp_path: Path):
    """pip takes no package without one beside it, and looks for no versions that suit both."""
    hashed = f"idna==3.10 --hash=sha256:{'0' * 64}"
    assert told(tmp_path, *BOTH[:2], hashed)[0] == [hashed]
    assert load_project(tmp_path, Options()).pip == ()


@pytest.mark.parametrize("pinned", ["azureml-defaults==1.62.0", "azureml-inference-server-http~=1.4"])
def test_a_version_is_kept(tmp_path: Path, pinned: str):
    assert told(tmp_path, pinned)[0] == [pinned]


def test_a_base_of_ones_own_may_need_both(tmp_path: Path):
    assert told(tmp_path, *BOTH, base="r.example/own:1")[0] == list(BOTH)


def test_a_server_that_is_added_is_found_with_the_list(tmp_path: Path):
    """pip looks for versions that suit both, and SDK v1 is not wanted for it."""
    names, lines = told(tmp_path, *BOTH, python="3.10", base="python:3.10-slim")
    assert names == ["azureml_inference_server_http", "idna==3.10"]
    assert [each["why"] for each in lines if each["conda"] == "azureml-defaults"] == [ADDED]


@pytest.mark.parametrize("options", [{}, {"environment_only": True}, {"base": "python:3.12-slim"}], ids=str)
def test_code_of_sdk_v1_gets_what_it_imports(tmp_path: Path, options: dict[str, Any]):
    assert "azureml-defaults" in told(tmp_path / "a", *BOTH, score=SDK, **options)[0]
    assert "azureml-defaults" not in told(tmp_path / "b", *BOTH, **options)[0]


def test_packages_alone_of_a_deployment_file_are_those_of_its_code(tmp_path: Path):
    text = deployment("  conda_file: conda.yaml", code="src")
    make(tmp_path, {"src/score.py": SDK, "deployment.yml": text})
    assert "azureml-defaults" in told(tmp_path, *BOTH, environment_only=True)[0]
    make(tmp_path, {"src/score.py": SCORE})
    assert "azureml-defaults" not in told(tmp_path, *BOTH, environment_only=True)[0]


@for_each(
    ("text", "wanted"),
    [
        ("import azureml.core", True),
        ("from azureml import core", True),
        ("def init():\n    from azureml.core.model import Model\n", True),
        ("try:\n    import azureml.exceptions\nexcept ImportError:\n    pass\n", True),
        ("from helper import x", True),
        ("from azureml.ai.monitoring import Collector", False),
        ("from azureml.contrib.services.aml_request import rawhttp", False),
        ("import azureml_inference_server_http", False),
        ("import azureml.corellia", False),
        ("x = 'azureml.core'", False),
    ],
)
def test_what_is_of_sdk_v1(tmp_path: Path, text: str, wanted: bool):
    make(tmp_path, {"score.py": text, "helper.py": "import azureml.data\n"})
    assert imports_sdk(reached(tmp_path, "score.py")) is wanted
