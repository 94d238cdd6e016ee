"""Every folder of the corpus is told what it must be told, and nothing else."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from dagger_aml.check.run import rules
from tests import corpus

CASES = corpus.cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_told_what_it_must_be(case: corpus.Case, tmp_path: Path):
    root = tmp_path / "project"
    root.mkdir()
    assert corpus.run(case, root).why_wrong(case) is None


@functools.cache
def _texts() -> dict[str, str]:
    """The files of tests, by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")}


@pytest.mark.parametrize("id", rules())
def test_a_rule_fires_in_two_cases_or_in_a_test_of_its_own(id: str):
    fires = [case.name for case in CASES if id in case.expect]
    tests = [name for name, text in _texts().items() if id in text]
    assert len(fires) >= 2 or tests, f"{id} fires nowhere"


def test_many_cases_that_are_fine_say_what_their_images_answer():
    scored = [case for case in CASES if case.kind == "fine" and case.scored]
    assert len(scored) >= 25
    assert [
        case.name for case in scored if case.shell or "request.json" not in {each.name for each in case.files}
    ] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# a\n-- score.py --\n", "expect"),
        ("# a\nexpect: AML999\n-- score.py --\n", "AML999"),
        ("expect: nothing\n-- score.py --\n", "about"),
        ("# a\nexpect: nothing\n", "files"),
        ("# a\nexpect: nothing\nflag: --why\n-- a --\n", "no such line"),
    ],
)
def test_a_case_that_is_none_is_refused(tmp_path: Path, text: str, why: str):
    (tmp_path / "x.case").write_text(text)
    with pytest.raises(ValueError, match=why):
        corpus.read(tmp_path / "x.case")


def test_what_is_not_expected_is_wrong(tmp_path: Path):
    """The corpus itself can fail, both ways."""
    case = corpus.read(corpus.HERE / "variables" / "worker-count-auto.case")
    outcome = corpus.run(case, tmp_path)
    assert outcome.why_wrong(case) is None
    assert "not said: AML203" in str(corpus.Outcome(frozenset(), "").why_wrong(case))
    more = corpus.Outcome(outcome.ids | {"AML501"}, outcome.text)
    assert "said, and not expected: AML501" in str(more.why_wrong(case))
