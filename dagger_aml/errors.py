"""What can go wrong, as types. Each error says what happened, where, and what to do about it.

The command line turns an error into one message and the exit code of its class; a program that embeds
dagger-aml catches :class:`DaggerAmlError` or one of its children.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .finding import Finding

_LAST_LINES, _LONGEST_LINE = 20, 300


class DaggerAmlError(Exception):
    """Base of every error that dagger-aml raises on purpose.

    :param message: what happened, one sentence without a final full stop.
    :param location: ``file:line``, a setting, or the name of a step.
    :param hint: what the reader can do next, one or more lines.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, location: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.hint = hint

    @property
    def setting(self) -> str | None:
        """The name of the setting that the location is, as ``base`` of ``Options``; None where it is none."""
        name: str | None = getattr(self.location, "setting", None)
        return name

    def __str__(self) -> str:
        head = f"{self.location}: {self.message}" if self.location else self.message
        return f"{head}\n{_indent(self.hint)}" if self.hint else head


class UsageError(DaggerAmlError):
    """The tool was asked for something that cannot be: exit code 2."""

    exit_code = 2


class ProjectError(UsageError):
    """The project folder, its file, or a part that it names is wrong."""


class FindingsError(ProjectError):
    """One or more rules found what cannot work; nothing is built.

    :param findings: all of them, each of severity ``error``.
    """

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        first, *more = findings
        if more:
            text = "\n".join(map(str, findings))
            super().__init__(f"{len(findings)} problems to fix first; nothing is built", hint=text)
        else:
            super().__init__(f"{first.message} [{first.id}]", location=first.location, hint=first.hint)
        self.findings = findings


def unreadable(error: OSError, path: str | os.PathLike[str]) -> ProjectError:
    """The error for a part of a project that this user may not read, or the system cannot.

    :param path: what was to be read; a folder above it is named instead where that is what is shut.
    """
    from pathlib import Path

    shut = Path(path)
    if not isinstance(error, PermissionError):
        return ProjectError(f"cannot be read ({error.strerror or error})", location=str(shut))
    while shut != shut.parent and not os.access(shut.parent, os.X_OK):
        shut = shut.parent
    hint = "Give this user read permission, or run as a user who has it."
    return ProjectError("cannot be read (permission denied)", location=str(shut), hint=hint)


class GraphError(UsageError):
    """A graph holds, or would hold, what no builder can carry out faithfully (docs/design.md, law 2)."""


class BaseError(UsageError):
    """The base image does not have what the graph needs of it."""


class BuildError(DaggerAmlError):
    """A step ran and failed, or a builder did: exit code 1.

    :param location: the step's name as the plan shows it, or what else went wrong; None when nothing is to blame.
    :param command: the argv that failed.
    :param output: the last lines that it printed.
    """

    def __init__(
        self,
        message: str,
        *,
        location: str | None = None,
        command: tuple[str, ...] = (),
        output: str = "",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, location=location, hint=hint)
        self.command = command
        self.output = output

    def __str__(self) -> str:
        parts = [f"{self.location}: {self.message}" if self.location else self.message]
        if self.command:
            parts.append(_indent(f"command: {_shown(self.command)}"))
        if self.output:
            lines = self.output.strip().splitlines()[-_LAST_LINES:]
            parts.append(_indent("\n".join(_cut(line) for line in lines), "  | "))
        if self.hint:
            parts.append(_indent(self.hint))
        return "\n".join(parts)


class EngineNotFound(DaggerAmlError):
    """No Dagger engine answered: exit code 1.

    :param attempts: the ways that were tried, each with why it led nowhere.
    """

    def __init__(self, message: str, *, attempts: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.attempts = attempts


class RegistryDenied(DaggerAmlError):
    """The registry answered 401 or 403: exit code 1."""


class TransientError(DaggerAmlError):
    """An engine or a registry was gone, unreachable or busy; the same call may go through later: exit code 75.

    :param after: seconds that the registry asks to wait before, 0 where it says nothing; None where this process
        need not try again.
    """

    exit_code = 75

    def __init__(
        self, message: str, *, location: str | None = None, hint: str | None = None, after: float | None = 0
    ) -> None:
        super().__init__(message, location=location, hint=hint)
        self.after = after


class EngineGone(TransientError):
    """The Dagger engine went away while it worked, or no longer knows the session: exit code 75.

    Nothing that goes through this session can help any more, so nothing is tried again in it.
    """


def _shown(command: tuple[str, ...]) -> str:
    """A command as a shell would take it, without the variables that ``/usr/bin/env`` sets before it."""
    words = list(command)
    if words[0] == "/usr/bin/env":
        words = words[1:]
        while words and "=" in words[0]:
            words.pop(0)
    import shlex

    from .text import short_word

    return shlex.join(map(short_word, words))


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"


def _indent(text: str | None, by: str = "  ") -> str:
    return "\n".join(by + line for line in (text or "").splitlines())


def first_of(group: BaseExceptionGroup[Any], kind: type[BaseException]) -> BaseException | None:
    """The first error of a kind in a group of them, however deep."""
    for each in group.exceptions:
        if isinstance(each, kind):
            return each
        if isinstance(each, BaseExceptionGroup):
            inner = first_of(each, kind)
            if inner:
                return inner
    return None


def own_error(error: BaseException) -> DaggerAmlError | None:
    """An error of ours, or the first of them in a group; None where it is neither."""
    found = first_of(error, DaggerAmlError) if isinstance(error, BaseExceptionGroup) else error
    return found if isinstance(found, DaggerAmlError) else None
