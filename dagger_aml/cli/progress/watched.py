"""Progress for a person who watches: what has ended stands above what moves."""

from __future__ import annotations

from ...events import Event, Message, OpDone, OpStarted, Transferred
from .live import FOOT, LiveDisplay
from .overall import Standing
from .plain import Plain, PlainOf
from .view import View
from .words import is_over, moved, titled

_ONE = ""
"""The name of the row that moves where one project is built."""


class WatchedOf(PlainOf):
    """The same above the lines that move, one of which is the project's."""

    def __init__(self, project: str, display: LiveDisplay) -> None:
        super().__init__(project)
        self._display = display

    def show(self, event: Event) -> None:
        super().show(event)
        if isinstance(event, Message):
            self._put(event.text, anew=True)

    def started(self, event: OpStarted) -> None:
        self._put(titled(event), anew=True)

    def done(self, event: OpDone) -> None:
        self.stop()
        super().done(event)

    def transferred(self, event: Transferred) -> None:
        if is_over(event):
            super().transferred(event)
        else:
            self._put(f"{event.name}: {moved(event)}")

    def stop(self) -> None:
        self._display.drop(self.project)

    def _put(self, text: str, *, anew: bool = False) -> None:
        self._display.put(self.project, f"{self.project}: {text}", anew=anew)

    def line(self, text: str) -> None:
        for each in text.splitlines():
            self._display.above(f"{self.project}: {each}")


class Watched(Plain):
    """One line that moves, for what goes on; what has ended stands above it."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[OpStarted] = []
        self._display = LiveDisplay()

    def of(self, project: str) -> View:
        return WatchedOf(project, self._display)

    def overall(self, standing: Standing, *, ended: bool) -> None:
        self._display.put(FOOT, standing.text)

    def started(self, event: OpStarted) -> None:
        self._open.append(event)
        self._display.put(_ONE, titled(event), anew=True)

    def done(self, event: OpDone) -> None:
        self._open = [each for each in self._open if (each.name, each.number) != (event.name, event.number)]
        super().done(event)
        if self._open:
            self._display.put(_ONE, titled(self._open[-1]), anew=True)

    def transferred(self, event: Transferred) -> None:
        if is_over(event):
            super().transferred(event)
        elif event.kind == "sent" and self._open and self._open[-1].name == event.name:
            self._display.put(_ONE, f"{titled(self._open[-1])}  {moved(event)}")
        else:
            self._display.put(_ONE, f"{event.name}: {moved(event)}")

    def stop(self) -> None:
        self._display.stop()

    def line(self, text: str) -> None:
        self._display.drop(_ONE)
        self._display.above(text)
