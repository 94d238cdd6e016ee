"""What commands that show no progress say while they wait."""

from __future__ import annotations

from ..events import Event, Message, OnEvent
from .console import tell


def told_of_waits() -> OnEvent:
    """Tells on standard error that a registry is asked again, each line once."""
    said: set[str] = set()

    def on_event(event: Event) -> None:
        if isinstance(event, Message) and event.text not in said:
            said.add(event.text)
            tell(event.text)

    return on_event
