"""What a user should know of a project, a graph or a base, as data: the one form of every warning."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from attrs import evolve, field

from .data import frozen

Severity = Literal["error", "warning", "info"]
"""``error`` stops before anything is built; ``warning`` and ``info`` are told, and the work goes on."""

Silencer = Literal["comment", "choice"]
"""What sets a finding aside: a comment on its line, or what a flag, a variable or the project file ignores."""

_NEAR = 3
"""Folders above one in which a file is shown by ``..``: what several projects share lies there."""

_RANK: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


class FileLocation(str):
    """A place in a file. As a text it is what people read: ``code/score.py:7``, relative to the project.

    :param path: the file, absolute.
    :param line: from 1; None for the whole file.
    :param columns: of what is meant on the line, from 1, and the column behind it; None for the whole line.
    """

    __slots__ = ("columns", "inside", "line", "path", "quoted", "word")

    path: Path
    line: int | None
    columns: tuple[int, int] | None
    quoted: bool
    """Whether the line may be shown."""
    word: str
    """What of the line is meant; empty for all of it."""
    inside: str
    """The file's name where it lies within an image, say, and ``path`` is a copy of it; empty elsewhere."""

    def __new__(
        cls, shown: str, path: Path, line: int | None = None, columns: tuple[int, int] | None = None
    ) -> FileLocation:
        made = super().__new__(cls, shown if line is None else f"{shown}:{line}")
        made.path, made.line, made.columns, made.quoted, made.word = path, line, columns, True, ""
        made.inside = ""
        return made

    @classmethod
    def below(cls, root: Path, path: Path, line: int | None = None) -> FileLocation:
        """A place in a file, which is shown relative to a folder where it lies in that, or near it."""
        around = (each for each in (root, *root.parents[:_NEAR]) if each != each.parent)
        near = any(path.is_relative_to(each) for each in around)
        return cls(Path(os.path.relpath(path, root)).as_posix() if near else str(path), path, line)

    def __getnewargs__(self) -> tuple[str, Path]:  # type: ignore[override]
        """What a copy is made of, beside the line."""
        return str(self), self.path

    @property
    def hidden(self) -> FileLocation:
        """The same, of a line that is not to be shown, since a secret stands in it."""
        made = FileLocation(str(self), self.path)
        made.line, made.columns, made.quoted, made.inside = self.line, self.columns, False, self.inside
        return made

    def named(self, shown: str) -> FileLocation:
        """The same, of a file that is shown by another name."""
        made = FileLocation(shown, self.path, self.line, self.columns)
        made.quoted, made.word, made.inside = self.quoted, self.word, self.inside
        return made

    def of(self, word: str) -> FileLocation:
        """The same, of one word of the line: the first that stands there by itself."""
        made = FileLocation(str(self), self.path)
        made.line, made.quoted, made.word, made.inside = self.line, self.quoted, word, self.inside
        return made


@frozen
class Fix:
    """The one right answer to a finding: the name of a key, or a text at a certain place, on its line, is another.

    :param path: of the file, absolute. :param line: from 1.
    :param before: the name or text as it stands there, and ``after`` the right one.
    :param column: where the text begins, from 1, counted in characters; None for the name of a key of a TOML file.
    """

    path: Path
    line: int
    before: str
    after: str
    column: int | None = None


@frozen
class Finding:
    """One thing that a user should know, though it may well build.

    :param message: what will happen or what is wrong, naming the value; without a full stop at its end.
    :param id: of the rule that found it, such as ``AML103``; None where a recipe says it with ``graph.warn``.
    :param location: ``file:line``, relative to the project, or a key, a setting or a variable. In a file it is a
        :class:`FileLocation`.
    :param hint: what the reader can do next, one or more lines.
    :param sure: whether what was read proves it. What is not sure is a warning at most, though its rule's severity is
        ``error``.
    :param fixes: what ``check --fix`` does about it; nothing where there is not one right answer.
    :param silenced_by: why it is not told; nothing where it is.
    """

    message: str
    id: str | None = None
    severity: Severity = "warning"
    location: str | None = None
    hint: str | None = None
    sure: bool = field(default=True, kw_only=True, repr=False)
    fixes: tuple[Fix, ...] = field(default=(), kw_only=True, repr=False, eq=False)
    silenced_by: tuple[Silencer, ...] = field(default=(), kw_only=True, repr=False, eq=False)

    def __str__(self) -> str:
        """As errors read: ``score.py:7: message [AML103]``, and the hint on the next lines, indented."""
        head = f"{self.location}: {self.message}" if self.location else self.message
        head += f" [{self.id}]" if self.id else ""
        return "\n".join([head, *(f"  {line}" for line in (self.hint or "").splitlines())])

    @property
    def titled(self) -> str:
        """The text with its severity before it: ``warning: score.py:7: message [AML103]``."""
        return f"{self.severity}: {self}"

    def of_rule(self, id: str, severity: Severity) -> Finding:
        """As the rule's own."""
        unsure = severity == "error" and not self.sure
        return evolve(self, id=id, severity="warning" if unsure else severity)

    def as_json(self) -> dict[str, Any]:
        """As plain data, for programs."""
        return {
            "id": self.id,
            "severity": self.severity,
            "message": self.message,
            "location": self.location,
            "hint": self.hint,
        }


def as_findings(found: Iterable[Finding | str]) -> tuple[Finding, ...]:
    """Findings; a plain sentence is a warning of no rule."""
    return tuple(Finding(each) if isinstance(each, str) else each for each in found)


def ordered(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once, errors first; within a severity by the rules' ids, and last what no rule says."""
    return tuple(
        sorted(dict.fromkeys(found), key=lambda each: (_RANK[each.severity], each.id is None, each.id or ""))
    )
