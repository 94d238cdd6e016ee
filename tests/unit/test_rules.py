"""The rules as such: ids, facts, pages; what is ignored; that errors stop everything before it begins."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner

import dagger_aml.check
from dagger_aml import (
    BaseFacts,
    Copy,
    Finding,
    FindingsError,
    From,
    Graph,
    Options,
    Text,
    UsageError,
    load_project,
    make_plan,
)
from dagger_aml.building.graphs import lay_out
from dagger_aml.check import base
from dagger_aml.check import rule as registry
from dagger_aml.check.facts import Facts, GraphFacts, PlanFacts
from dagger_aml.check.inputs.kinds import KINDS
from dagger_aml.check.modules import MODULES, rules
from dagger_aml.check.rule import GROUPS, RETIRED, Rule, rule
from dagger_aml.cli.main import cli
from dagger_aml.finding import ordered
from tests.support.calls import await_, error_of
from tests.support.cases import for_each
from tests.support.projects import SCORE, make, planned
from tools.rules import Entry, rules_page

ROOM = Path(dagger_aml.check.__file__).parent
MACHINERY = {
    "__init__",
    "modules",
    "reserved",
    "rule",
    "facts",
    "known",
    "run",
    "mending",
    "misspelt",
    "pins",
    "secret_texts",
    "selection",
    "text_file",
    "values",
}

every_rule = for_each("each", rules().values(), ids=lambda each: each.id)

IGNORED = {"score.py": "import helper\n" + SCORE, "helper.py": "", ".gitignore": "helper.py\n"}
"""A project of which AML502 says something."""


@pytest.fixture
def new_rule() -> Iterator[Callable[..., None]]:
    """Registers a rule for one test."""
    before = dict(registry.RULES)
    yield lambda check, id, severity: registry.RULES.update(
        {id: Rule(id, severity, check, tuple(inspect.getfullargspec(check).args))}
    )
    registry.RULES.clear()
    registry.RULES.update(before)


# --- the registry -------------------------------------------------------------------------------------------------


def test_every_file_of_the_room_is_loaded():
    files = {path.stem for path in ROOM.glob("*.py")} - MACHINERY
    assert files == set(MODULES) and all(name.startswith(tuple(GROUPS)) for name in files)


def test_every_rule_is_registered_once_and_under_its_own_id():
    written = [id for path in ROOM.glob("*.py") for id in re.findall(r'^@rule\("(\w+)"', path.read_text(), re.M)]
    assert sorted(written) == sorted(rules()) and not RETIRED & rules().keys()
    assert all(id == each.id for id, each in rules().items())


@every_rule
def test_an_id_has_its_group_s_digit(each: Rule):
    module = each.check.__module__.rpartition(".")[2]
    group = next(digit for name, digit in GROUPS.items() if module.startswith(name))
    assert re.fullmatch(rf"AML{group}\d\d", each.id) and each.severity in ("error", "warning", "info")


@every_rule
def test_a_rule_takes_facts_by_their_types(each: Rule):
    """The registry hands them over by name; the types are what mypy has checked the function with."""
    for facts in (phase for kind in KINDS for phase in kind.phases[-1:] if each.applies(kind)):
        real = {field.name: field.type for field in attrs.fields(facts)}
        for name, found in inspect.getmembers_static(facts, lambda member: isinstance(member, cached_property)):
            real[name] = inspect.get_annotations(found.func)["return"]
        for name, annotation in inspect.get_annotations(each.check).items():
            if name != "return":
                assert annotation == real[name].removesuffix(" | None"), (each.id, name, facts)


_page = functools.cache(rules_page)


@every_rule
def test_a_rule_has_its_page(each: Rule):
    entry = Entry(each)
    assert f"### {each.id}: {entry.title}\n" in _page()
    assert entry.title[0].isupper() and not entry.title.endswith(".") and len(entry.title) < 100


def test_what_stands_behind_an_example_is_no_part_of_it():
    def told(project: Any) -> Iterator[Finding]:
        """Nothing.

        It matters.

        Bad `score.py`:

            x = 1

        Good `score.py`:

            x = 2

        It is told at the line.

        Silent: always.
        """
        yield from ()

    with pytest.raises(ValueError, match=r"not a part of it: 'It is told at the line\.'"):
        Entry(attrs.evolve(rules()["AML417"], check=told))


def check(project: Any) -> Iterator[Finding]:
    """Nothing."""
    yield from ()


check.__module__ = "dagger_aml.check.code"


@pytest.mark.parametrize("id", ["AML501", "AML199", "AML5", "aml598", "AML5998"])
def test_an_id_is_new_well_formed_and_of_its_group(id):
    with pytest.raises(ValueError, match=id):
        rule(id)(check)
    assert "AML599" not in rules()


def test_a_retired_id_is_given_to_nobody(monkeypatch):
    monkeypatch.setattr(registry, "RETIRED", frozenset({"AML598"}))
    with pytest.raises(ValueError, match="taken"):
        rule("AML598")(check)


def test_a_rule_takes_nothing_but_facts():
    def wrong(project: Any, weather: str) -> Iterator[Finding]:
        yield from ()

    wrong.__module__ = check.__module__
    with pytest.raises(ValueError, match="weather"):
        rule("AML598")(wrong)


# --- facts --------------------------------------------------------------------------------------------------------


def test_facts_are_found_once_and_kept_when_more_is_known(tmp_path, monkeypatch):
    project = load_project(make(tmp_path / "p", {"score.py": SCORE}))
    facts = Facts(project)
    first = facts.entry
    assert first is not None and facts.entry is first
    monkeypatch.setattr("dagger_aml.check.facts.read_sound", None)
    assert facts.grown(GraphFacts, graph=Graph()).grown(PlanFacts).entry is first


def test_the_entry_script_is_parsed_once_for_everybody(tmp_path, monkeypatch):
    import ast

    parsed: list[object] = []
    parse = ast.parse
    monkeypatch.setattr(
        ast, "parse", lambda source, *more, **by_name: (parsed.append(source), parse(source, *more, **by_name))[1]
    )
    root = make(tmp_path / "p", {"score.py": SCORE + "# only here\n", "helper.py": "# nor here\n"})
    assert Facts(load_project(root)).entry is not None
    make_plan(await_(lay_out(load_project(root))))
    assert sum(b"# only here" in source for source in parsed if isinstance(source, bytes)) == 1


@every_rule
def test_a_rule_whose_facts_are_missing_is_silent(each: Rule):
    for kind in KINDS:
        assert each.run(kind.phases[-1]()) == []


# --- what is told, and what is not ----------------------------------------------------------------------------------


def warned(root: Path, **options: Any) -> list[str | None]:
    return [each.id for each in make_plan(await_(lay_out(load_project(root, Options(**options))))).warnings]


@pytest.mark.parametrize("given", ["AML502", "AML504,AML502", " AML502 ,", "AML502,AML502"])
def test_a_flag_ignores(tmp_path, given):
    root = make(tmp_path / "p", IGNORED)
    assert warned(root) == ["AML502"] and warned(root, ignore=(given.replace("AML504", "AML501"),)) == []


def test_flag_variable_and_file_add_up(tmp_path, monkeypatch):
    files = {"dagger-aml.toml": "[check]\nignore = ['AML502']\n", "Dockerfile": "", "conda.yml": ""}
    root = make(tmp_path / "p", IGNORED | files)
    assert warned(root) == ["AML302", "AML505"]
    monkeypatch.setenv("DAGGER_AML_IGNORE", "AML505")
    assert warned(root) == ["AML302"]
    assert warned(root, ignore=("AML302",)) == []
    origins = load_project(root, Options(ignore=("AML302",))).origins
    assert origins["ignore.AML302"] == "Options(ignore=…)" and origins["ignore.AML505"] == "$DAGGER_AML_IGNORE"
    assert origins["ignore.AML502"] == "dagger-aml.toml:2"


@pytest.mark.parametrize(("id", "hint"), [("AML5O2", "Did you mean AML502?"), ("E501", "docs/rules.md lists them.")])
def test_an_unknown_id_is_refused_with_its_place(tmp_path, id, hint):
    root = make(tmp_path / "p", IGNORED | {"dagger-aml.toml": f"[check]\nignore = ['{id}']\n"})
    error = error_of(warned, root)
    assert isinstance(error, UsageError) and id in error.message and hint in str(error.hint)
    assert error.location == "dagger-aml.toml:2"


def test_the_plan_lists_what_was_silenced(tmp_path):
    root = make(tmp_path / "p", IGNORED)
    said = CliRunner().invoke(cli, ["plan", str(root), "--ignore", "AML502"]).stdout
    assert "\nwarning:" not in said
    assert "\nSilenced:\n  warning: helper.py: the code uses helper.py, but .gitignore excludes it" in said
    data = json.loads(CliRunner().invoke(cli, ["plan", str(root), "--ignore", "AML502", "--json"]).stdout)
    assert data["warnings"] == [] and [each["id"] for each in data["silenced"]] == ["AML502"]
    loud = json.loads(CliRunner().invoke(cli, ["plan", str(root), "--json"]).stdout)
    assert loud["warnings"] == data["silenced"] and loud["silenced"] == []


def test_text_is_as_errors_are():
    finding = Finding("m", id="AML502", location="score.py:7", hint="One.\nTwo.")
    assert finding.titled == "warning: score.py:7: m [AML502]\n  One.\n  Two."
    assert str(Finding("m")) == "m"
    assert finding.as_json() == {
        "id": "AML502",
        "severity": "warning",
        "message": "m",
        "location": "score.py:7",
        "hint": "One.\nTwo.",
    }


def test_order_is_by_severity_then_id_and_each_once():
    found = [Finding("z"), Finding("i", "AML101", "info"), Finding("b", "AML502"), Finding("a", "AML501")]
    found += [Finding("e", "AML601", "error"), Finding("b", "AML502")]
    assert [each.message for each in ordered(found)] == ["e", "a", "b", "z", "i"]


# --- errors -------------------------------------------------------------------------------------------------------


def twice(project: Any) -> Iterator[Finding]:
    """It cannot work."""
    yield Finding("this cannot work", location="score.py:1", hint="Mend it.")


def test_an_error_stops_before_the_recipe_runs(tmp_path, new_rule, monkeypatch):
    new_rule(twice, "AML598", "error")
    monkeypatch.setattr("dagger_aml.building.graphs.run_recipe", None)
    root = make(tmp_path / "p", {"score.py": SCORE})
    error = error_of(warned, root)
    assert isinstance(error, FindingsError) and error.exit_code == 2
    assert [each.id for each in error.findings] == ["AML598"]
    assert str(error) == "score.py:1: this cannot work [AML598]\n  Mend it."


def test_all_errors_are_named_at_once(tmp_path, new_rule):
    new_rule(twice, "AML598", "error")
    new_rule(twice, "AML198", "error")
    new_rule(twice, "AML298", "warning")
    text = str(error_of(warned, make(tmp_path / "p", {"score.py": SCORE})))
    assert text.startswith("2 problems to fix first; nothing is built\n")
    assert text.index("[AML198]") < text.index("[AML598]") and "AML298" not in text


def test_an_error_can_be_silenced(tmp_path, new_rule):
    new_rule(twice, "AML598", "error")
    assert warned(make(tmp_path / "p", {"score.py": SCORE}), ignore=("AML598",)) == []


def test_run_and_score_warn_before_anything_is_built(tmp_path, monkeypatch):
    root = make(tmp_path / "p", IGNORED | {"request.json": "{}"})
    for command in ("run", "score"):
        monkeypatch.setattr(f"dagger_aml.cli.commands.{command}._{command}", _stopped)
        found = CliRunner().invoke(cli, [command, str(root)])
        assert isinstance(found.exception, UsageError) and "[AML502]" in found.output, command


async def _stopped(*_: Any) -> None:
    raise UsageError("far enough")


COMMANDS = ["plan", "build", "dockerfile", "run", "score"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stops_at_an_error(tmp_path, new_rule, command):
    new_rule(twice, "AML598", "error")
    root = make(tmp_path / "p", {"score.py": SCORE, "request.json": "{}"})
    found = CliRunner().invoke(cli, [command, str(root)])
    assert isinstance(found.exception, FindingsError) and "AML598" in str(found.exception)


def test_of_several_projects_each_is_checked_first(tmp_path, new_rule):
    new_rule(twice, "AML598", "error")
    folders = [str(make(tmp_path / name, {"score.py": SCORE})) for name in "ab"]
    found = CliRunner().invoke(cli, ["build", *folders])
    assert isinstance(found.exception, UsageError) and str(found.exception).count("AML598") == 2


def test_a_graph_without_a_project_is_checked_too():
    graph = Graph(From.parse("example.org/base:1")).add(Copy(Text(b""), "/a", "file"))
    root = BaseFacts("probed", uid=0, gid=0)
    first, second = make_plan(graph.warn("mine", location="a.csv", hint="Fetch it."), {graph.from_: root}).warnings
    assert (first.id, second) == ("AML601", Finding("mine", location="a.csv", hint="Fetch it."))


@pytest.mark.parametrize(("day", "told"), [(date(2028, 10, 31), []), (date(2028, 11, 1), ["AML620"])])
def test_a_python_ends_with_its_month_whatever_day_it_is(tmp_path, monkeypatch, day, told):
    monkeypatch.setattr(base, "today", lambda: day)
    plan = planned(make(tmp_path, {"score.py": SCORE}), base="minimal-py312-inference")
    assert [each.id for each in plan.warnings if each.id == "AML620"] == told
