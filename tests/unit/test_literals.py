"""No text of a user's code may end a command, whatever it looks like: prompts, SQL, bytes, names of what is shut."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dagger_aml import DaggerAmlError
from dagger_aml.pysource.entry_script import find
from dagger_aml.pysource.imports import read_code
from dagger_aml.pysource.source import parsed
from tests.support.calls import short
from tests.support.projects import SCORE, laid_out, make, planned
from tests.support.users import as_nobody, linux_root, open_to_all, readable_package

PROMPT = "Be brief. " * 30

PLACES = (
    "x = {0}",
    "open({0})",
    "Path({0}) / {0}",
    "os.path.join('a.b', {0})",
    "importlib.import_module({0})",
    "__import__({0}).x",
    "x = f'{{x}}' {0} f'.{{y!r}}/a'",
    "x = {0} + {0}; y = {{ {0}: [{0}] }}",
    "def f(a={0}):\n    {0}",
)
"""Where a literal may stand."""

PARTS = (".", "..", "/", "\\", "~", "\0", "a", "other", "é", "sub", "*", "\ud800")


def with_text(root: Path, line: str, **more: str) -> Path:
    """A project with a line in its entry script and in a module of its own, which ignores every other file."""
    files = {"score.py": f"import other\n{line}\n{SCORE}", "other.py": f"{line}\n", ".gitignore": "*\n!*.py\n"}
    return make(root, files | more)


@pytest.mark.parametrize(
    "text",
    [
        PROMPT,
        "SELECT a.b FROM c.d WHERE " + "e.f = 1 AND " * 40,
        "iVBORw0KGgo.AAAANSUhEUg/" * 400,
        "é" * 127 + ".xy",
        "a." * 10_000,
        "a." * 2_000 + "a",
        "a" * 300,
        "a/" * 5_000,
        "a.b\0c",
        "\0",
        "../" * 60 + "etc/x.y",
        "/dev/full",
        "/dev/stdin.x",
        "~/x.txt",
        "~nobody",
        "\ud800.txt",
        "\udcff/x",
        "a.\nb",
        "C:\\x.y",
        "*.py",
        "[",
        "",
    ],
    ids=short,
)
def test_no_text_ends_a_plan(tmp_path, text):
    with_text(tmp_path, "\n".join(place.format(ascii(text)) for place in PLACES))
    assert planned(tmp_path).ops


@pytest.mark.parametrize("line", [f"x = f'{PROMPT}{{x}}'", f"x = {PROMPT.encode()!r}", "import " + "a" * 300])
def test_no_other_literal_or_name_does(tmp_path, line):
    with_text(tmp_path, line)
    assert planned(tmp_path).ops


@settings(settings.get_profile("fields"))
@given(
    text=st.one_of(
        st.text(st.characters(exclude_categories=()), max_size=40),
        st.lists(st.sampled_from(PARTS)).map("".join),
        st.text(st.sampled_from("a./ \0é"), min_size=120, max_size=600),
    ),
    place=st.sampled_from(PLACES),
    times=st.sampled_from([1, 1, 40]),
)
@example(text=PROMPT, place=PLACES[0], times=1)
def test_no_text_at_all_does(tmp_path_factory, text, place, times):
    root = tmp_path_factory.mktemp("x")
    with_text(root, place.format(ascii(text * times)), **{"sub/a.py": "", "sub/other/x.py": ""})
    assert planned(root).ops


def test_a_text_still_names_what_lies_there(tmp_path):
    make(tmp_path, {"score.py": f"import helper\nopen('labels.json')\n{SCORE}", ".gitignore": "*.json\nhelper.py\n"})
    make(tmp_path, {"labels.json": "{}", "helper.py": "", "broken.json": "->nowhere"})
    told = [str(each) for each in laid_out(tmp_path)[1].warnings]
    assert ["helper.py" in each or "labels.json" in each for each in told] == [True, True] and told[0] != told[1]


@linux_root
@readable_package
@pytest.mark.parametrize("line", ["open('shut')", "x = 'shut/x.txt'", "import shut.inner", "__import__('shut.a.b')"])
def test_a_text_that_names_what_the_user_may_not_read(tmp_path, line):
    make(with_text(tmp_path / "p", line), {"shut/inner.py": "", "shut/a/b.py": ""})
    open_to_all(tmp_path / "p")
    for path in tmp_path.joinpath("p").glob("*.py"):
        path.chmod(0o644)
    (tmp_path / "p" / "shut").chmod(0o700)

    def attempt() -> str:
        try:
            os.listdir(tmp_path / "p" / "shut")
        except PermissionError:
            try:
                return f"planned {len(planned(tmp_path / 'p').ops)}"
            except DaggerAmlError as error:
                return str(error)
        return "may read it"

    assert as_nobody(attempt) == "planned 1"


def test_a_pipe_that_is_called_like_python_is_not_read(tmp_path):
    make(tmp_path, {"good.py": SCORE, "folder.py/": None})
    os.mkfifo(tmp_path / "a.py")
    assert find(tmp_path) == ("good.py",)


def test_init_is_not_kept_busy_by_a_module_of_any_length(tmp_path):
    with_text(tmp_path, f"importlib.import_module('{'other.' * 40_000}other')")
    found = read_code(tmp_path, ["score.py", "other.py"], "score.py", installed=lambda _: False)
    assert not found.imports and not found.unread


def test_what_python_warns_of_in_a_literal_is_no_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parsed(rb"x = '\d+\.csv'", "x").problem is None
