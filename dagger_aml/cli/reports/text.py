"""For people: each finding with its line and a caret below it, and last what could not be checked."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from ...text import listed_words, with_article
from ..console import printable
from .model import SEVERITIES, Checked, Told, count
from .unchecked import unchecked

_WIDEST = 160
"""Columns of a line that are shown."""

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def render(projects: tuple[Checked, ...]) -> str:
    """All of it, with a last line that says how much it is."""
    parts = [_finding(each) for project in projects for each in project.told]
    parts += [line for project in projects for line in _unchecked(project, several=len(projects) > 1)]
    parts.append(_summary(projects))
    return "".join(f"{part}\n" for part in parts)


def refused(each: Checked) -> str:
    """Why an input could not be checked, with the line that is meant, if there is one."""
    error, told = each.error, each.refused
    assert error is not None and told is not None
    hint = [f"  {line}" for line in (error.hint or "").splitlines()]
    if told.line:
        return "\n".join([f"{_place(told)}: {error.message}", *_source(told), *hint])
    head = f"{error.location}: {error.message}" if error.location else error.message
    named = head.startswith(each.name) or each.name == "."
    return "\n".join([head if named else f"{each.name}: {head}", *hint])


def _place(each: Told) -> str:
    place = each.file or each.project
    return place + (f":{each.line}" if each.line else "") + (f":{each.column}" if each.line and each.column else "")


def _finding(each: Told) -> str:
    severity = click.style(each.finding.severity, fg=_COLOURS[each.finding.severity], bold=True)
    id = f" [{each.finding.id}]" if each.finding.id else ""
    lines = [f"{click.style(_plain(_place(each)), bold=True)}: {severity}: {_plain(each.text)}{id}", *_source(each)]
    lines += [f"  {_plain(line)}" for line in (each.finding.hint or "").splitlines()]
    return "\n".join(lines) + "\n"


def _source(each: Told) -> Iterator[str]:
    """The line with its number, and carets below what is meant of it."""
    if each.source is None or each.column is None or each.end is None:
        return
    begin, end = each.column - 1, min(each.end - 1, _WIDEST)
    text = printable(_plain(each.source[:_WIDEST]), sys.stdout)
    space = " " * len(str(each.line))
    yield f"  {space} |"
    yield f"  {each.line} | {text}" + ("…" if len(each.source) > _WIDEST else "")
    yield f"  {space} | {' ' * begin}{'^' * max(1, end - begin)}"


def _plain(text: str) -> str:
    """A line whose letters all take one column and move no cursor."""
    return "".join(
        " " if each == "\t" else each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def _unchecked(project: Checked, *, several: bool) -> Iterator[str]:
    """The rules that were not run, by what they lack."""
    if project.error:
        return
    by_reason: dict[str, list[str]] = {}
    for id, reason in unchecked(project).items():
        by_reason.setdefault(reason, []).append(id)
    before = f"{project.name}: " if several else ""
    for reason, ids in by_reason.items():
        yield f"{before}not checked, since {reason}: {', '.join(sorted(ids))}"
    if project.report.kind.read is not None:
        name = with_article(project.report.kind.name)
        yield f"{before}checked as {name}, by the rules that apply to one (docs/rules.md)"


def _word(projects: tuple[Checked, ...]) -> str:
    """What several inputs are, together."""
    return "inputs" if any(each.report.kind.read for each in projects) else "projects"


def _summary(projects: tuple[Checked, ...]) -> str:
    counts = [(count(projects, severity), severity) for severity in SEVERITIES]
    said = [f"{number} {word}{'s' if number > 1 and word != 'info' else ''}" for number, word in counts if number]
    failed = sum(project.error is not None for project in projects)
    silenced = sum(len(project.silenced) for project in projects)
    text = f"Found {listed_words(said)}" if said else "Nothing found"
    text += f" in {len(projects)} {_word(projects)}" if len(projects) > 1 else ""
    text += f" ({silenced} silenced)" if silenced else ""
    return text + (f"; {failed} could not be checked." if failed else ".")
