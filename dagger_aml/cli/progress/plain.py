"""Progress as lines of text, for a log or a terminal that cannot move its cursor."""

from __future__ import annotations

import sys
import time

import click

from ...backends.result import Result
from ...errors import DaggerAmlError
from ...events import Event, Message, OpDone, OpStarted, Output, RanBefore, Transferred
from ...finding import Finding
from ..console import printable
from .overall import Standing
from .view import View
from .words import is_over, moved, ran_before, summary, took

_SELDOM = 5.0
"""Seconds between two lines about one transfer where nobody watches."""


class Plain:
    """A line for what begins and a line for what ends, and now and then one for what moves; no control codes."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def of(self, project: str) -> View:
        return PlainOf(project)

    def failed(self, error: DaggerAmlError, seconds: float) -> None:
        self.line(f"failed after {seconds:.1f} s: {str(error).splitlines()[0]}")

    def overall(self, standing: Standing, *, ended: bool) -> None:
        if ended:
            self.line(f"after {standing.seconds:.1f} s: {standing.text}")

    def show(self, event: Event) -> None:
        if isinstance(event, OpStarted):
            self.started(event)
        elif isinstance(event, OpDone):
            self.done(event)
        elif isinstance(event, Transferred):
            self.transferred(event)
        elif isinstance(event, Message):
            self.line(event.text)
        elif isinstance(event, RanBefore):
            self.line(ran_before(event))
        elif isinstance(event, Output):
            self.line(f"  | {event.text}")

    def warn(self, found: Finding) -> None:
        self.line(f"dagger-aml: {found.titled}")

    def started(self, event: OpStarted) -> None:
        self.line(f"[{event.number}/{event.total}] {event.name} ...")

    def done(self, event: OpDone) -> None:
        self.line(f"[{event.number}/{event.total}] {event.name}  {took(event)}")

    def transferred(self, event: Transferred) -> None:
        now = time.monotonic()
        last = self._told.setdefault(event.name, now)
        if is_over(event) or now - last >= _SELDOM:
            self._told[event.name] = now
            self.line(f"{event.name}: {moved(event)}")

    def stop(self) -> None:
        """Nothing moves."""

    def finish(self, result: Result, ops: list[OpDone]) -> None:
        for line in summary(result, ops):
            self.line(line)

    def line(self, text: str) -> None:
        click.echo(printable(text, sys.stderr), err=True)


class PlainOf(Plain):
    """The lines of one project of several, each with its name before it; of the summary the first line alone."""

    def __init__(self, project: str) -> None:
        super().__init__()
        self.project = project

    def warn(self, found: Finding) -> None:
        self.line(found.titled)

    def finish(self, result: Result, ops: list[OpDone]) -> None:
        for line in summary(result, ops)[:1]:
            self.line(line.rstrip(":"))

    def line(self, text: str) -> None:
        for each in text.splitlines():
            super().line(f"{self.project}: {each}")
