"""What is too much, too deep or no text at all: told in words, at once, and never by a traceback."""

from __future__ import annotations

import getopt
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dagger_aml import ProjectError, load_project, toml
from dagger_aml.artifacts.mlmodel import read_mlmodel
from dagger_aml.building.examine import examine
from dagger_aml.fs.gitignore import Patterns
from dagger_aml.fs.ignore import ignore_files
from dagger_aml.pysource.bounds import MOST_BYTES, MOST_WORDS, too_much
from dagger_aml.pysource.source import parsed
from dagger_aml.requirements.entries import _without_extras
from dagger_aml.requirements.lines import MOST_CHARACTERS, cut, logical_lines
from tests.support.calls import await_
from tests.support.cases import for_each
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
    chain = "if a == 0:\n    pass\n" + "".join(f"elif a == {number}:\n    pass\n" for number in range(900))
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


@for_each(
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


def test_an_option_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[int] = []
    real = getopt.getopt
    monkeypatch.setattr(getopt, "getopt", lambda words, *names: (handed.append(len(words)), real(words, *names))[1])
    assert len(cut(1, "-c x " * 500, "here").options) == 500
    assert sum(handed) <= 3 * 500


@pytest.mark.parametrize(
    ("line", "options", "rest"),
    [
        ("-r a -rb --requirem c", [("--requirement", "a", "-r"), ("--requirement", "b", "-rb"),
                                  ("--requirement", "c", "--requirem")], ()),
        ("--pre - x --hash=sha256:a y", [("--pre", "", "--pre"), ("--hash", "sha256:a", "--hash")], ("-", "x", "y")),
    ],
)  # fmt: skip
def test_options_are_cut_as_pip_cuts_them(
    line: str, options: list[tuple[str, str, str]], rest: tuple[str, ...]
) -> None:
    found = cut(1, line, "here")
    assert list(found.options) == options and found.rest == rest


@pytest.mark.parametrize(
    ("line", "why"), [("-r", "-r needs a value"), ("--pre --what", "--what"), ("--pre=1", "--pre")]
)
def test_an_option_that_is_wrong_is_named(line: str, why: str) -> None:
    with pytest.raises(ProjectError, match=why):
        cut(1, line, "here")


def test_the_options_of_a_line_are_bounded() -> None:
    assert len(cut(1, "x==1 " + f"--hash=sha256:{'0' * 64} " * 1000, "here").options) == 1000
    with pytest.raises(ProjectError, match="more than 100,000 characters"):
        cut(1, "-" * (MOST_CHARACTERS + 1), "here")


def spent(work: Callable[[], object]) -> float:
    """Seconds of the processor, the least of five."""

    def once() -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    return min(once() for _ in range(5))


def test_an_mlmodel_of_nothing_takes_as_long_as_it_is(tmp_path: Path) -> None:
    def read(lines: int) -> float:
        (tmp_path / str(lines)).write_text("flavors: {}\n" + "\n" * lines)
        return spent(lambda: read_mlmodel(tmp_path / str(lines)))

    assert read(16_000) < 10 * read(4_000), "four times as much; it was sixteen times as long"


@pytest.mark.parametrize(
    ("pattern", "path"), [(b"*a*a*a*a*b", b"a"), (b"/x*a*a*a*a*b", b"a"), (b"**/a/**/a/**/a/**/a/**/a/**/a/b", b"a/")]
)
def test_many_stars_take_no_longer_than_the_path_s_square(pattern: bytes, path: bytes) -> None:
    found = Patterns(pattern)

    def asked(times: int) -> float:
        name = b"x" * pattern.startswith(b"/") + path * times + b"c"
        assert found.excludes(name, folder=False) is None
        return spent(lambda: [found.excludes(name, folder=False) for _ in range(20)])

    assert asked(60) < 8 * asked(30), "at most four times as long; it was twenty times or more"


@pytest.mark.parametrize("text", ["a" * 5000, "data/*.csv\n" * 10_000])
def test_an_ignore_file_is_bounded(tmp_path: Path, text: str) -> None:
    (tmp_path / ".amlignore").write_text(text)
    with pytest.raises(ProjectError, match="more than"):
        ignore_files(tmp_path, tmp_path).ignores(tmp_path / "x.py", folder=False)


def test_a_thousand_misspelt_variables_are_told_within_a_second(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(SCORE)
    names = [f"AML_APP_ROOT{number}" for number in range(1000)]
    (tmp_path / "dagger-aml.toml").write_text("[env]\n" + "".join(f'{name} = "1"\n' for name in names))
    begun = time.process_time()
    report = await_(examine(load_project(tmp_path)))
    assert time.process_time() - begun < 1
    told = [str(finding.location) for finding in report.told if finding.id == "AML201"]
    assert told == [f"dagger-aml.toml:{line}" for line in range(2, 1002)]
