"""What `dockerfile` says and writes for Azure Container Registry."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from dagger_aml.backends.dockerfile.acr import repository_name, task_text
from tests.support.cli import run_here

EXAMPLE = Path(__file__).parents[2] / "examples" / "diabetes"


def test_the_command_that_builds_in_a_registry_is_told(tmp_path: Path) -> None:
    out = tmp_path / "image files"
    done = run_here("dockerfile", EXAMPLE, "-o", out)
    assert done.returncode == 0
    assert f"or in Azure: az acr build --registry REGISTRY --image diabetes:1 '{out}'\n" in done.stderr
    assert not (out / "acr-task.yaml").exists()
    assert "az acr" not in run_here("dockerfile", EXAMPLE, "-o", tmp_path / "kit", "--format", "buildkit").stderr
    assert "az acr" not in run_here("dockerfile", EXAMPLE).stderr


def test_a_task_file_lies_beside_the_context(tmp_path: Path) -> None:
    done = run_here("dockerfile", EXAMPLE, "-o", tmp_path / "out", "--acr")
    assert done.returncode == 0
    assert f"az acr run --registry REGISTRY --file acr-task.yaml {tmp_path}/out" in done.stderr
    task = yaml.safe_load((tmp_path / "out" / "acr-task.yaml").read_text(encoding="utf-8"))
    assert task == {
        "version": "v1.1.0",
        "stepTimeout": 3600,
        "steps": [
            {"build": "-t $Registry/diabetes:$ID -f Dockerfile ."},
            {"push": ["$Registry/diabetes:$ID"]},
        ],
    }
    assert run_here("dockerfile", EXAMPLE, "-o", tmp_path / "out", "--acr").returncode == 0, (
        "it is ours, so it is replaced"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--acr",), "--acr: the task file lies beside a context"),
        (("--acr", "-o", "x", "--format", "buildkit"), "classic"),
    ],
)
def test_what_cannot_be_is_refused(words: tuple[str, ...], said: str) -> None:
    done = run_here("dockerfile", EXAMPLE, *words)
    assert done.returncode == 2 and said in done.stderr


def test_what_az_does_not_send_is_told(tmp_path: Path) -> None:
    """A model folder is taken whole, and azure-cli leaves some names out of each context."""
    project = shutil.copytree(EXAMPLE, tmp_path / "diabetes")
    (project / "model" / ".gitignore").write_text("*.tmp\n")
    (project / "model" / "notes").write_text("")
    done = run_here("dockerfile", project, "-o", tmp_path / "out", "--acr")
    assert done.returncode == 0
    assert "az does not send files of these names, so the image lacks /var/azureml-app/azureml-models/" in done.stderr
    assert re.search(r"lacks \S+/\.gitignore$", done.stderr, flags=re.MULTILINE)
    assert "az acr" not in run_here("dockerfile", project, "-o", tmp_path / "out").stderr


@pytest.mark.parametrize(
    ("name", "made"), [("Diabetes", "diabetes"), ("a..b", "a-b"), ("a._-b", "a-b"), ("a.b_c-d", "a.b_c-d")]
)
def test_names_are_such_as_repositories_have(name: str, made: str) -> None:
    assert repository_name(name) == made
    assert f"$Registry/{made}:$ID" in task_text(repository_name(name))
