"""The names of SDK v1 beside azureml-core: what it made of small scripts is recorded (tools/sdk_v1.py)."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.support.sdk_v1_cases import DIFFERENCES, FILES, cases, differences
from tools import sdk_v1_messages
from tools.sdk_v1 import ANSWERS, RECORDED, SEED
from tools.sdk_v1_case import NAMED, folder, run

RECORD = json.loads(ANSWERS.read_text(encoding="utf-8"))


def test_the_record_is_of_all_cases():
    assert [each["case"] for each in RECORD["recorded"]] == list(cases(RECORDED, SEED))
    assert RECORD["azureml-core"].startswith("1.61.") and RECORD["date"] >= "2026-11-29"


def test_each_script_becomes_what_azureml_core_makes_of_it(monkeypatch):
    monkeypatch.delenv("DAGGER_AML_BASE", raising=False)
    tally: Counter[str] = Counter()
    unexplained = []
    with folder(FILES):
        for each in RECORD["recorded"]:
            case, theirs = each["case"], each["answer"]
            ours = run(case, "dagger_aml.azureml")
            why = "same" if ours == theirs else differences(case, theirs, ours)
            tally[why or "unexplained"] += 1
            if why is None:
                unexplained.append((case, theirs, ours))
    assert not unexplained
    assert tally["same"] > 0.9 * RECORDED and set(tally) <= {"same", *DIFFERENCES}


def test_the_record_has_all_ends():
    answers = [each["answer"] for each in RECORD["recorded"]]
    raised = {(each["raises"]["stage"], each["raises"]["of"]) for each in answers if "raises" in each}
    assert {("config", "entry_script"), ("config", "source_directory"), ("config", "environment")} <= raised
    assert {("conda", "pip_option"), ("conda", "pip_package"), ("environment", "conda_specification")} <= raised
    packaged = [each["package"] for each in answers if "package" in each]
    assert len(packaged) >= 10 and {each[NAMED[1]] for each in packaged} >= {None, "src"}


def test_what_is_said_of_wrong_scripts_stands_in_the_table(monkeypatch):
    monkeypatch.delenv("DAGGER_AML_BASE", raising=False)
    recorded = json.loads(sdk_v1_messages.RECORDED.read_text(encoding="utf-8"))
    assert [each["script"] for each in recorded] == list(sdk_v1_messages.REFUSED), "ask: tools.sdk_v1_messages"
    made = sdk_v1_messages.messages_table()
    assert made == sdk_v1_messages.TABLE.read_text(encoding="utf-8"), "if this is meant: ./taskw golden"
    ours = sdk_v1_messages.said((*sdk_v1_messages.REFUSED, *sdk_v1_messages.ONLY_HERE), "dagger_aml.azureml")
    assert all(each["class"] for each in ours)
    others = {each["class"] for each, mine in zip(recorded, ours, strict=False) if each["class"] != mine["class"]}
    assert others == {"", "ParserError", "TypeError"}, "those of docs/sdk-v1.md"


def test_two_differences_at_once_are_told_from_one_that_is_not_known():
    """A name that is spelt otherwise, and then an environment that is made by a Dockerfile."""

    def found(name: str, **more: object) -> dict[str, object]:
        conda = {"dependencies": [{"pip": [name]}]}
        environment = {"name": "e", "base_image": None, "conda": conda}
        return {"conda": conda, "packages": [[], [name], []], "environment": environment, **more}

    case = {"conda": [["create", {"pip_packages": ["Requests >=2"]}]], "environment": {}, "config": {}}
    ours = {"raises": {"stage": "package", "class": "UserErrorException", "of": "docker.base_dockerfile"}}
    assert differences(case, found("requests", package={}), found("Requests >=2", **ours)) == "names"
    ours["raises"]["of"] = "something else"
    assert differences(case, found("requests", package={}), found("Requests >=2", **ours)) is None


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"conda": {"name": "a"}}, {"conda": {"name": "b"}}),
        ({"raises": {"stage": "config", "class": "WebserviceException", "of": "entry_script"}}, {}),
        ({}, {"raises": {"stage": "config", "class": "WebserviceException", "of": "entry_script"}}),
        (
            {"raises": {"stage": "config", "class": "WebserviceException", "of": "entry_script"}},
            {"raises": {"stage": "config", "class": "UserErrorException", "of": "entry_script"}},
        ),
        ({}, {"raises": {"stage": "package", "class": "ProjectError", "of": "x"}}),
    ],
)
def test_a_difference_is_not_explained_away(theirs, ours):
    assert differences({"environment": {}, "config": {}}, theirs, ours) is None
