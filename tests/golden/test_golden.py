"""What the examples become does not change unless somebody means it to."""

from __future__ import annotations

import difflib
import json
import re

import pytest

from tests.support.cases import for_each

from . import CASES, HERE, present


def _differences(name: str, before: str, now: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), f"golden/{name}", "now", lineterm="")
    return "\n".join(lines)


@for_each("case", CASES, ids=lambda case: case.stem)
def test_an_example_becomes_what_it_did(case):
    for name, now in case.files().items():
        path = HERE / name
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        if before != now:
            pytest.fail(
                f"{_differences(name, before, now)}\n\n"
                "If this is meant: ./taskw golden (python -m tests.golden.regenerate), and commit what it wrote.",
                pytrace=False,
            )


def test_no_golden_file_is_left_over():
    names = {HERE / f"{case.stem}.{kind}" for case in CASES for kind in ("Dockerfile", "plan.json")}
    assert sorted(present()) == sorted(names)


@for_each("path", sorted(present()), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_golden_files_are_of_no_machine_and_no_version(path):
    text = path.read_text(encoding="utf-8")
    assert str(HERE.parent.parent) not in text and "/home/" not in text
    assert not re.search(r"(?<!\\)\\\\(?!\\n)", text)  # no Windows path; a backslash at a line's end is pip's
    assert not re.search(r"(?<!--hash=)sha256:[0-9a-f]{64}", text)  # a lock's own hashes stay as they are
    if path.suffix == ".json":
        assert json.loads(text)["config"]["labels"]["io.dagger-aml.version"] == "<version>"


def test_the_recipes_share_what_they_should():
    """A look at the files as a whole: models and code are copied alike by every recipe that keeps their place."""
    for example in {case.example for case in CASES}:
        ops = {
            case.recipe: json.loads((HERE / f"{case.stem}.plan.json").read_text(encoding="utf-8"))["ops"]
            for case in CASES
            if case.example == example and case.base is None
        }
        models = {name: [op for op in each if op["name"].startswith("model")] for name, each in ops.items()}
        assert len({json.dumps(each) for each in models.values()}) == 1
