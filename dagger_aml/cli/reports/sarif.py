"""SARIF 2.1.0, as GitHub's code scanning, Azure DevOps and editors read it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ...check.modules import rules
from ...finding import Silencer
from ...version import __version__
from .model import NO_RULE, Checked, Told
from .unchecked import unchecked

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}

_OWN = {NO_RULE[0]: "A step of the recipe refuses the project", NO_RULE[1]: "The recipe warns"}

_NOTICES = {"not-checked": "An input could not be checked", "rule-not-checked": "A rule could not be checked"}

_KINDS: Mapping[Silencer, str] = {"comment": "inSource", "choice": "external"}
"""What the standard calls that which sets a finding aside."""

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(projects: tuple[Checked, ...]) -> str:
    """One run with all projects: findings, silenced ones as suppressed, and what could not be checked as notices."""
    results = [each for project in projects for each in (*project.told, *project.silenced)]
    named = {each.id for each in results} | {id for each in projects if not each.error for id in unchecked(each)}
    ids = sorted(named)
    run = {
        "tool": {
            "driver": {
                "name": "dagger-aml",
                "semanticVersion": _semantic(__version__),
                "rules": [_rule(id) for id in ids],
                "notifications": [{"id": id, "shortDescription": {"text": text}} for id, text in _NOTICES.items()],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, ids) for each in results],
        "invocations": [
            {
                "executionSuccessful": not any(each.error for each in projects),
                "toolExecutionNotifications": [*_refused(projects), *_unchecked(projects, ids)],
            }
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(id: str) -> dict[str, Any]:
    if id in _OWN:
        return {"id": id, "shortDescription": {"text": _OWN[id]}}
    found = rules()[id]
    text = inspect.cleandoc(found.check.__doc__ or "")
    return {
        "id": id,
        "shortDescription": {"text": found.title},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": _LEVELS[found.severity]},
    }


def _result(each: Told, ids: list[str]) -> dict[str, Any]:
    hint = each.finding.hint
    return {
        "ruleId": each.id,
        "ruleIndex": ids.index(each.id),
        "level": _LEVELS[each.finding.severity],
        "message": {"text": f"{each.text}\n{hint}" if hint else each.text},
        "locations": [{"physicalLocation": _place(each)}],
        # The standard wants it of all results of a run, or of none: an empty list says that nothing silences one.
        "suppressions": [{"kind": _KINDS[by], "status": "accepted"} for by in each.finding.silenced_by],
    }


def _place(each: Told) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(each.file or each.project)}}
    if each.line:
        place["region"] = {"startLine": each.line}
        if each.column and each.end:
            place["region"] |= {"startColumn": each.column, "endColumn": each.end}
    return place


def _uri(path: str) -> str:
    return f"file://{quote(path)}" if path.startswith("/") else quote(path)


def _refused(projects: tuple[Checked, ...]) -> Iterator[dict[str, Any]]:
    """Why projects could not be checked."""
    for each in projects:
        if each.refused:
            yield _notice("not-checked", "error", str(each.error), _place(each.refused))


def _unchecked(projects: tuple[Checked, ...], ids: list[str]) -> Iterator[dict[str, Any]]:
    """The rules that could not be run, and why."""
    for each in projects:
        for id, reason in sorted(unchecked(each).items()) if not each.error else ():
            place = {"artifactLocation": {"uri": _uri(each.name)}}
            notice = _notice("rule-not-checked", "note", f"{id} was not checked, since {reason}.", place)
            yield notice | {"associatedRule": {"id": id, "index": ids.index(id)}}


def _notice(id: str, level: str, text: str, place: dict[str, Any]) -> dict[str, Any]:
    return {
        "descriptor": {"id": id, "index": [*_NOTICES].index(id)},
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }


def _semantic(version: str) -> str:
    """A version of Python's form as semantic versioning has it: ``0.2.0-dev0`` of ``0.2.0.dev0``."""
    numbers = version.split(".")
    return ".".join(numbers[:3]) + (f"-{'.'.join(numbers[3:])}" if numbers[3:] else "")
