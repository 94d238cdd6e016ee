"""Waiting for a registry that says nothing: an engine waits for ever, and tells nobody."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import anyio

from ..errors import TryAgain
from ..events import Event, OnEvent, Said, Transferred
from .transfers import looking

TELL = 60.0
"""Seconds without news after which the progress says so, again and again."""

SMALL = 60.0
"""Seconds that a question to a registry may take, for a tag's digest and an image's config."""

LARGE = 4 * 3600.0
"""Seconds in which something must move while layers are pulled or pushed. The engine tells of a layer only when it is
through, and of the base's not even that, so this is what a slow line needs for the largest."""


@contextlib.asynccontextmanager
async def patient(where: str, longest: float, on_event: OnEvent) -> AsyncIterator[OnEvent]:
    """Give a callback that passes events on; where none of them tells of moved bytes for too long, end the block.

    :param where: the step, for messages.
    :param longest: seconds.
    :raises TryAgain: nothing moved for so long.
    """
    since = begun = time.monotonic()

    def passed(event: Event) -> None:
        nonlocal since, begun
        if isinstance(event, Transferred):
            since = begun = time.monotonic()
        on_event(event)

    def look() -> None:
        nonlocal since
        now = time.monotonic()
        if now - begun > longest:
            scope.cancel()
        elif now - since > TELL:
            since = now
            on_event(Said(f"{where}: nothing from the registry for {now - begun:.0f} s; still waiting"))

    with anyio.CancelScope() as scope:
        async with looking(look):
            yield passed
    if scope.cancelled_caught:
        raise TryAgain(
            f"the registry does not answer: nothing came for {longest:.0f} s",
            where=where,
            do="Look whether the builder reaches it, then run the same command again; finished steps are cached.",
            after=None,
        )
