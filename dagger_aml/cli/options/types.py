"""What flags and arguments take, with errors in plain words where click has those of mathematics."""

from __future__ import annotations

import math
from typing import Any

import click

from ...errors import UsageError
from ...project.setting import truth_of


class Whole(click.IntRange):
    """A whole number, of at least so much."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number. :raises click.BadParameter: it is none, or less."""
        try:
            made: int = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number of at least {self.min}.", param, ctx)
        return made


class Number(click.FloatRange):
    """A number, of at least so much; ``inf`` and ``nan``, which Python takes for some, are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number. :raises click.BadParameter: it is none, or less."""
        try:
            made: float = super().convert(value, param, ctx)
        except click.BadParameter:
            made = math.nan
        if not math.isfinite(made):
            self.fail(f"{value!r} is not a number of at least {self.min:g}.", param, ctx)
        return made


class Truth(click.types.BoolParamType):
    """True or false, in the words that a project's settings take."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        """Which. :raises click.BadParameter: neither."""
        try:
            return truth_of(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Given(click.Path):
    """A path, or another name of what a command is about. An empty one is what a script has of a variable that nobody
    set, and would be the current folder."""

    def __init__(self) -> None:
        super().__init__(readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name. :raises UsageError: it is empty."""
        if value in ("", b""):
            what = (param.metavar or param.human_readable_name) if param else "PROJECT"
            raise UsageError(
                "is empty",
                location=what.strip("[].") or what,
                hint="Name what is meant; the current folder is `.`. Is a variable of your script not set?",
            )
        return super().convert(value, param, ctx)
