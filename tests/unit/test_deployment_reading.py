"""Deployment files read as azure-ai-ml reads them: beside what it said of each (tools/deployment_reading.py)."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from dagger_aml.project.deployment.keys import TABLE, tables
from tests.support.deployment_cases import BESIDE, Case, cases
from tests.support.deployment_wrong import DIFFERENCES, TAKEN
from tests.support.depth import depth_of
from tests.support.markdown import ROOT, code_spans, table
from tests.support.oracles import oracle
from tools.deployment_reading import COUNT, RECORDED, SEED, ask, compare, lay

PAGE = ROOT / "docs" / "deployment-files.md"

RECORD = json.loads(RECORDED.read_text(encoding="utf-8"))
FILES = [Case(each["text"], each["difference"]) for each in RECORD["files"]]
ANSWERS = [each["answer"] for each in RECORD["files"]]


@pytest.fixture
def python(pytestconfig: pytest.Config) -> str:
    """The Python of an environment that has azure-ai-ml."""
    return str(oracle("azure-ai-ml", pytestconfig))


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with what the files name."""
    lay(tmp_path)
    return tmp_path


def test_the_record_is_of_the_files_that_are_made():
    assert list(cases(SEED, COUNT)) == FILES and len(FILES) == len(ANSWERS) == 200
    assert RECORD["beside"] == BESIDE and RECORD["date"] >= "2026-11-29"
    assert f'source = "azure-ai-ml {RECORD["azure-ai-ml"]}"\n' in TABLE.read_text(encoding="utf-8")


def test_the_record_has_all_kinds():
    outcomes = Counter("refused" not in answer for answer in ANSWERS)
    assert outcomes[True] > 60 and outcomes[False] > 40
    assert {case.difference for case in FILES} == {"", *DIFFERENCES}
    assert {answer.get("kind") for answer in ANSWERS} == {"managed", "kubernetes", None}


def test_the_recorded_files_are_read_as_azure_ai_ml_reads_them(beside):
    assert compare(FILES, ANSWERS, beside) == []


def test_a_difference_is_noticed(beside):
    taken = next(
        number for number, answer in enumerate(ANSWERS) if "refused" not in answer and not FILES[number].difference
    )
    for other in ({"refused": "ValidationError"}, {**ANSWERS[taken], "code": "elsewhere"}):
        assert len(compare([FILES[taken]], [other], beside)) == 1
    refused = next(
        number for number, answer in enumerate(ANSWERS) if "refused" in answer and not FILES[number].difference
    )
    assert len(compare([FILES[refused]], [ANSWERS[taken]], beside)) == 1


def test_other_files_are_read_as_azure_ai_ml_reads_them(python, beside, request):
    seed = random.randrange(1, 1_000_000)
    made = list(cases(seed, depth_of(request.config).deployments))
    answered = ask(python, made, beside)
    assert f"azure-ai-ml {answered['azure-ai-ml']}" in TABLE.read_text(encoding="utf-8")
    assert compare(made, answered["answers"], beside) == [], f"--seed {seed}"


def test_the_table_of_keys_is_that_of_azure_ai_ml(python):
    tool = ROOT / "tools" / "deployment_keys.py"
    told = subprocess.run([python, str(tool)], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert told == TABLE.read_text(encoding="utf-8")


def test_the_page_has_each_difference_and_each_key():
    rows = table(PAGE, "Otherwise than Azure ML's CLI")
    told = [row["why"] for row in rows]
    assert told == [*DIFFERENCES.values(), "a file that people write is smaller"]
    assert [row["here"] for row in rows] == ["read" if name in TAKEN else "refused" for name in (*DIFFERENCES, "")]
    keys = [key for row in table(PAGE, "How the file is read") for key in code_spans(row["key"])]
    known = tables()["managed_online_deployment"] | tables()["kubernetes_online_deployment"]
    assert sorted(keys) == sorted(known)
