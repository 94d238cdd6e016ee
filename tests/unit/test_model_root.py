"""Models whose folder is the project's own, or contains it: what of that is no part of the model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.projects import SCORE, laid_out, make
from tests.unit.test_deployment_project import APP, copies, deployment
from tests.unit.test_mlflow import LINEAR

MIXED = {
    **{".git/config": "", ".env": "", ".env.prod": "", ".envrc": "", ".venv/pyvenv.cfg": "", "mine/pyvenv.cfg": ""},
    **{"notes.log": "", ".gitignore": "*.log\n*.pkl\n", "model.pkl": "m", "weights/big.pkl": "m", "vocab.json": "{}"},
    **{"apt.txt": "", "answer.json": "{}", "request.json": "{}", "test.json": "{}", "code/score.py": SCORE},
    **{"image.tar": b"oci-layout\0", "docker.tar": b"manifest.json\0", "data.tar": b"data.csv\0"},
    "deployment.yml": deployment("model:", "  path: .", "  name: m"),
}


@pytest.mark.parametrize("below", ["", "repository/"])
def test_a_model_that_is_the_project_folder_is_without_what_is_the_projects(tmp_path: Path, below: str):
    """What ignore files say is left out as of code, but never a file that is a model by its name's end."""
    root = make(tmp_path / "shop", {f"{below}{name}": text for name, text in MIXED.items()})
    if below:
        make(root, {".env": "", "request.json": "", "deployment.yml": MIXED["deployment.yml"], "more.pkl": "m"})
        text = deployment("model:", "  path: ..", "  name: m")
        make(root, {f"{below}deployment.yml": text, f"{below}.gitignore": "*.log\n"})
    _, graph = laid_out(root / below / "deployment.yml")
    found = {f"{below}{name}" for name in ("model.pkl", "vocab.json", "data.tar", "code/score.py")}
    found |= {"more.pkl", f"{below}weights/big.pkl"} if below else set()
    assert set(copies(graph)[f"{APP}/azureml-models/m/1/shop"]) == found


def test_what_lies_beside_a_model_that_is_the_project_folder_stays_out(tmp_path: Path):
    root = shutil.copytree(LINEAR, tmp_path / "linear")
    own = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    make(root, {".env": "", ".env.prod": "", ".git/HEAD": "", ".venv/pyvenv.cfg": "", "image.tar": b"oci-layout\0"})
    make(root, {"notes.log": "", ".gitignore": "*.log\n/*.pkl\n/MLmodel\n", "test.json": "{}"})
    found = copies(laid_out(root, base="curated/minimal-py311-inference")[1])
    assert set(found[f"{APP}/azureml-models/linear/1/linear"]) == own
