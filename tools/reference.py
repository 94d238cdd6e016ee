"""The reference pages, made from the code: ``python -m tools.reference`` (``./taskw reference``) writes them anew.

Commands and flags come from click's objects, the project file's keys from its attrs classes, errors from their types.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from dagger_aml import errors
from dagger_aml.cli.main import _COMMANDS, cli
from dagger_aml.project.keys import ARRAYS, KEYS
from dagger_aml.project.setting import Auto, Setting
from dagger_aml.project.settings import PROJECT_SETTINGS
from dagger_aml.project.tables import TABLES

from .rules import rules_page
from .rules_measured import measured_page

DOCS = Path(__file__).parent.parent / "docs"
COMMAND = "./taskw reference"

_MADE = f"<!-- Written by `{COMMAND}` from the code, which is the place to change it. -->\n"
_NOTE = re.compile(r"\s*\[(env|default): ([^\]]+)\]")
"""What a help text ends with where click does not know of it."""

_TYPES = {str: "text", bool: "true or false", Auto: 'true, false or `"auto"`', int: "whole number", float: "number"}


# --- commands -----------------------------------------------------------------------------------------------------


def command_of(name: str) -> click.Command:
    """The click object of a command."""
    found: click.Command = importlib.import_module(f"dagger_aml.cli.commands.{name.replace('-', '_')}").command
    return found


def options_of(command: click.Command) -> list[click.Option]:
    """The flags that a command shows."""
    return [param for param in command.params if isinstance(param, click.Option) and not param.hidden]


def shared_flags() -> set[str]:
    """The flags of :class:`~dagger_aml.project.settings.Options`."""
    return {str(record.flag) for record in PROJECT_SETTINGS.values()}


def commands_page() -> str:
    """Each command: usage, help, and every option with what it takes, its default and its variable."""
    shared = shared_flags()
    build = command_of("build")
    taking = ", ".join(f"`{name}`" for name in _COMMANDS if shared <= _flags(command_of(name)))
    parts = [
        "# Reference: commands\n",
        _MADE,
        "What each command is for, with examples and exit codes, stands in [cli](cli.md). `dagger-aml COMMAND "
        "--help` has what this page has.\n",
        "## Project options\n",
        f"These say of a project what [its file](reference-file.md) may say too. They are on {taking}.\n",
        *_rows(build, [option for option in options_of(build) if option.opts[-1] in shared]),
        "## dagger-aml\n",
        *_help(cli, "dagger-aml"),
        *_rows(cli, options_of(cli)),
    ]
    for name in _COMMANDS:
        command = command_of(name)
        parts += [f"## dagger-aml {name}\n", *_help(command, f"dagger-aml {name}")]
        own = options_of(command)
        if shared <= _flags(command):
            own = [option for option in own if option.opts[-1] not in shared]
            parts.append("Takes the [project options](#project-options).\n")
        parts += _rows(command, own)
        if command.epilog:
            parts.append(f"{_plain(command.epilog)}\n")
    return "\n".join(parts)


def _flags(command: click.Command) -> set[str]:
    return {flag for option in options_of(command) for flag in option.opts}


def _help(command: click.Command, name: str) -> Iterator[str]:
    """Usage, then the paragraphs of the help; those that click leaves as they are become blocks."""
    context = click.Context(command, info_name=name)
    yield f"```text\n{name} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            yield f"```text\n{paragraph.removeprefix(chr(8)).strip()}\n```\n"
        else:
            yield f"{_plain(' '.join(paragraph.split()))}\n"


def _rows(command: click.Command, options: Sequence[click.Option]) -> Iterator[str]:
    if not options:
        return
    context = click.Context(command, info_name="dagger-aml")
    yield "| flag | default | variable | what it does |\n|---|---|---|---|"
    for option in options:
        warnings = dict(re.findall(_NOTE, option.help or ""))
        text = re.sub(_NOTE, "", option.help or "").strip()
        variable = option.envvar if isinstance(option.envvar, str) else warnings.get("env")
        if option.multiple and not re.search("repeatable|several times", text, re.I):
            text += " Repeatable."
        default = _default(option) or _plain(warnings.get("default", ""))
        cells = [_shown_flag(option, context), default, f"`{variable}`" if variable else "", _plain(text)]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _shown_flag(option: click.Option, context: click.Context) -> str:
    *others, last = [*option.opts, *option.secondary_opts]
    takes = "" if option.is_flag or option.count else option.make_metavar(context)
    joined = f"{last}{takes}" if takes.startswith("[=") else f"{last} {takes}".strip()
    return ", ".join(f"`{flag}`".replace("|", "\\|") for flag in (*others, joined))


def _default(option: click.Option) -> str:
    """What click shows, or a value of which the help may speak; nothing for flags and for what is not said."""
    if isinstance(option.show_default, str):
        return option.show_default
    value = option.default
    if option.is_flag or value is None or callable(value) or not isinstance(value, str | int | float):
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _plain(text: str) -> str:
    """Help in Markdown: only what would be taken for marks is escaped."""
    return re.sub(r"([*|<\[\]])", r"\\\1", text)


# --- the project file ---------------------------------------------------------------------------------------------


def file_page() -> str:
    """Each key: type, default, meaning, an example, and the flag and variable that say the same."""
    parts = [
        "# Reference: the project file\n",
        _MADE,
        "The keys of `dagger-aml.toml`, or of `[tool.dagger-aml]` in `pyproject.toml`. "
        "[project-file](project-file.md) says what a project is and which value wins. Paths are relative to the "
        "project folder.\n",
    ]
    for table in (None, *TABLES):
        found = [record for record in KEYS if record.key[:-1] == ((table,) if table else ())]
        parts += [f"## {heading(table)}\n", _KEYS, *(_key_row(record) for record in found), ""]
    return "\n".join(parts)


_KEYS = "| key | type | default | flag | variable | what it says | example |\n|---|---|---|---|---|---|---|"


def heading(table: str | None) -> str:
    """The header of a table, as `[code]` or `[[models]]`; None is the file itself."""
    if table is None:
        return "Top level"
    return f"`[[{table}]]`" if table in ARRAYS else f"`[{table}]`"


def _key_row(record: Setting) -> str:
    takes = "" if record.type == bool | None else f" {record.metavar or '|'.join(record.choices) or 'NAME'}"
    flag = f"`{record.flag}{takes}`" if record.flag else ""
    cells = [
        f"`{'.'.join(record.key)}`",
        _type(record.type),
        "must be given" if record.required else record.otherwise or "none",
        flag.replace("|", "\\|"),
        f"`{record.variable}`" if record.variable else "",
        record.says.replace("|", "\\|"),
        f"`{record.key[-1]} = {record.example}`",
    ]
    return f"| {' | '.join(cells)} |"


def _type(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return ", or ".join(_type(each) for each in args if each is not type(None))
    if origin is typing.Literal:
        return " or ".join(f"`{each}`" for each in args)
    if origin in (tuple, list):
        return f"list of {_type(args[0])}"
    if origin is dict:
        return f"table of {_type(args[1])}"
    return _TYPES.get(hint, getattr(hint, "__name__", str(hint)))


# --- errors -------------------------------------------------------------------------------------------------------


def error_types() -> list[type[errors.DaggerAmlError]]:
    """Every error that is raised on purpose, as the module has them."""
    found = vars(errors).values()
    return [each for each in found if isinstance(each, type) and issubclass(each, errors.DaggerAmlError)]


def errors_page() -> str:
    """Each error's type, its parent, the exit code that it ends the command line with, and when it is raised."""
    parts = [
        "# Reference: errors\n",
        _MADE,
        "The command line prints one message and ends with the error's exit code; the library raises the error. Each "
        "has `message`, `location` and `hint`: what happened, the file and line, flag or step, and what to do about "
        "it. What the other exit codes mean stands in [cli](cli.md#exit-codes).\n",
        "| error | a kind of | exit code | when |\n|---|---|---|---|",
    ]
    for each in error_types():
        text = " ".join(inspect.cleandoc(each.__doc__ or "").split("\n\n")[0].split())
        said = re.sub(r"[:;,] exit code \d+\.", ".", text)
        parent = each.__mro__[1].__name__
        parts.append(f"| `{each.__name__}` | `{parent}` | {each.exit_code} | {_plain(said)} |")
    return "\n".join([*parts, ""])


PAGES = {
    DOCS / "reference-commands.md": commands_page,
    DOCS / "reference-file.md": file_page,
    DOCS / "reference-errors.md": errors_page,
    DOCS / "rules.md": rules_page,
    DOCS / "rules-measured.md": measured_page,
}
"""Every reference page and what makes it."""


def held(page: Path) -> str:
    """What a page holds; nothing where there is none."""
    return page.read_text(encoding="utf-8") if page.is_file() else ""


def main() -> None:
    """Write the pages that have changed, and say so."""
    for page, made in PAGES.items():
        text = made()
        if held(page) != text:
            page.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote docs/{page.name}")


if __name__ == "__main__":
    main()
