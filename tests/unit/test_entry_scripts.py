"""What we say of entry scripts of many shapes, held against what the real server made of them (entry_scripts.json):
what we refuse, it fails; what we accept, it serves. `python -m tools.entry_scripts` asks the server again."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from attrs import evolve

from dagger_aml import BaseFacts, Options, ProjectError, load_project
from dagger_aml.base import catalog
from dagger_aml.check.facts import PlanFacts
from dagger_aml.check.modules import rules
from dagger_aml.finding import Finding
from dagger_aml.pysource import entry_script
from dagger_aml.pysource.source import parsed
from dagger_aml.pysource.versions import version_of
from tests.support.cases import for_each
from tests.support.entry_scripts import TOLD, VARIANTS
from tests.support.projects import make

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("entry_scripts.json").read_text(encoding="utf-8"))
FULL = next(key for key in RECORDED if RECORDED[key]["python"] == "3.11" and RECORDED[key]["server"] == "1.5.1")

UNSEEN = frozenset({"pickles its own class"})
"""What the server fails and no rule looks for."""

OURS = ("entry_script_contract", "code_python")


def findings(root: Path, python: str | None) -> list[Finding]:
    """What the rules of entry scripts and of Pythons say, and a hard error of the step that copies code."""
    image = next((each for each in catalog.IMAGES if each.python == python), None)
    project = load_project(root, Options(base=image.name if image else "registry.example/own:1"))
    facts: Any = PlanFacts(project)
    vars(facts)["base"] = BaseFacts(python=python, source="probed")
    try:
        entry_script.check(root, "score.py", version_of(python))
    except ProjectError as error:
        return [Finding(error.message, severity="error")]
    found: list[Finding] = []
    for each in rules().values():
        if each.check.__module__.rpartition(".")[2] in OURS:
            given = {name: getattr(facts, name) for name in each.takes}
            if None not in given.values():
                found += [evolve(one, id=each.id, severity=each.severity) for one in each.check(**given)]
    return found


def is_newer(text: str) -> bool:
    """Whether the Python of these tests parses it, and 3.11 does not."""
    problem = parsed(text.encode(), "score.py", (3, 11)).problem
    return problem is not None and problem.kind == "older"


def serves(answer: dict[str, Any]) -> bool:
    return answer.get("status") == 200


@cache
def cases() -> list[tuple[str, str]]:
    """All variants on one server; on the others those with another outcome, and those of their Python."""
    first = RECORDED[FULL]["answers"]
    return [
        (key, name)
        for key, recorded in RECORDED.items()
        for name, answer in recorded["answers"].items()
        if key == FULL or serves(answer) != serves(first[name]) or "f-string" in name or "type" in name
    ]


@for_each(("key", "name"), cases())
def test_what_we_say_of_a_script_is_what_the_server_does(tmp_path, key, name):
    recorded = RECORDED[key]
    found = findings(make(tmp_path, VARIANTS[name]), recorded["python"])
    answer = recorded["answers"][name]
    said = [f"{each.severity}: {each}" for each in found]
    if key == FULL:
        # A newer Python than the image's parses what is for newer ones, so there is a rule that tells of it.
        newer = TOLD[name] == {"refused"} and is_newer(VARIANTS[name]["score.py"])
        assert {each.id or "refused" for each in found} == ({"AML510"} if newer else TOLD[name]), said
    if any(each.severity == "error" for each in found):
        assert not serves(answer), f"refused, and the server serves it: {said}"
    elif not found and name not in UNSEEN:
        assert serves(answer), f"accepted, and the server says {answer}"
    assert all(each.location for each in found if each.id), said


def test_the_recording_is_of_these_scripts():
    assert list(RECORDED[FULL]["answers"]) == list(VARIANTS) and len(VARIANTS) >= 60
    assert {recorded["server"] for recorded in RECORDED.values()} > {"1.5.1"}
    assert all(len(recorded["answers"]) == len(VARIANTS) for recorded in RECORDED.values())
