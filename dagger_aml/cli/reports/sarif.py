"""SARIF 2.1.0, as GitHub's code scanning, Azure DevOps and editors read it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ...check.modules import rules
from ...version import __version__
from .model import NO_RULE, Checked, Told, every

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}

_OWN = {NO_RULE[0]: "A step of the recipe refuses the project", NO_RULE[1]: "The recipe warns"}

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(projects: tuple[Checked, ...]) -> str:
    """One run with all projects."""
    ids = sorted({each.id for each in every(projects)})
    run = {
        "tool": {
            "driver": {
                "name": "dagger-aml",
                "semanticVersion": _semantic(__version__),
                "rules": [_rule(id) for id in ids],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, ids) for each in every(projects)],
        "invocations": [
            {
                "executionSuccessful": not any(each.error for each in projects),
                "toolExecutionNotifications": list(_notifications(projects)),
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


def _notifications(projects: tuple[Checked, ...]) -> Iterator[dict[str, Any]]:
    """Why projects could not be checked."""
    for each in projects:
        if each.refused:
            yield {
                "level": "error",
                "message": {"text": str(each.error)},
                "locations": [{"physicalLocation": _place(each.refused)}],
            }


def _semantic(version: str) -> str:
    """A version of Python's form as semantic versioning has it: ``0.2.0-dev0`` of ``0.2.0.dev0``."""
    numbers = version.split(".")
    return ".".join(numbers[:3]) + (f"-{'.'.join(numbers[3:])}" if numbers[3:] else "")
