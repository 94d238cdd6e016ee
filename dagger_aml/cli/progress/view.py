"""What each way of showing a build has to do."""

from __future__ import annotations

from typing import Protocol

from ...backends.result import Result
from ...errors import DaggerAmlError
from ...events import Event, OpDone
from ...finding import Finding
from .overall import Standing


class View(Protocol):
    def of(self, project: str) -> View: ...

    def failed(self, error: DaggerAmlError, seconds: float) -> None: ...

    def overall(self, standing: Standing, *, ended: bool) -> None:
        """Show how far several projects are.

        :param ended: whether one of them has just ended.
        """
        ...

    def show(self, event: Event) -> None: ...

    def warn(self, found: Finding) -> None: ...

    def stop(self) -> None: ...

    def finish(self, result: Result, ops: list[OpDone]) -> None: ...
