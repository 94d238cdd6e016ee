"""What the logs and reviews of GitHub, GitLab and Azure DevOps show beside the code."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...finding import Severity
from .model import Checked, Told, every

_GITHUB: Mapping[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}
_GITLAB: Mapping[Severity, str] = {"error": "major", "warning": "minor", "info": "info"}
_AZURE: Mapping[Severity, str] = {"error": "error", "warning": "warning", "info": "warning"}
"""Azure DevOps has no lower one."""


def github(projects: tuple[Checked, ...], *, verb: str = "check") -> str:
    """Workflow commands, which GitHub Actions turns into annotations.

    :param verb: what was to be done with the projects.
    """
    return "".join(f"{line}\n" for line in _github(projects, verb))


def _github(projects: tuple[Checked, ...], verb: str) -> Iterator[str]:
    for each in every(projects):
        said: dict[str, Any] = {"file": each.file or each.project, "line": each.line, "col": each.column}
        said["endColumn"] = each.end
        said["title"] = f"dagger-aml {each.id}"
        yield _workflow(_GITHUB[each.finding.severity], said, _with_hint(each))
    for project in projects:
        if refused := project.refused:
            said = {"file": refused.file, "line": refused.line, "col": refused.column, "endColumn": refused.end}
            said["title"] = f"dagger-aml could not {verb} this"
            yield _workflow("error", said, str(project.error))


_ENDS = "%\r\n"
"""What may not stand in a command as it is."""


def _workflow(command: str, said: Mapping[str, Any], message: str) -> str:
    properties = ",".join(f"{name}={_percent(str(value), _ENDS + ':,')}" for name, value in said.items() if value)
    return f"::{command} {properties}::{_percent(message, _ENDS)}"


def _percent(text: str, what: str) -> str:
    """A text with some of its letters as their numbers, ``%`` first among them."""
    return "".join(f"%{ord(each):02X}" if each in what else each for each in text)


def gitlab(projects: tuple[Checked, ...]) -> str:
    """A code quality report: a list, each finding with a fingerprint that stays when lines move, and errors."""
    seen: Counter[str] = Counter()
    found = []
    for each in (*every(projects), *(project.refused for project in projects if project.refused)):
        path = each.file or each.project
        key = "\0".join((each.id, path, each.text))
        seen[key] += 1
        found.append(
            {
                "description": _with_hint(each),
                "check_name": each.id,
                "fingerprint": hashlib.sha256(f"{key}\0{seen[key]}".encode("utf-8", "backslashreplace")).hexdigest(),
                "severity": _GITLAB[each.finding.severity],
                "location": {"path": path, "lines": {"begin": each.line or 1}, **_columns(each)},
            }
        )
    return json.dumps(found, indent=2) + "\n"


def _columns(each: Told) -> dict[str, Any]:
    """Where on its line a finding is, where that is known."""
    if each.column is None or each.end is None:
        return {}
    ends = {"begin": {"line": each.line, "column": each.column}, "end": {"line": each.line, "column": each.end}}
    return {"positions": ends}


def azure(projects: tuple[Checked, ...]) -> str:
    """Logging commands of Azure Pipelines."""
    return "".join(f"{line}\n" for line in _azure(projects))


def _azure(projects: tuple[Checked, ...]) -> Iterator[str]:
    for each in every(projects):
        said = {"type": _AZURE[each.finding.severity], "sourcepath": each.file or each.project}
        said |= {"linenumber": str(each.line or ""), "columnnumber": str(each.column or ""), "code": each.id}
        yield _logged(said, _with_hint(each))
    for project in projects:
        if refused := project.refused:
            said = {"type": "error", "sourcepath": str(refused.file), "linenumber": str(refused.line or "")}
            yield _logged(said | {"columnnumber": str(refused.column or "")}, str(project.error))


def _logged(said: Mapping[str, str], message: str) -> str:
    properties = "".join(f"{name}={_of_azure(value, inside=True)};" for name, value in said.items() if value)
    return f"##vso[task.logissue {properties}]{_of_azure(message, inside=False)}"


def command_of_azure(command: str, value: str) -> str:
    """A logging command with its value, as a line."""
    return f"##vso[{command}]{_of_azure(value, inside=False)}\n"


def _of_azure(text: str, *, inside: bool) -> str:
    """A text as a logging command takes it; what would end a property counts only ``inside`` of one."""
    for letter, written in (("%", "%AZP25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(letter, written)
    return text.replace(";", "%3B").replace("]", "%5D") if inside else text


def _with_hint(each: Told) -> str:
    return f"{each.text}\n{each.finding.hint}" if each.finding.hint else each.text
