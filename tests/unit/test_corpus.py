"""Every folder of the corpus is told what it must be told, and nothing else."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from dagger_aml.check.modules import rules
from tests import corpus
from tests.corpus.public import JUDGED
from tests.corpus.traps import TRAPS
from tests.support.cases import for_each
from tools.rules_measured import NOT_IN_THE_CORPUS

cases = functools.cache(corpus.cases)


@pytest.mark.parametrize("kind", corpus.kinds())
def test_a_case_is_told_what_it_must_be(kind: str, tmp_path: Path):
    @for_each("case", cases(kind), ids=lambda case: case.name)
    def told(case: corpus.Case, tmp_path: Path) -> None:
        root = tmp_path / "project"
        root.mkdir()
        assert corpus.run(case, root).why_wrong(case) is None

    told(tmp_path=tmp_path)


@functools.cache
def _texts() -> dict[str, str]:
    """The files of tests, by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")}


@for_each("id", rules())
def test_a_rule_has_two_cases_that_fire_and_two_near_them(id: str):
    if id in NOT_IN_THE_CORPUS:
        assert any(id in text for name, text in _texts().items() if name != "test_corpus.py")
        return
    fires = [case.name for case in cases() if id in case.expect]
    near = [case.name for case in cases() if id in case.near]
    assert len(fires) >= 2 and len(near) >= 2, f"{id} fires in {fires}, and is silent near them in {near}"


def test_every_known_trap_is_accounted_for():
    keys = [each.key for each in TRAPS]
    assert keys[:23] == [f"E{number}" for number in range(1, 24)] and len({*keys}) == len(keys)
    for each in TRAPS:
        assert each.rules or each.otherwise, f"nothing has {each.key}"
        assert {*each.rules} <= rules().keys(), f"{each.key} names what is no rule"


def test_what_is_often_wrong_in_public_code_is_off():
    assert {*JUDGED} <= rules().keys()
    for id, each in JUDGED.items():
        assert each.wrong <= each.looked_at <= each.found and each.looked_at == min(each.found, 40), id
        assert each.wrong * 20 <= each.looked_at, f"{id} is wrong in {each.wrong} of {each.looked_at}"


STYLES = {
    "rawhttp": r"^@rawhttp",
    "inference-schema": r"^@input_schema",
    "request_headers": r"def run\(.*request_headers",
    "packages": r"^from (\w+)\.\w+ import(.|\n)*^-- \1/__init__\.py",
    "re-exported": r"^from \w+ import init, run",
    "dataclasses": r"^@dataclass",
    "torch": r"^import torch",
    "onnx": r"^import onnxruntime",
    "lightgbm": r"^import lightgbm",
    "mlflow": r"^import mlflow",
    "transformers": r"^from transformers import",
}


@for_each(("style", "sign"), STYLES.items(), ids=[*STYLES])
def test_every_style_is_among_the_cases_that_are_fine(style: str, sign: str):
    texts = [case.path.read_text(encoding="utf-8") for case in cases("fine")]
    assert any(re.search(sign, text, re.M) for text in texts), style


def test_many_cases_that_are_fine_say_what_their_images_answer():
    scored = [case for case in cases("fine") if case.scored]
    assert len(scored) >= 25
    assert [
        case.name for case in scored if case.shell or "request.json" not in {each.name for each in case.files}
    ] == []


@for_each(
    ("text", "why"),
    [
        ("# a\n-- score.py --\n", "expect"),
        ("# a\nexpect: AML999\n-- score.py --\n", "AML999"),
        ("# a\nexpect: nothing\nnear: AML999\n-- score.py --\n", "AML999"),
        ("# a\nexpect: AML201\nnear: AML201\n-- score.py --\n", "AML201"),
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
