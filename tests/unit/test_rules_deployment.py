"""Deployment files checked by themselves, and rules of which no case of the corpus can say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dagger_aml.cli.main import cli
from tests.support.projects import SCORE, make

HEAD = "name: blue\nendpoint_name: rates\ninstance_type: s\ninstance_count: 1\n"
CODE = "code_configuration: {code: code, scoring_script: score.py}\n"
SERVER = """\
  inference_config:
    liveness_route: {path: /live, port: 8080}
    readiness_route: {path: /ready, port: 8080}
    scoring_route: {path: /score, port: 8080}
"""
OURS = "environment:\n  image: example.azurecr.io/rates:1\n" + SERVER


PROBE = "liveness_probe: {initial_delay: 1, period: 1, failure_threshold: 5}\n"


def test_a_probe_of_another_server_is_not_held_against_the_time_of_init(tmp_path: Path) -> None:
    assert [each["id"] for each in checked(tmp_path, OURS + PROBE)[1]["findings"]] == []
    usual = OURS.replace("8080", "5001").replace("/live", "/").replace("/ready", "/")
    assert [each["id"] for each in checked(tmp_path, usual + PROBE)[1]["findings"]] == ["AML811"]


def checked(root: Path, text: str, *words: str) -> tuple[int, dict[str, Any]]:
    make(root, {"blue.yml": HEAD + text, "code/score.py": SCORE})
    said = CliRunner().invoke(cli, ["check", str(root / "blue.yml"), "--output-format", "json", *words])
    return said.exit_code, json.loads(said.stdout)


def ids(data: dict[str, Any]) -> list[str]:
    return [each["id"] for each in data["findings"]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CODE + OURS, ["AML821"]),
        (CODE + OURS.replace("example.azurecr.io/rates:1", "docker.io/ours/rates@sha256:" + "ab" * 32), ["AML821"]),
        (CODE + OURS.replace("example.azurecr.io", "mcr.microsoft.com"), []),
        (CODE + OURS + "  conda_file: conda.yaml\n", []),
        (OURS, []),
    ],
)
def test_code_beside_a_server_of_its_own(tmp_path: Path, text: str, told: list[str]) -> None:
    assert ids(checked(tmp_path, text)[1]) == told


def test_a_finished_image_is_checked_though_there_is_nothing_to_make(tmp_path: Path) -> None:
    code, data = checked(
        tmp_path, OURS.replace(":1", ":latest", 1) + "request_settings: {request_timeout_ms: 300000}\n"
    )
    assert code == 0 and ids(data) == ["AML803", "AML822"] and data["errors"] == []
    lacking = {each["id"]: each["lacks"] for each in data["not_checked"]}
    assert "project" in lacking["AML110"] or "points" in lacking["AML110"]
    assert lacking.keys().isdisjoint({"AML801", "AML803", "AML822"})


def test_a_model_that_is_mounted_beside_a_finished_image_is_no_project(tmp_path: Path) -> None:
    code, data = checked(tmp_path, OURS + "model: azureml:rates:1\n")
    assert (code, ids(data), data["errors"]) == (0, [], [])


def test_what_can_be_said_is_said_though_no_project_can_be_made(tmp_path: Path) -> None:
    text = (
        CODE + "model: azureml:rates:3\nenvironment: {image: 'mcr.microsoft.com/azureml/minimal-py312-inference'}\n"
    )
    code, data = checked(tmp_path, text + "request_settings: {request_timeout_ms: 300000}\n")
    assert code == 2 and ids(data) == ["AML803"]
    assert "the model azureml:rates:3 is registered" in data["errors"][0]["message"]
    make(tmp_path, {"rates/model.txt": "1"})
    code, data = checked(
        tmp_path,
        text + "request_settings: {request_timeout_ms: 300000}\n",
        "--model",
        f"rates:3={tmp_path / 'rates'}",
    )
    assert code == 0 and ids(data).count("AML803") == 1 and data["errors"] == []


def test_a_file_that_cannot_be_read_is_told_of_once(tmp_path: Path) -> None:
    code, data = checked(tmp_path, "request_settings: {request_timeout_ms: [1]}\n")
    assert code == 2 and data["findings"] == [] and len(data["errors"]) == 1


def test_a_comment_on_the_line_silences(tmp_path: Path) -> None:
    settings = "request_settings:\n  request_timeout_ms: 300000  # aml: ignore[AML803]\n"
    code, data = checked(tmp_path, OURS + settings)
    assert (code, ids(data), [each["id"] for each in data["silenced"]]) == (0, [], ["AML803"])


def test_the_place_is_that_of_the_key(tmp_path: Path) -> None:
    _, data = checked(tmp_path, OURS + "request_settings:\n  # why\n  request_timeout_ms: 300000\n")
    assert [(each["line"], each["file"].rpartition("/")[2]) for each in data["findings"]] == [(13, "blue.yml")]


@pytest.mark.parametrize("value", ["'x'", "null", "true"])
def test_what_is_no_number_is_no_matter(tmp_path: Path, value: str) -> None:
    text = f"environment_variables: {{SCORING_TIMEOUT_MS: '{value.strip(chr(39))}', WORKER_TIMEOUT: 'x'}}\n"
    assert ids(checked(tmp_path, OURS + text)[1]) == []
