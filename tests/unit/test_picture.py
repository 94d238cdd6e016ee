"""Plans as pictures: what they show, and that no name of a user's becomes anything but text."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner
from hypothesis import given

from dagger_aml import make_plan
from dagger_aml.cli.main import cli
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Built, Copy, Graph, Run
from dagger_aml.graph.source import Text
from dagger_aml.plan.dot import dot
from dagger_aml.plan.mermaid import HEAD, NOTHING, escaped, mermaid
from dagger_aml.plan.picture import LONGEST, Drawn, Picture, picture
from tests.golden import pictures
from tests.support.cases import for_each
from tests.support.markdown import ROOT, blocks

from .strings import commands

DIABETES = str(ROOT / "examples" / "diabetes")

LABEL = r'"((?:[^"#\n<>&|\[\]{}`%;]|#\d+;|<br/>)*)"'
STATEMENTS = (
    rf"(\w+)(?:\[\(|\[\[|\[|\(\[){LABEL}(?:\)\]|\]\]|\]|\]\)):::(?:base|runs|files|kept|image)",
    rf"(\w+) -->? (\w+)|(\w+) -\.->\|{LABEL}\| (\w+)",
    rf"subgraph (\w+) \[{LABEL}\]",
    "end",
    r"classDef \w+ [\w#:,-]+",
)
"""All that a line of a flowchart may be."""

STRING = r'"((?:[^"\\\n&]|\\["\\n]|&amp;)*)"'
DOT = (
    rf'(\w+) \[label={STRING}, shape=\w+(?:, \w+=(?:"[#\w,]+"|\d))*\]',
    rf"(\w+) -> (\w+)(?: \[style=dashed, label={STRING}\])?",
    rf"subgraph cluster_\w+ {{|label={STRING}|}}",
    r'(?:node|edge|graph) \[\w+=(?:"[\w#]+"|\w+)(?:, \w+=(?:"[\w#]+"|\w+))*\]',
)
"""All that a line of our DOT may be."""


def shown(text: str) -> list[str]:
    """The lines that a Mermaid label shows."""
    lines = text.replace(NOTHING, "").split("<br/>")
    return [re.sub(r"#(\d+);", lambda found: chr(int(found[1])), line) for line in lines]


def boxes(drawn: Picture) -> dict[str, tuple[str, ...]]:
    """The lines of each box."""
    found = {each.id: each.lines for each in drawn.bases}
    todo = list(drawn.groups)
    while todo:
        group = todo.pop()
        found |= {each.id: each.lines for each in group.boxes}
        todo += group.groups
    return found


def hostile(name: str) -> Picture:
    """A picture of two projects with a text of somebody's wherever one can be."""
    inner = re.sub(r"[\x00-\x1f\x7f-\x9f./*?\[\]\\]", "", name)[:99]
    copied = Copy(Built(Graph(From("b:1")).add(Run(("/bin/true",), name=name)), f"/x{inner}"), "/opt/x", name=name)
    plan = make_plan(Graph(From("a:1")).add(copied, Copy(Text(b""), f"/opt/a{inner}", kind="file", name=name)))
    plan = evolve(plan, ops=tuple(evolve(op, why=name) for op in plan.ops))
    return picture([Drawn(name, plan, why=True), Drawn(name, plan)])


def fitting(text: str, head: str, forms: tuple[str, ...]) -> list[re.Match[str]]:
    """Each line of a text but its first, as the one of the statements there are that it is."""
    first, *lines = text.removesuffix("\n").split("\n")
    assert first == head
    found = [next(filter(None, (re.fullmatch(rf" *(?:{each})", line) for each in forms)), line) for line in lines]
    assert [each for each in found if isinstance(each, str)] == []
    return found


@given(commands)
def test_a_text_of_somebody_s_is_shown_and_never_read(name):
    drawn = hostile(name)
    labels = {
        each[1]: tuple(shown(each[2]))
        for each in fitting(mermaid(drawn), HEAD, (*STATEMENTS, "flowchart TB"))
        if ":::" in each[0] and each.re.groups == 2
    }
    assert labels == boxes(drawn)
    strings = {
        each[1]: tuple(strung(each[2]))
        for each in fitting(dot(drawn), "digraph plan {", DOT)
        if ", shape=" in each[0]
    }
    assert strings == boxes(drawn)
    assert all(len(line) <= LONGEST for lines in boxes(drawn).values() for line in lines)


def strung(text: str) -> list[str]:
    """The lines that a DOT string shows."""
    parts = re.findall(r"\\.|[^\\]", text)
    whole = "".join("\n" if part == "\\n" else part[-1] for part in parts)
    return whole.replace("&amp;", "&").split("\n")


@for_each(
    ("line", "written"),
    [
        ('say "no" [or] {a|b}; #1', "say #34;no#34; #91;or#93; #123;a#124;b#125;#59; #35;1"),
        ("1. first", "#49;. first"),
        ("- a", "#45; a"),
        ("__init__.py of my_model", "#95;#95;init#95;#95;.py of my_model"),
        ("https://example.org, www.example.org", "https:#47;/example.org, www#46;example.org"),
        ("style x:y, classDef a, direction LR", "styl#101; x:y, classDe#102; a, directio#110; LR"),
        (r"C:\new $$ fa:fa-car", "C:#92;#8203;new #36;#8203;#36; fa#58;#8203;fa-car"),
        ("a@sha256:1 50% <b>&amp;", "a#64;sha256:1 50#37; #60;b#62;#38;amp#59;"),
    ],
)
def test_what_mermaid_would_read_is_a_number(line, written):
    assert escaped(line) == written


def test_what_prints_nothing_is_told():
    (box,) = picture([Drawn("a\nb\u2028c\u202ed\udce9\0", make_plan(Graph(From("a:1"))))]).groups[0].boxes
    assert box.lines[0] == r"image of a\nb\u2028c\u202ed\udce9\x00"


def test_a_long_text_keeps_its_ends():
    (box,) = picture([Drawn("a" * 999 + "end", make_plan(Graph(From("a:1"))))]).groups[0].boxes
    assert len(box.lines[0]) == LONGEST and box.lines[0].startswith("image of aaa") and box.lines[0].endswith("aend")


def test_the_boxes_that_are_there_are_the_ends_of_the_arrows():
    for drawn in pictures.pictures().values():
        ends = {end for arrow in drawn.arrows for end in (arrow.start, arrow.end)}
        assert ends == set(boxes(drawn))


@for_each("path, text", [*pictures.texts()], ids=lambda value: getattr(value, "name", ""))
def test_pictures_are_what_they_were(path: Path, text: str):
    assert path.read_text(encoding="utf-8") == text, "If this is meant: ./taskw golden"


@pytest.mark.parametrize("path", sorted(pictures.HERE.glob("*.dot")), ids=lambda path: path.stem)
def test_graphviz_draws_them(path: Path):
    if not shutil.which("dot"):
        pytest.skip("Graphviz's dot is not there")
    done = subprocess.run(["dot", "-Tsvg", str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    first = path.read_text(encoding="utf-8").partition('base1 [label="')[2].partition("\\n")[0]
    assert f">{first}</text>" in html.unescape(done.stdout)


def test_graphviz_shows_texts_as_they_are(tmp_path: Path):
    if not shutil.which("dot"):
        pytest.skip("Graphviz's dot is not there")
    name = 'a "b" \\N\\ &amp; <i> ; ] } # é'
    done = subprocess.run(["dot", "-Tsvg"], input=dot(hostile(name)), capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    shown = [
        html.unescape(each).replace("\xa0", " ") for each in re.findall(r"<text [^>]*>([^<]*)</text>", done.stdout)
    ]
    assert shown.count(name) == 6 and f"image of {name}" in shown  # a stage's command and two copies of each project


# --- on the command line ------------------------------------------------------------------------------------------


def run(*words: str) -> str:
    """What ``plan`` prints."""
    done = CliRunner().invoke(cli, ["plan", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("form, ending", pictures.ENDINGS.items())
def test_one_project(form: str, ending: str):
    golden = (pictures.HERE / f"diabetes.{ending}").read_text(encoding="utf-8")
    assert run(DIABETES, "--format", form) == golden
    assert "why here: " in run(DIABETES, "--format", form, "--why")


def test_several_projects():
    golden = (pictures.HERE / "two-projects.mmd").read_text(encoding="utf-8")
    assert run(DIABETES, str(ROOT / "examples" / "churn"), "--format", "mermaid") == golden


def test_held_against_an_earlier_plan(tmp_path: Path):
    (tmp_path / "plan.json").write_text(run(DIABETES, "--json"))
    words = ["--against", str(tmp_path / "plan.json"), "--format", "mermaid"]
    text = run(DIABETES, *words)
    assert text.count("<br/>reused") == text.count(":::kept") == 4 and "up to date: yes" in text
    changed = run(DIABETES, *words, "--env", "A=b")
    assert "up to date: no" in changed and "image config: env A" in changed
    assert run(DIABETES, *words, "--changed") == f"{HEAD}\nflowchart TB\n"


def test_json_is_a_form_too():
    assert run(DIABETES, "--format", "json") == run(DIABETES, "--json") == run(DIABETES, "--json", "--format", "json")
    assert run(DIABETES, "--format", "text") == run(DIABETES)
    done = CliRunner().invoke(cli, ["plan", DIABETES, "--json", "--format", "dot"])
    assert "--json and --format dot contradict each other" in str(done.exception)


def test_the_readme_s_picture_is_that_of_its_example():
    (block,) = [each for each in blocks(ROOT / "README.md") if each.language == "mermaid"]
    assert block.text == (pictures.HERE / "diabetes.mmd").read_text(encoding="utf-8")
