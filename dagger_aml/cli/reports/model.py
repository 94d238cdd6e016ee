"""What was found in several inputs, each with its line as it stands in its file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve, field

from ...building.examine import Report
from ...data import frozen
from ...errors import DaggerAmlError
from ...finding import FileLocation, Finding, Severity

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")

NO_RULE = "refused", "recipe"
"""What stands for an id in forms that need one: of what a step refuses, and of what a recipe's own code warns."""

_LONGEST_FILE = 4_000_000
"""Bytes of a file from which on its lines are not shown."""


@frozen
class Told:
    """A finding and where it is.

    :param project: as it was named.
    :param file: as seen from the working directory, with slashes; None where it is in no file.
    :param line: from 1, and ``column`` with it; None where the finding is of the whole file.
    :param end: the column behind what is meant.
    :param source: the line's text.
    """

    finding: Finding
    project: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    end: int | None = None
    source: str | None = None

    @property
    def id(self) -> str:
        """The rule's, or what stands for it."""
        return self.finding.id or NO_RULE[self.finding.severity != "error"]

    @property
    def text(self) -> str:
        """The message, with what is no file's place before it."""
        location = self.finding.location
        return self.finding.message if self.file or not location else f"{location}: {self.finding.message}"


@frozen
class Checked:
    """An input that was to be checked.

    :param name: as it was named.
    :param error: why it could not be.
    """

    name: str
    told: tuple[Told, ...] = ()
    silenced: tuple[Told, ...] = ()
    report: Report = field(factory=Report)
    error: DaggerAmlError | None = None

    @property
    def refused(self) -> Told | None:
        """The error with its line, as findings have theirs; its file is the project itself where it names none."""
        if self.error is None:
            return None
        found = Finding(self.error.message, None, "error", self.error.location, self.error.hint)
        told = _told(found, self.name, _Lines())
        return told if told.file else evolve(told, file=shown(Path(self.name)))


def checked(name: str, report: Report) -> Checked:
    """An input with what the rules said of it, each finding with its line."""
    lines = _Lines()
    return Checked(
        name,
        tuple(_told(each, name, lines) for each in report.told),
        tuple(_told(each, name, lines) for each in report.silenced),
        report,
    )


def count(projects: tuple[Checked, ...], severity: Severity) -> int:
    """How many findings of a severity there are."""
    return sum(each.finding.severity == severity for project in projects for each in project.told)


def every(projects: tuple[Checked, ...]) -> Iterator[Told]:
    """The findings of all projects."""
    for project in projects:
        yield from project.told


def shown(path: Path) -> str:
    """A path as seen from the working directory, if it lies below it; with slashes."""
    here = os.getcwd()  # noqa: PTH109 - texts alone, of each finding
    whole = os.path.normpath(os.path.join(here, path))  # noqa: PTH118
    below = os.path.relpath(whole, here) if os.path.splitdrive(whole)[0] == os.path.splitdrive(here)[0] else whole
    return Path(whole if below.startswith("..") else below).as_posix()


class _Lines:
    """The lines of files, each file read once."""

    def __init__(self) -> None:
        self._known: dict[Path, list[str]] = {}

    def get(self, path: Path, line: int) -> str | None:
        if path not in self._known:
            self._known[path] = _lines(path)
        found = self._known[path]
        return found[line - 1] if 0 < line <= len(found) else None


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _LONGEST_FILE:
            return []
        text = path.read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return []
    # As editors count them: other marks that end a line for Python's splitlines end none.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _told(finding: Finding, project: str, lines: _Lines) -> Told:
    place = finding.location
    if not isinstance(place, FileLocation):
        return Told(finding, project)
    file = place.inside or shown(place.path)
    source = lines.get(place.path, place.line) if place.line and place.quoted else None
    if not source or not source.strip():
        return Told(finding, project, file, place.line)
    from ...requirements.model import has_password

    if has_password(source):
        return Told(finding, project, file, place.line)
    begin, end = place.columns or _columns(source, place.word)
    return Told(finding, project, file, place.line, begin, end, source)


def _columns(source: str, word: str) -> tuple[int, int]:
    """Where a word stands in a line by itself, or the line without the blanks around it; from 1."""
    found = re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", source) if word else None
    begin, end = found.span() if found else (len(source) - len(source.lstrip()), len(source.rstrip()))
    return begin + 1, end + 1
