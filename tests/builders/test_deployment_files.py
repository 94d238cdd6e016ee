"""Deployment files as Azure's examples have them: built, run and scored, as a user does who says nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.standin.training import push_training
from tests.support.builders import need_programs
from tests.support.cli import run
from tests.support.deployment_styles import MINIMAL, OPENMPI, STYLES, Style
from tests.support.depth import depth_of
from tests.support.projects import make

pytestmark = [pytest.mark.builders, pytest.mark.by_default]

SCRIPT = """\
import json
import os

from factor import factor

weights = {}


def init():
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "weights.json")) as file:
        weights.update(json.load(file))


def run(data):
    return [value * weights["w"] * factor() for value in json.loads(data)["data"]]
"""

FACTOR = 'import os\n\n\ndef factor():\n    return int(os.environ["FACTOR"])\n'

CONDA = "channels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n      - {server}\n"

FILES = {
    "shared/model/weights.json": '{"w": 2}',
    "shared/code/serving/score.py": SCRIPT,
    "shared/code/serving/factor.py": FACTOR,
    "deploy/sample-request.json": '{"data": [1, 2]}',
    "deploy/answer.json": "[6, 12]",
}


def deployment(image: str, model: str = "\n  path: ../shared/model/") -> str:
    """A file that lies apart from what it names."""
    return (
        f"name: blue\nendpoint_name: shop\nmodel: {model}\n"
        "code_configuration:\n  code: ../shared/code\n  scoring_script: serving/score.py\n"
        f"environment:\n  image: {image}\n  conda_file: conda.yaml\n"
        "environment_variables:\n  FACTOR: 3\n"
        "instance_type: Standard_DS3_v2\ninstance_count: 1\n"
    )


def score(root: Path, files: Mapping[str, str], *words: object) -> str:
    """Score the project's own request in docker; what is said."""
    need_programs("docker")
    made = make(root, {**FILES, **files})
    done = run("score", made / "deploy/deployment.yml", "--with", "docker", *words)
    assert done.returncode == 0, done.stderr
    assert "status 200" in done.stdout and "\n[6, 12]\n" in done.stdout
    return done.stderr


def test_an_inference_base_serves_what_is_deployed_onto_an_image_for_training(
    bases: dict[str, str], tmp_path: Path
) -> None:
    host = bases["curated"].partition("/")[0]
    files = {
        "deploy/deployment.yml": deployment(f"{host}/azureml/openmpi4.1.0-ubuntu22.04"),
        "deploy/conda.yaml": CONDA.format(server="azureml-defaults"),
    }
    assert f"the base is {bases['curated']}, in place of" in score(tmp_path, files)


def test_an_image_for_training_that_is_kept_serves_a_registered_model_with_the_server_added(
    bases: dict[str, str], tmp_path: Path
) -> None:
    """The model is given as `az ml model download` lays it down."""
    image = push_training(bases["classic"].partition("/")[0])
    files = {
        "deploy/deployment.yml": deployment(image, "azureml:prices@latest"),
        "deploy/conda.yaml": CONDA.format(server="azureml-inference-server-http==1.5.1"),
        "prices/model/weights.json": '{"w": 2}',
    }
    score(tmp_path, files, "--keep-base", "--model", f"prices:7={tmp_path / 'prices'}")


# --- in the styles of Azure's examples ------------------------------------------------------------------------------

SERVED = [each for each in STYLES if each.outcome.startswith("planned") and "script" in (each.read or "")]
"""Those that a plan takes and that bring a script; an MLflow model alone is tried in test_mlflow."""

OF_ANY_STYLE = """\
import json
import os
import pathlib


def init():
    global factor
    (factor,) = (int(each.read_text()) for each in pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.txt"))


def run(data):
    return [each * factor for each in json.loads(data)["data"]]
"""


@pytest.mark.parametrize("style", SERVED, ids=lambda style: style.name)
def test_a_style_scores(style: Style, bases: dict[str, str], tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """On the stand-in whose Python is the one that it says."""
    if not depth_of(pytestconfig).every_example:
        pytest.skip("only with --depth nightly: the two above stand for the styles")
    need_programs("docker")
    file = style.write(tmp_path)
    host = bases["curated"].partition("/")[0]
    images = {MINIMAL: bases["curated"], OPENMPI: f"{host}/azureml/openmpi4.1.0-ubuntu22.04", "=3.12": "=3.11"}
    for path in [*tmp_path.rglob("*.yml"), *tmp_path.rglob("score.py")]:
        text = path.read_text(encoding="utf-8") if path.suffix == ".yml" else OF_ANY_STYLE
        for public, ours in images.items():
            text = text.replace(public, ours)
        path.write_text(text, encoding="utf-8")
    make(file.parent, {"sample-request.json": '{"data": [1, 2]}', "answer.json": "[2, 4]"})
    given = ["--model", f"{style.given}={tmp_path / 'model'}"] if style.given else []
    done = run("score", file, "--with", "docker", *given)
    assert done.returncode == 0, done.stderr
    assert "status 200" in done.stdout and "\n[2, 4]\n" in done.stdout
