"""No progress at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...backends.result import Result
    from ...errors import DaggerAmlError
    from ...events import Event, OpDone
    from ...finding import Finding
    from .overall import Standing
    from .view import View


class Quiet:
    """Shows nothing."""

    def of(self, _: str) -> View:
        return self

    def failed(self, _: DaggerAmlError, __: float) -> None:
        """Nothing."""

    def overall(self, standing: Standing, *, ended: bool) -> None:
        """Nothing."""

    def show(self, event: Event) -> None:
        """Nothing."""

    def warn(self, found: Finding) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing moves."""

    def finish(self, result: Result, ops: list[OpDone]) -> None:
        """Nothing."""
