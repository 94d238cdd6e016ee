"""What ``check`` takes besides projects: how inputs are told apart, and that all of its forms work for each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from dagger_aml import UsageError
from dagger_aml.check.inputs.expand import expanded
from dagger_aml.check.inputs.instructions import LONGEST
from dagger_aml.check.inputs.kinds import DEPLOYMENT, DOCKERFILE, KINDS, PROJECT, kind_of
from dagger_aml.check.known import Input
from dagger_aml.check.modules import MODULES, rules
from dagger_aml.cli.commands.check import _FORMATS
from dagger_aml.errors import ProjectError
from tests.support.cases import for_each
from tests.support.checks import check, found, ids
from tests.support.cli import argv, run_here
from tests.support.markdown import ROOT
from tests.support.projects import SCORE, make
from tools.rules import applying

BASE = "FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest\n"

WRONG = f"{BASE}ENV A=1 WORKERS_COUNT=2\nENV WORKER_PRELOAD=1\n"
"""Two warnings, AML201 and AML204."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make(tmp_path, {"Dockerfile": WRONG, "p/score.py": SCORE, "p/requirements.txt": "six==1.17.0\n"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- kinds --------------------------------------------------------------------------------------------------------


@for_each(
    ("name", "kind"),
    [
        ("Dockerfile", DOCKERFILE),
        ("dockerfile", DOCKERFILE),
        ("Containerfile", DOCKERFILE),
        ("Dockerfile.gpu", DOCKERFILE),
        ("Dockerfile-gpu", DOCKERFILE),
        ("serve.Dockerfile", DOCKERFILE),
        ("serve.dockerfile", DOCKERFILE),
        ("Dockerfile.dockerignore", PROJECT),
        ("Dockerfile.md", PROJECT),
        ("blue.yml", DEPLOYMENT),
        ("blue.yaml", DEPLOYMENT),
        ("folder", PROJECT),
        ("nothing", PROJECT),
    ],
)
def test_inputs_are_told_apart(tmp_path: Path, name: str, kind: object) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name != "nothing":
        path.write_text("x")
    assert kind_of(str(path)) is kind


def test_a_folder_called_dockerfile_is_a_project(tmp_path: Path) -> None:
    (tmp_path / "dockerfile").mkdir()
    assert kind_of(str(tmp_path / "dockerfile")) is PROJECT


def test_every_rule_applies_to_an_input_and_every_input_has_rules() -> None:
    assert {id for kind in KINDS for id in applying(kind)} == set(rules())
    assert all(applying(kind) for kind in KINDS) and "AML201" in applying(DOCKERFILE)
    assert "AML110" not in applying(DOCKERFILE), "there is no entry script in a Dockerfile"


def test_a_kind_s_rules_are_loaded_and_no_others() -> None:
    found: dict[str, set[str]] = {}
    for each in rules().values():
        module = each.check.__module__.rpartition(".")[2]
        found.setdefault(module, set()).update(kind.name for kind in KINDS if each.applies(kind))
    assert found == {module: set(inputs) for module, inputs in MODULES.items()}
    assert set(get_args(Input)) == {kind.name for kind in KINDS}


def test_facts_say_of_which_kind_they_are() -> None:
    assert {kind.name: kind.phases[-1]().input for kind in KINDS if kind is not DEPLOYMENT} == {
        kind.name: kind.name for kind in KINDS if kind is not DEPLOYMENT
    }


@pytest.mark.parametrize("flag", ["select", "ignore"])
def test_a_rule_of_another_kind_of_input_may_be_named(here: Path, flag: str) -> None:
    """Though it is not loaded: that call is a process of its own."""
    make(here, {"score.py": SCORE})
    words = ["plan", ".", f"--{flag}"]
    assert subprocess.run(argv(*words, "AML901"), capture_output=True, check=False).returncode == 0
    said = run_here(*words, "AML999")
    assert said.returncode == 2 and "no rule is called 'AML999'" in said.stderr


def test_the_table_of_the_docs_has_every_kind() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(tuple(f"| {kind.name} |" for kind in KINDS))]
    assert len(rows) == len(KINDS)


def test_a_rule_that_lacks_its_facts_is_not_checked_and_one_that_does_not_apply_is_not_listed(here: Path) -> None:
    make(here, {"Dockerfile": "FROM python:3.12\nENV WORKERS_COUNT=2\n"})
    data = found("Dockerfile")
    lacking = {each["id"]: each["lacks"] for each in data["not_checked"]}
    assert data["findings"] == [] and lacking["AML201"] == ["variables"]
    assert lacking.keys() <= set(applying(DOCKERFILE)) and data["kinds"] == {"Dockerfile": "Dockerfile"}
    text = check("Dockerfile").stdout
    assert "not checked, since nothing says that this is an image for Azure ML: AML201" in text
    assert "checked as a Dockerfile" in text


def test_a_deployment_file_is_a_kind_of_its_own_and_so_is_a_project_that_uses_one(here: Path) -> None:
    file = "name: blue\nendpoint_name: e\ninstance_type: s\ncode_configuration: {code: ., scoring_script: score.py}\n"
    image = "environment: {image: 'mcr.microsoft.com/azureml/minimal-py312-inference:latest'}\n"
    make(here / "p", {"blue.yml": file + image})
    assert found("p/blue.yml", "p")["kinds"] == {"p/blue.yml": "deployment file", "p": "deployment file"}
    (here / "p" / "blue.yml").unlink()
    assert found("p")["kinds"] == {"p": "project"}


# --- all that check does ------------------------------------------------------------------------------------------


def test_carets_stand_below_the_words(here: Path) -> None:
    text = check("Dockerfile").stdout
    assert text.startswith("Dockerfile:2:9: warning: WORKERS_COUNT is not a variable")
    assert "  2 | ENV A=1 WORKERS_COUNT=2\n    |         ^^^^^^^^^^^^^^^\n" in text
    assert text.endswith("Found 2 warnings.\n")


def test_several_inputs_are_told_together(here: Path) -> None:
    said = check("Dockerfile", "p", "nowhere")
    assert said.stdout.endswith("Found 2 warnings in 3 inputs; 1 could not be checked.\n") and said.exit_code == 2
    assert "Dockerfile: checked as a Dockerfile" in said.stdout


@pytest.mark.parametrize("form", _FORMATS)
def test_every_form_has_what_is_found_in_a_dockerfile(here: Path, form: str) -> None:
    said = check("Dockerfile", "--output-format", form).stdout
    assert said.count("WORKERS_COUNT is not a variable") == 1 and "Dockerfile" in said and "AML204" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["--fail-on", "warning"], 1),
        (["--fail-on", "warning", "--ignore", "AML20"], 0),
        (["--fail-on", "warning", "--select", "AML1"], 0),
        (["--ignore", "AML9999"], 2),
    ],
)
def test_the_exit_code_is_that_of_the_worst(here: Path, words: list[str], code: int) -> None:
    assert check("Dockerfile", *words).exit_code == code


def test_the_project_file_beside_it_chooses(here: Path) -> None:
    make(here / "d", {"Dockerfile": WRONG, "dagger-aml.toml": '[check]\nignore = ["AML204"]\nfail-on = "warning"\n'})
    data = found("d/Dockerfile")
    assert [each["id"] for each in data["findings"]] == ["AML201"]
    assert [each["id"] for each in data["silenced"]] == ["AML204"] and check("d/Dockerfile").exit_code == 1


def test_a_comment_on_the_line_above_silences(here: Path) -> None:
    make(here, {"Dockerfile": WRONG.replace("ENV A", "# aml: ignore[AML201]\nENV A")})
    assert ids("Dockerfile") == ["AML204"]
    make(here, {"Dockerfile": WRONG.replace("ENV A", "# aml: ignore[AML204]\nENV A")})
    assert ids("Dockerfile") == ["AML201", "AML204"]


def test_a_misspelt_variable_is_mended_and_all_else_stays(here: Path) -> None:
    before = b"\xef\xbb\xbf" + BASE.encode() + b"ENV A='\xc3\xa9' \\\r\n  # why\r\n  WORKERS_COUNT=2 B=1\r\n"
    (here / "Dockerfile").write_bytes(before)
    assert "-  WORKERS_COUNT=2 B=1" in check("Dockerfile", "--diff").stdout
    assert check("Dockerfile", "--fix").exit_code == 0
    assert (here / "Dockerfile").read_bytes() == before.replace(b"WORKERS_COUNT", b"WORKER_COUNT")
    assert check("Dockerfile", "--diff").stdout == "" and ids("Dockerfile") == []


# --- what cannot be read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no Dockerfile that BuildKit takes"),
        (b"# only\n", "no Dockerfile that BuildKit takes"),
        (b"ARG A=1\nRUN a\n", "has no FROM"),
        (b"FROM a\nCMD [1]\n", "no Dockerfile that BuildKit takes"),
        (b"FROM a\n\x00", "not a text file"),
        (b"FROM a\nRUN \xff\xfe\n", "not a text file"),
        (b"FROM a\nRUN " + b"x \\\n" * LONGEST, "too large"),
        (b"FROM a\n" + b"\n" * 6000, "too large"),
        (b"FROM a\nRUN " + b"x" * 30_000 + b"\n", "too large"),
    ],
)
def test_what_is_no_dockerfile_is_told(here: Path, data: bytes, why: str) -> None:
    (here / "Dockerfile").write_bytes(data)
    said = check("Dockerfile", "p")
    assert said.exit_code == 2 and isinstance(said.exception, SystemExit) and why in said.stderr


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no.yml", "no.yml: does not exist"),
        ("requirements-no.txt", "requirements-no.txt: does not exist"),
        ("Dockerfile.no", "Dockerfile.no: does not exist"),
        ("nowhere", "the project folder does not exist"),
        ("notes.txt", "no input of a kind that check knows by its name"),
    ],
)
def test_what_is_no_input_is_told(here: Path, name: str, why: str) -> None:
    make(here, {"notes.txt": "six\n"})
    said = check(name, "p")
    assert said.exit_code == 2 and why in said.stderr


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in folders")
@pytest.mark.parametrize("name", ["Dockerfile.x", "blue.yml", "requirements-x.txt"])
def test_a_pipe_is_not_waited_for(here: Path, name: str) -> None:
    os.mkfifo(here / name)
    said = check(name)
    assert said.exit_code == 2 and "a pipe or a device" in said.stderr


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in folders")
def test_pipes_in_a_folder_of_packages_are_left(here: Path) -> None:
    make(here, {"libs/six-1.dist-info/METADATA": "Name: six\nVersion: 1\n", "libs/six.py": ""})
    for name in ("a.so", "b.pth"):
        os.mkfifo(here / "libs" / name)
    assert found("libs")["findings"] == []


def test_without_the_parser_the_line_that_installs_it_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dockerfile", None)
    said = check("Dockerfile")
    assert said.exit_code == 2 and 'pip install "dagger-aml[check]"' in said.stderr
    assert check("p").exit_code == 0


# --- variables ----------------------------------------------------------------------------------------------------

VALUES = {"A": "x", "EMPTY": "", "LATER": None}


@for_each(
    ("word", "beside_a_base", "alone"),
    [
        ("$A", "x", "x"),
        ("${A}y", "xy", "xy"),
        ("'$A'", "$A", "$A"),
        ('"$A b"', "x b", "x b"),
        (r"\$A", "$A", "$A"),
        ("$LATER", None, None),
        ("$OTHER", None, ""),
        ("${OTHER:-d}", None, "d"),
        ("${A:-d}", "x", "x"),
        ("${EMPTY:-d}", "d", "d"),
        ("${EMPTY-d}", "", ""),
        ("${A:+q}", "q", "q"),
        ("${EMPTY:+q}", "", ""),
        ("${A#x}", None, None),
        ("${A", None, None),
        ('"x', None, None),
        ("a$", "a$", "a$"),
    ],
)
def test_variables_are_replaced_as_buildkit_does(word: str, beside_a_base: str | None, alone: str | None) -> None:
    assert expanded(word, VALUES) == beside_a_base
    assert expanded(word, VALUES, whole=True) == alone


STAGES = """\
ARG TAG=latest
ARG HOST
FROM {base} AS first
ENV WORKERS_COUNT=1
FROM {last}
ARG TAG
ENV T=$TAG N=$NAME
"""


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("first", ["AML201"]),
        ("FIRST AS x", ["AML201"]),
        ("mcr.microsoft.com/azureml/minimal-py312-inference:$TAG", []),
    ],
)
def test_only_what_the_last_stage_begins_with_counts(here: Path, last: str, told: list[str]) -> None:
    make(here, {"Dockerfile": STAGES.format(base=BASE[5:-1], last=last)})
    assert ids("Dockerfile") == told


def test_a_base_that_only_the_build_knows_is_not_guessed(here: Path) -> None:
    make(here, {"Dockerfile": "ARG HOST\nFROM $HOST/azureml/minimal-py312-inference\nENV WORKERS_COUNT=2\n"})
    assert "AML201" in {each["id"] for each in found("Dockerfile")["not_checked"]} and ids("Dockerfile") == []


def test_a_deployment_file_that_is_none_is_still_refused(here: Path) -> None:
    make(here, {"x.yml": "a: 1\n"})
    said = check("x.yml")
    assert said.exit_code == 2 and not isinstance(said.exception, (UsageError, ProjectError))
