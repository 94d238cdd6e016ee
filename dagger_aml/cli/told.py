"""What ``build --json`` prints: one entry for each project, also of those that failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

import click

from ..backends.result import Result
from ..building.metadata import report
from ..errors import DaggerAmlError, own_error

_SCHEMA = 1
"""Number of the form, raised when it changes its meaning."""


OnOutcome = Callable[[str, str | None, Result | None, DaggerAmlError | None], None]
"""Told of the folder of a project, its name, and what came of it: nothing of one that was not begun."""


class ToldAs(Enum):
    """How what came of several projects is told at their end."""

    TABLE = "table"
    DIGESTS = "digests"
    JSON = "json"


def entry(folder: str, name: str | None, result: Result) -> dict[str, Any]:
    """The entry of a project that was built."""
    return {"folder": folder, "name": name, "error": None, **report(result)}


def failed_entry(
    folder: str, name: str | None, error: DaggerAmlError | None, seconds: float | None
) -> dict[str, Any]:
    """The entry of a project that was not built.

    :param error: None where it was not its turn yet, or it was stopped.
    """
    from .progress.as_json import error_parts

    said = error_parts(error) if error else None
    return {"folder": folder, "name": name, "error": said, "pushed": False, "seconds": seconds}


def report_text(entries: Sequence[dict[str, Any]]) -> str:
    """The document."""
    return json.dumps({"schema": _SCHEMA, "projects": entries}, indent=2)


@contextmanager
def reported(folder: str) -> Iterator[None]:
    """Print the entry of the one project where the block fails, and let the error go on."""
    try:
        yield
    except (DaggerAmlError, BaseExceptionGroup) as error:
        ours = own_error(error)
        if ours:
            click.echo(report_text([failed_entry(folder, None, ours, None)]))
        raise
