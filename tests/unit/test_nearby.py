"""What is named in place of a path that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger_aml.fs.nearby import meant
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

_DEPLOYMENT = """\
name: blue
endpoint_name: wine
model: {path: model/wine.pkl}
code_configuration: {code: ./src, scoring_script: score.py}
environment: {conda_file: conda.yaml, image: mcr.microsoft.com/azureml/minimal-py312-inference}
instance_type: Standard_DS3_v2
"""


@pytest.fixture
def folder(tmp_path):
    files = {
        "conda.yaml": "dependencies: []",
        "model/wine.pkl": "m",
        "src/score.py": SCORE,
        "deployment.yml": _DEPLOYMENT,
    }
    return make(tmp_path / "wine", files)


@for_each(
    ("wrong", "right"),
    [
        ("conda.yml", "conda.yaml"),
        ("Conda.YAML", "conda.yaml"),
        ("model/wine_model.pkl", "model/wine.pkl"),
        ("modle/wine.pkl", "model/wine.pkl"),
        ("Model/WINE.pkl", None),  # two parts that differ: no guess at a guess
        ("modle/other.pkl", None),
        ("something/else", None),
        ("x" * 300, None),
        ("a\0b", None),
    ],
)
def test_the_nearest_name_that_is_there(folder, wrong, right):
    assert meant(folder / wrong, folder) == (f"Did you mean {right!r}? " if right else "")


def test_a_name_alone_and_a_folder_that_cannot_be_read(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert meant(Path("deploy.yml")) == "Did you mean 'deployment.yml'? "
    assert meant(Path("/proc/1/fd/nothing"), folder) == ""


@pytest.mark.parametrize(
    ("old", "new", "error", "hint"),
    [
        ("conda.yaml,", "conda.yml,", "deployment.yml:5: 'conda.yml' does not exist", "'conda.yaml'"),
        ("model/wine.pkl", "model/vine.pkl", "the model 'model/vine.pkl' does not exist", "'model/wine.pkl'"),
        ("./src", "./scr", "the code folder 'scr' does not exist", "'src'"),
    ],
)
def test_a_deployment_file(cli, folder, old, new, error, hint):
    (folder / "deployment.yml").write_text(_DEPLOYMENT.replace(old, new))
    code, _, err = cli("plan", folder / "deployment.yml")
    assert code == 2 and error in err and f"\n  Did you mean {hint}? Paths " in err


def test_a_script_is_named_where_it_is_said(cli, folder):
    (folder / "deployment.yml").write_text(_DEPLOYMENT.replace("score.py", "scoring.py"))
    code, _, err = cli("plan", folder / "deployment.yml")
    assert code == 2 and "deployment.yml:4: the entry script 'scoring.py' does not exist" in err
    assert "score.py. Name one of them there, or choose one with --entry-script." in err


def test_the_word_that_names_a_project(cli, folder, monkeypatch):
    monkeypatch.chdir(folder)
    code, _, err = cli("plan", "deploy.yml")
    assert code == 2 and "deploy.yml: does not exist\n  Did you mean 'deployment.yml'? A project is" in err
    code, _, err = cli("plan", "srcs")
    assert code == 2 and err.endswith("srcs: the project folder does not exist\n  Did you mean 'src'?\n")


def test_what_a_list_and_a_file_of_settings_name(cli, tmp_path):
    files = {"code/score.py": SCORE, "base.toml": "", "pins.txt": "six==1.17.0", "requirements.txt": "-r pin.txt"}
    folder = make(tmp_path / "listed", files)
    code, _, err = cli("plan", folder)
    assert code == 2 and f"Did you mean '{folder}/pins.txt'? It is looked for at" in err
    (folder / "dagger-aml.toml").write_text("extends = 'bases.toml'")
    code, _, err = cli("plan", folder)
    assert code == 2 and "Did you mean 'base.toml'? Paths in this file" in err
    (folder / "dagger-aml.toml").write_text("requirements = 'requirement.txt'")
    code, _, err = cli("plan", folder)
    assert code == 2 and "'requirement.txt' does not exist\n  Did you mean 'requirements.txt'? Paths" in err
