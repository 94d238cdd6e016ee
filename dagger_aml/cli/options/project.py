"""The flags of a project's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ...project.settings import PROJECT_SETTINGS
from ..sections import ProjectOption
from .completed import completed
from .types import Given

Command = Callable[..., Any]


def project_options(function: Command, *, only: tuple[str, ...] = (), argument: bool = True) -> Command:
    """Add PROJECT and a flag for each setting of scope ``project``, or for some of them.

    :param argument: False for a command that takes more than projects.
    """
    for record in reversed([each for each in PROJECT_SETTINGS.values() if not only or each.name in only]):
        text = record.help + (" May be given several times." if record.repeatable else "")
        alone: dict[str, Any] = {"is_flag": True, "default": None} if record.type == bool | None else {}
        function = click.option(
            str(record.flag),
            cls=ProjectOption,
            shell_complete=completed(record),
            multiple=record.repeatable,
            metavar=record.metavar,
            help=text + (f" [env: {record.variable}]" if record.variable else ""),
            **alone,
        )(function)
    return click.argument("project", default=".", type=Given())(function) if argument else function
