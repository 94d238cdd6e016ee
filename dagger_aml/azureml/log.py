"""What a package tells while it is made, line by line: kept for ``get_logs``, and printed where that is wanted."""

from __future__ import annotations

from collections.abc import Callable

from ..events import Event, Message, OpDone, OpStarted, Output, RanBefore, Transferred, Warned


def tell(line: str) -> None:
    """Print a line, as SDK v1's own methods do where a script asks for output; nothing else here prints."""
    print(line, flush=True)


class Log:
    """Lines, in order.

    :param named: what to make of each.
    :ivar shown: whether each is printed as it comes.
    """

    def __init__(self, named: Callable[[str], str]) -> None:
        self.lines: list[str] = []
        self.named = named
        self.shown = False

    def add(self, line: str) -> None:
        """Keep a line."""
        line = self.named(line)
        self.lines.append(line)
        if self.shown:
            tell(line)

    def on_event(self, event: Event) -> None:
        """Keep what a builder tells."""
        if isinstance(event, OpStarted):
            self.add(f"[{event.number}/{event.total}] {event.name} ...")
        elif isinstance(event, OpDone):
            how = "cached" if event.cached else f"{event.seconds:.1f} s"
            self.add(f"[{event.number}/{event.total}] {event.name}  {how}")
        elif isinstance(event, Output):
            self.add(f"  | {event.text}")
        elif isinstance(event, Message):
            self.add(event.text)
        elif isinstance(event, Warned):
            self.add(event.finding.titled)
        elif isinstance(event, RanBefore) and event.taken:
            self.add(f"What ran before is taken from {event.place}.")
        elif isinstance(event, Transferred) and event.total is not None and event.done >= event.total:
            self.add(f"{event.name}: {event.done} bytes {event.kind}")

    @property
    def text(self) -> str:
        """All lines."""
        return "".join(f"{line}\n" for line in self.lines)
