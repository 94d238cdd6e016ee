"""For programs: one object, whose form has a number."""

from __future__ import annotations

import json
from typing import Any

from ...version import __version__
from .model import Checked, Told

SCHEMA = 1


def render(projects: tuple[Checked, ...]) -> str:
    """All of it."""
    return (
        json.dumps(
            {
                "schema": SCHEMA,
                "version": __version__,
                "projects": [each.name for each in projects],
                "kinds": {each.name: each.report.kind.name for each in projects if not each.error},
                "findings": [_finding(each) for project in projects for each in project.told],
                "silenced": [_finding(each) for project in projects for each in project.silenced],
                "not_checked": [
                    {"project": project.name, "id": id, "lacks": list(facts)}
                    for project in projects
                    for id, facts in sorted(project.report.unchecked.items())
                ],
                "errors": [
                    {
                        "project": each.name,
                        "message": each.error.message,
                        "location": each.error.location,
                        "hint": each.error.hint,
                        "file": each.refused.file,
                        "line": each.refused.line,
                        "column": each.refused.column,
                        "end_column": each.refused.end,
                    }
                    for each in projects
                    if each.error and each.refused
                ],
            },
            indent=2,
        )
        + "\n"
    )


def _finding(each: Told) -> dict[str, Any]:
    return {
        **each.finding.as_json(),
        "project": each.project,
        "file": each.file,
        "line": each.line,
        "column": each.column,
        "end_column": each.end,
    }
