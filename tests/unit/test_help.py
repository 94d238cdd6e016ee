"""What ``--help`` shows first, and what a shell offers for a value."""

from __future__ import annotations

import importlib

import click
import pytest
from click.shell_completion import ShellComplete

from dagger_aml.base.catalog import IMAGES
from dagger_aml.check.modules import rules
from dagger_aml.cli.main import _COMMANDS, cli
from dagger_aml.cli.sections import Sectioned
from dagger_aml.project.recipe import recipe_names
from dagger_aml.project.setting import Setting
from dagger_aml.project.settings import PROJECT_SETTINGS

_OF_PROJECT = "Options of the project, which its dagger-aml.toml may say too:"


def _command(name: str) -> click.Command:
    found: click.Command = importlib.import_module(f"dagger_aml.cli.commands.{name.replace('-', '_')}").command
    return found


def _help(name: str) -> str:
    return _command(name).get_help(click.Context(_command(name), info_name=name, terminal_width=80))


def _flags(text: str) -> set[str]:
    words = text.replace(",", " ").split("\n")
    return {word for line in words if line.startswith("  -") for word in line.split()[:2] if word.startswith("--")}


def test_the_own_flags_of_a_command_come_before_those_of_a_project():
    own, found, of_project = _help("build").partition(_OF_PROJECT)
    assert found and {"--tag", "--push", "--load", "--with", "--smoke"} <= _flags(own)
    assert _flags(of_project) == {str(each.flag) for each in PROJECT_SETTINGS.values()}
    assert own.index("--push") < own.index("--cache-from")


@pytest.mark.parametrize("name", _COMMANDS)
def test_each_flag_is_shown_once(name):
    text = _help(name)
    shown = [line.split()[0].strip(",") for line in text.split("\n") if line.startswith("  -")]
    every = [param.opts[0] for param in _command(name).params if isinstance(param, click.Option)]
    # The flag of help itself is what its first caller in this process called it.
    assert sorted(each for each in shown if each not in ("-h", "--help")) == sorted(every)
    assert (_OF_PROJECT in text) == isinstance(_command(name), Sectioned)


def _offered(*words: str) -> list[tuple[str, str]]:
    *before, begun = words
    complete = ShellComplete(cli, {}, "dagger-aml", "_DAGGER_AML_COMPLETE")
    return [(each.type, each.value) for each in complete.get_completions(list(before), begun)]


def _plain(*names: str) -> list[tuple[str, str]]:
    return [("plain", name) for name in names]


def test_bases_recipes_and_rules_are_offered_by_name():
    assert _offered("build", "--base", "") == _plain(*(each.name for each in IMAGES))
    assert _offered("plan", "--recipe", "pre") == _plain("preinstalled")
    assert _offered("plan", "--recipe", "") == _plain(*recipe_names())
    wanted = sorted(id for id in rules() if id.startswith("AML41"))
    assert wanted and _offered("check", "--explain", "AML41") == _plain(*wanted)
    assert _offered("check", "--ignore", "AML103,aml41") == _plain(*(f"AML103,{id}" for id in wanted))


@pytest.mark.parametrize(
    "record", [each for each in PROJECT_SETTINGS.values() if each.choices], ids=lambda each: each.name
)
def test_the_choices_of_a_setting_are_offered(record: Setting):
    assert _offered("build", str(record.flag), "") == _plain(*record.choices)


@pytest.mark.parametrize(
    "words",
    ["build --requirements", "build --ca", "build -o", "build --recipe", "build --metadata-file", "score --request",
     "dockerfile -o"],
)  # fmt: skip
def test_files_are_offered_where_a_path_is_taken(words):
    assert _offered(*words.split(), "./x") == [("file", "./x")]


def test_nothing_is_offered_for_what_cannot_be_known():
    assert _offered("build", "--label", "x") == [] == _offered("build", "--index-url", "h")
