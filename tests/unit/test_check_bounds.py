"""What is too much, too deep or no text at all: told in words, at once, and never by a traceback."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dagger_aml import ProjectError, load_project, toml
from dagger_aml.building.examine import examine
from dagger_aml.fs.ignore import ignore_files
from dagger_aml.pysource.bounds import MOST_BYTES, MOST_WORDS, too_much
from dagger_aml.pysource.source import parsed
from dagger_aml.requirements.entries import _without_extras
from dagger_aml.requirements.lines import logical_lines
from tests.support.calls import await_
from tests.support.fuzz import made, numbers
from tests.support.projects import SCORE

NUMBERS = 20


def test_inputs_that_are_wrong_in_every_way_end_in_words_and_soon() -> None:
    """More of them: ``python -m tests.support.fuzz`` (docs/testing.md)."""
    for number, ended, seconds in numbers(NUMBERS, 0):
        assert ": " not in ended, f"{number} ({made(number)[0]}): {ended}"
        assert seconds < 1, f"{number} ({made(number)[0]}) took {seconds:.2f} s of the processor"


def test_a_number_makes_the_same_input_again() -> None:
    assert [made(number) for number in range(50)] == [made(number) for number in range(50)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x" * (MOST_BYTES + 1), "bytes"),
        (b"a " * (MOST_WORDS + 1), "words"),
        (b"x = " + b"not " * 1500 + b"1", "levels"),
        (b"x = " + b"-" * 1500 + b"1", "levels"),
        (b"x = '" + b"word " * MOST_WORDS, "words"),
    ],
)
def test_python_is_bounded_before_it_is_parsed(data: bytes, why: str) -> None:
    assert why in str(too_much(data))
    source = parsed(data, "x.py")
    assert source.problem and source.problem.kind == "large" and source.tree is None


@pytest.mark.parametrize("data", [b"", b"x = 1\n" * 1000, b"# " + b"-" * 1400, b"# " + b"note" * 100_000])
def test_what_people_write_is_read(data: bytes) -> None:
    assert too_much(data) is None


@pytest.mark.parametrize("levels", [300, 2000])
def test_a_tree_is_bounded_by_its_levels(levels: int) -> None:
    """An ``elif`` is in the ``else`` of the one before."""
    text = "if a: pass\n" + "elif a: pass\n" * levels
    problem = parsed(text.encode(), "x.py").problem
    assert problem is None or "read" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 2000,
        "a = " + "[" * 40 + "]" * 40,
        "a" + ".a" * 40 + " = 1",
        "[a" + ".a" * 40 + "]",
        "a = " + "{a = " * 40 + "1" + "}" * 40,
    ],
)
def test_toml_is_bounded(text: str) -> None:
    with pytest.raises(toml.NotToml, match=r"too deep|more than 32 parts|[Uu]nclosed|[Ii]nvalid"):
        toml.read(text)


def test_a_long_chain_of_conditions_is_read(tmp_path: Path) -> None:
    chain = "if a == 0:\n    pass\n" + "".join(f"elif a == {number}:\n    pass\n" for number in range(250))
    types = "\n\n@dataclass\nclass A:\n    b: " + " | ".join(["int"] * 250) + "\n"
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\na = 1\n"
    (tmp_path / "score.py").write_text(head + chain + types + SCORE)
    ids = [each.id for each in await_(examine(load_project(str(tmp_path)))).told]
    assert ids == ["AML116"]


def test_blanks_take_no_longer_than_other_letters() -> None:
    begun = time.process_time()
    with pytest.raises(toml.NotToml):
        toml.read("\t" * 50_000 + "x")
    assert list(logical_lines("\t" * 50_000 + "x # y")) == [(1, "x")]
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("./x.whl[all]", "./x.whl"),
        ("x[a,b]", "x"),
        ("x[]", "x[]"),
        ("[a]", "[a]"),
        ("x[a]]", "x[a]]"),
        ("x[a][b]", "x[a]"),
        ("x[a", "x[a"),
        ("x", "x"),
    ],
)
def test_extras_are_taken_off_a_path(said: str, path: str) -> None:
    assert _without_extras(said) == path


@pytest.mark.parametrize("text", ["a" * 5000, "data/*.csv\n" * 10_000])
def test_an_ignore_file_is_bounded(tmp_path: Path, text: str) -> None:
    (tmp_path / ".amlignore").write_text(text)
    with pytest.raises(ProjectError, match="more than"):
        ignore_files(tmp_path, tmp_path).ignores(tmp_path / "x.py", folder=False)
