"""That the records of settings, the flags, the tables of the file and the reference pages agree."""

from __future__ import annotations

import re

import click
from attrs import fields

from dagger_aml import Options
from dagger_aml.backends.builders import BUILDERS
from dagger_aml.cli.main import _COMMANDS
from dagger_aml.cli.options.build import SettingOption
from dagger_aml.cli.several import AT_ONCE
from dagger_aml.policy import Policy
from dagger_aml.project.build_settings import BUILD_SETTINGS, BuildOptions
from dagger_aml.project.file_keys import FILE_KEYS
from dagger_aml.project.keys import KEYS, REFUSED, field_name, nothing_said
from dagger_aml.project.setting import spellings
from dagger_aml.project.settings import PROJECT_SETTINGS
from dagger_aml.project.tables import TABLES, Tables
from tests.support.cases import for_each
from tools import reference

from .test_docs import DOCS

CALL_ONLY = {
    *("--changed", "--ci", "--exit-code", "--offline"),
    *("--against", "--all", "--debug", "--detach", "--dry-run", "--expect", "--force", "--header", "--iidfile"),
    *(
        "--json",
        "--keep",
        "--load",
        "--local",
        "--metadata-file",
        "--name",
        "--no-cache",
        "--no-smoke",
        "--output",
        "--pin",
    ),
    *("--probe", "--publish", "--pull", "--push", "--quiet", "--request", "--smoke", "--tag", "--verbose", "--why"),
    "--restricted",
    *("-c", "-n", "--rtol", "--atol", "--diff", "--explain", "--fix", "--no-check", "--output-format"),
    *("--image", "--without-image", "--endpoint-name", "--instance-type", "--instance-count", "--variable"),
    *("--longest-request", "--user", "--acr", "--watch"),
    *("--provenance", "--sbom"),
}
"""Flags that name a thing of this one call, or what it is to do: nothing but the call says them."""

_OF_CALL_HERE = {
    ("check", "--jobs"),
    ("diff", "--with"),
    ("inspect", "--with"),
    ("doctor", "--engine-timeout"),
    ("deployment", "--format"),
    ("plan", "--format"),
}
"""Flags of settings that mean something of the call's own in one command."""


RECORDS = (*PROJECT_SETTINGS.values(), *BUILD_SETTINGS.values())


def flags() -> list[tuple[str, click.Option]]:
    """Every command's flags."""
    return [(name, option) for name in _COMMANDS for option in reference.options_of(reference.command_of(name))]


def test_a_flag_is_a_setting_s_or_of_this_one_call():
    by_flag = {record.flag: record for record in RECORDS}
    for command, option in flags():
        flag = option.opts[-1]
        if (command, flag) in _OF_CALL_HERE:
            assert flag in by_flag and not isinstance(option, SettingOption), (command, flag)
        elif flag in CALL_ONLY:
            assert flag not in by_flag and not option.envvar and "[env:" not in str(option.help), (command, flag)
        else:
            record = by_flag[flag]
            assert option.multiple == record.repeatable, (command, flag)
            assert (f"[env: {record.variable}]" in str(option.help)) == bool(record.variable), (command, flag)
            assert isinstance(option, SettingOption) == (record.scope == "build"), (command, flag)


def test_nothing_is_listed_as_of_one_call_that_is_no_flag():
    real = {option.opts[-1] for _, option in flags()}
    assert real >= CALL_ONLY and real >= {flag for _, flag in _OF_CALL_HERE}


@for_each("record", RECORDS, ids=lambda each: each.name)
def test_a_record_is_a_flag_a_variable_a_key_and_documented(record):
    assert record.flag in {option.opts[-1] for _, option in flags()}
    assert record.repeatable or record.variable
    assert record.key or record.name in ("pip", "model"), "only what is added, and where models lie, has no key"
    commands = (DOCS / "reference-commands.md").read_text(encoding="utf-8")
    assert f"`{record.flag}" in commands and (not record.variable or f"`{record.variable}`" in commands)
    page = (DOCS / "reference-file.md").read_text(encoding="utf-8")
    row = next((line for line in page.splitlines() if line.startswith(f"| `{'.'.join(record.key)}` |")), "")
    if record.unless_file:
        assert not row and record.key in REFUSED
    elif record.key:
        assert re.search(rf"`{record.flag}[ `]", row) and (not record.variable or f"`{record.variable}`" in row)


def test_the_tables_have_the_records_keys_and_no_others():
    real = {(*(() if table is Tables else (name,)), each.name) for name, table in [("", Tables), *TABLES.items()]
            for each in fields(table) if each.name not in TABLES}  # fmt: skip
    assert real == {(*record.key[:-1], field_name(record.key[-1])) for record in KEYS}
    assert {record.key for record in FILE_KEYS} <= {record.key for record in KEYS}


def test_a_file_that_says_nothing_has_what_the_tables_hold_unsaid():
    def values(table):
        return {each.name: getattr(table, each.name) for each in fields(type(table))}

    whole, nothing = values(Tables()), vars(nothing_said())
    tables = {name: values(whole.pop(name)) for name in TABLES if whole[name] is not None}
    assert tables == {name: vars(nothing.pop(name)) for name in tables}
    assert whole == nothing and nothing["models"] is None


def test_no_two_settings_share_a_flag_a_variable_or_a_key():
    for names in ([each.flag for each in RECORDS], [each.key for each in KEYS]):
        assert len(names) == len(set(names))
    variables = [spelt for each in RECORDS for spelt in spellings(each.variable)]
    assert len(variables) == len(set(variables))


def test_every_field_of_the_options_is_a_setting():
    assert [each.name for each in fields(Options)] == list(PROJECT_SETTINGS)
    assert [each.name for each in fields(BuildOptions)] == list(BUILD_SETTINGS)
    assert {each.scope for each in PROJECT_SETTINGS.values()} == {"project"}
    assert {each.scope for each in BUILD_SETTINGS.values()} == {"build"}


def test_the_defaults_are_those_of_the_library():
    assert BUILD_SETTINGS["engine_timeout"].default == Policy().start_deadline_seconds
    assert BUILD_SETTINGS["ready_timeout"].default == Policy().ready_timeout_seconds
    assert BUILD_SETTINGS["jobs"].unsaid == f"`{AT_ONCE}`"
    assert BUILD_SETTINGS["builder"].default in BUILDERS and all(f"`{name}`" in BUILD_SETTINGS["builder"].says
                                                                 for name in BUILDERS)  # fmt: skip
