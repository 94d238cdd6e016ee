"""Deployment files as azure-ai-ml reads them and as we do: compared, and recorded for CI.

python -m venv /tmp/aiml && /tmp/aiml/bin/pip install azure-ai-ml
python -m tools.deployment_reading /tmp/aiml/bin/python                      # compares 2,000 files
python -m tools.deployment_reading /tmp/aiml/bin/python --seed 7 --count 50  # others
python -m tools.deployment_reading /tmp/aiml/bin/python --write              # records 200 in tests/unit
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dagger_aml.errors import ProjectError
from dagger_aml.project.deployment.model import Environment, LocalModel, RegisteredEnvironment, RegisteredModel
from dagger_aml.project.deployment.read import read_deployment
from tests.support.deployment_cases import BESIDE, Case, cases
from tests.support.deployment_wrong import TAKEN

RECORDED = Path(__file__).parent.parent / "tests" / "unit" / "deployment_reading.json"

SEED, COUNT = 4, 200
"""Of the files that are recorded."""

ORACLE = Path(__file__).with_name("deployment_oracle.py")


def main() -> int:
    """Compare, or record; 1 where one file is read otherwise and nothing says why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="the Python of an environment that has azure-ai-ml")
    parser.add_argument("--seed", type=int, default=1, help="of the files")
    parser.add_argument("--count", type=int, default=2_000, help="of files")
    parser.add_argument("--write", action="store_true", help="record")
    said = parser.parse_args()
    made = list(cases(SEED, COUNT) if said.write else cases(said.seed, said.count))
    with tempfile.TemporaryDirectory() as folder:
        lay(Path(folder))
        answered = ask(said.python, made, Path(folder))
        found = compare(made, answered["answers"], Path(folder))
    for difference in found:
        print(difference)
    read = sum("refused" not in answer for answer in answered["answers"])
    print(
        f"{len(made)} files, {read} of them read by azure-ai-ml {answered['azure-ai-ml']}, "
        f"{len(found)} unexplained differences"
    )
    if said.write:
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        rows = [
            {"text": case.text, "difference": case.difference, "answer": answer}
            for case, answer in zip(made, answered["answers"], strict=True)
        ]
        recorded = {"azure-ai-ml": answered["azure-ai-ml"], "date": today, "beside": BESIDE, "files": rows}
        RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return bool(found)


def lay(folder: Path) -> None:
    """Write what lies beside the files."""
    for name, text in BESIDE.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def ask(python: str, made: Sequence[Case], folder: Path) -> dict[str, Any]:
    """What azure-ai-ml makes of files: its version, and an answer for each."""
    texts = json.dumps([case.text for case in made])
    told = subprocess.run(
        [python, str(ORACLE), str(folder)], input=texts, stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    answered: dict[str, Any] = json.loads(told.stdout)
    return answered


def compare(made: Sequence[Case], answers: Sequence[dict[str, Any]], folder: Path) -> list[str]:
    """What is read otherwise, and should not be, each as a text to read."""
    found = []
    for case, answer in zip(made, answers, strict=True):
        ours = read(case, folder)
        if not _right(case, ours, answer):
            found.append(f"--- {case.difference}\n{case.text}\n  ours:   {ours}\n  theirs: {answer}")
    return found


def _right(case: Case, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether both read alike, or otherwise in what is listed."""
    if case.difference in TAKEN:
        return "refused" in theirs and "refused" not in ours
    if case.difference:
        return "refused" in ours
    if "refused" in ours or "refused" in theirs:
        return "refused" in ours and "refused" in theirs
    # Plain numbers among the variables are texts here.
    texts = {key: str(value) if type(value) is int else value for key, value in theirs["variables"].items()}
    return _as_json(ours) == _as_json({**theirs, "variables": texts})


def _as_json(read: dict[str, Any]) -> str:
    """What was read as JSON, which the oracle's answer was: dates in its words, and ``nan`` equal to itself."""
    return json.dumps(read, sort_keys=True, default=repr)


def read(case: Case, folder: Path) -> dict[str, Any]:
    """As ``tools/deployment_oracle.py`` tells it, but how we read it."""
    path = folder / "deployment.yml"
    path.write_text(case.text, encoding="utf-8")
    try:
        found = read_deployment(path)
    except ProjectError as error:
        return {"refused": str(error).replace(f"{folder}/", "")}

    def beside(path: str | Path | None) -> str | None:
        return None if path is None else os.path.relpath(folder / path, folder)

    def reference(value: RegisteredModel | RegisteredEnvironment) -> str:
        if value.registry or "/" in value.text:
            return value.text if value.registry else value.text.removeprefix("azureml:")
        return f"{value.name}:{value.version}" if value.version else f"{value.name}@{value.label}"

    def model(value: Any) -> Any:
        if isinstance(value, LocalModel):
            return {"path": beside(value.path), "name": value.name, "version": value.version, "type": value.type}
        return value and reference(value)

    def environment(value: Any) -> Any:
        if not isinstance(value, Environment):
            return value and reference(value)
        build = value.build
        return {
            "name": value.name,
            "version": value.version if value.name else None,
            "image": value.image,
            "conda": beside(value.conda) or value.conda_inline,
            "build": build and [beside(build.get("path")), build.get("dockerfile_path")],
            "routes": {name: [route.path, route.port] for name, route in value.routes.items()},
        }

    return {
        "kind": found.kind,
        "name": found.name,
        "endpoint_name": found.endpoint_name,
        "model": model(found.model),
        "model_mount_path": found.model_mount_path,
        "code": beside(found.code),
        "scoring_script": found.scoring_script,
        "environment": environment(found.environment),
        "variables": dict(found.variables),
    }


if __name__ == "__main__":
    sys.exit(main())
