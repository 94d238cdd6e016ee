"""The script for MLflow models beside Azure ML's own: what tools/mlflow_answers.py recorded of both."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.steps.mlflow_script import SCRIPT
from tests.support.depth import depth_of
from tests.support.oracles import fetched, oracle
from tools import oracles
from tools.mlflow_answers import ANSWERS, FORMS

RECORDED = json.loads(Path(ANSWERS).read_text(encoding="utf-8"))

STARTS_HERE = {
    "a tensor of two unknown sizes": "negative dimensions are not allowed",
    "a column of lists": "must provide a sample Numpy array",
    "a list for an answer": "some of the inputs types are not DataType",
    "columns, with a dictionary saved": "must provide a sample Numpy array",
}
"""Models with which theirs does not even start, and why: its samples cannot be made. Ours does without them."""

LANGUAGE = ("transformers", "langchain", "openai")


def why(model: str, body: Any, ours: Any, theirs: Any) -> str | None:
    """Why the scripts differ; None where nobody has explained it."""
    if body == "start":
        return "starts here" if ours is None and STARTS_HERE.get(model, "no") in theirs else None
    data = body["input_data"]
    if not model.startswith(LANGUAGE):
        return None
    if isinstance(data, list) and "UnboundLocalError" in theirs.get("error", "") and "error" in ours:
        return "an error of theirs that tells nothing has words here"
    if not isinstance(data, str | list | dict) and "is not iterable" in theirs.get("error", ""):
        return "a number, true or null is handed to a language model"
    if isinstance(data, str) and "parameters" in data and "string indices" in theirs.get("error", ""):
        return "a text that has the word parameters is a text"
    return None


def differences(record: dict[str, Any]) -> Counter[str | None]:
    return Counter(why(**each) for each in record["differ"])


def test_the_record_is_of_this_script():
    """Change the script, and the tool must be run again."""
    assert RECORDED["ours"] == hashlib.sha256(SCRIPT.read_bytes()).hexdigest()
    assert RECORDED["bodies"] == len(FORMS) > 50 and len(RECORDED["models"]) > 40
    assert RECORDED["compared"] > 2000 and RECORDED["answered"] > 500
    assert RECORDED["packages"]["mlflow-skinny"] >= "3.17.2"


def test_each_difference_is_explained():
    found = differences(RECORDED)
    assert None not in found, [each for each in RECORDED["differ"] if why(**each) is None]
    assert found["starts here"] == len(STARTS_HERE) and len(found) == 4


def test_both_answer_alike_today(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Theirs and ours, run now, by an environment that has MLflow and with a copy of theirs."""
    if not depth_of(request.config).every_example:
        pytest.skip("--depth nightly: asks both scripts, in an environment of its own")
    theirs, python = fetched(oracles.SCRIPT), oracle("mlflow", request.config)
    made = tmp_path / "answers.json"
    root = Path(__file__).parents[2]
    command = [python, "-W", "ignore", "-m", "tools.mlflow_answers", theirs, made]
    subprocess.run(command, check=True, cwd=root, stdout=subprocess.DEVNULL)
    now = json.loads(made.read_text(encoding="utf-8"))
    assert None not in differences(now), [each for each in now["differ"] if why(**each) is None]
    assert now["compared"] >= RECORDED["compared"]
