"""What is told while an image is written directly."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from ...errors import DaggerAmlError
from ...events import Event, Message, OnEvent, Transferred
from ...text import named
from .beneath import Beneath
from .earlier import Earlier
from .note import KEY_VARIABLE, Mark, mark_of, plain_note, told_mark

_SAME_SECONDS = 1.5
"""Within which the same message is said once: layers that are sent at once meet the same trouble."""


def said_once(on_event: OnEvent) -> OnEvent:
    """A callback that is told a message once, however many say it at about the same time."""
    last: dict[str, float] = {}
    lock = threading.Lock()

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            now = time.monotonic()
            with lock:
                again = now - last.get(event.text, -_SAME_SECONDS) < _SAME_SECONDS
                last[event.text] = now
            if again:
                return
        on_event(event)

    return tell


class WhatRan:
    """Tells of a builder what concerns people while it hands over what ran: no file of ours, but how far it is."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self.handed_over = False

    def __call__(self, event: Event) -> None:
        """Tell it, or don't."""
        if not self.handed_over:
            self._on_event(event)
        elif isinstance(event, Transferred):
            self._on_event(Transferred(event.kind, "what ran", event.done, event.total))
        elif not isinstance(event, Message):
            self._on_event(event)


def why_not_taken(key: str, beneath: Beneath, image: Earlier) -> str:
    """Why what ran is not taken from an image that a tag names; empty where there is nothing to tell.

    :param key: the runtime key of what is wanted.
    """
    if image.at is None:
        return ""
    note = plain_note(image.config)
    if note is None or note.runtime is None:
        return ""
    mark = mark_of(image.config, image.layers, beneath.base)
    if note.base != beneath.digest:
        why = "its base is another"
    elif note.runtime.key != key:
        why = "it ran other commands, or on other files"
    elif mark != "right":
        why = _MARKS[mark]
    else:
        return ""
    return f"what ran is not taken from {image.at}: {why}"


def why_unmarked(labels: Mapping[str, str]) -> str:
    """Why the key has what ran not taken from an image with these labels; empty where they tell of no reason."""
    config = {"config": {"Labels": labels}}
    note, mark = plain_note(config), told_mark(config)
    if note is None or note.runtime is None or mark == "right":
        return ""
    return f"what ran is not taken: {_MARKS[mark]}"


_MARKS: dict[Mark, str] = {
    "missing": f"it has no mark of a ${KEY_VARIABLE}",
    "wrong": f"its mark is not that of ${KEY_VARIABLE}",
    "no key": f"${KEY_VARIABLE} is empty, and then nothing is taken",
}


def how_to_keep() -> str:
    """What makes the next build fast where no tag names an image yet, and no repository for what ran is named."""
    return (
        "another machine will run the commands again for another tag; to keep what they made for it, add "
        f"{named('cache_to', 'REPOSITORY')}"
    )


def add_hint(error: DaggerAmlError, *, before: str = "", after: str = "") -> None:
    """Add lines to what an error says is to be done."""
    error.hint = "\n".join(text for text in (before, error.hint, after) if text)
