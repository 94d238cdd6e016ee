"""Waiting for a registry that says nothing: builders wait for ever, and tell nobody."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable

import anyio

from ..errors import TryAgain
from ..events import Event, OnEvent, Said, Transferred
from .transfers import looking

TELL = 60.0
"""Seconds without news after which the progress says so, again and again."""

SMALL = 60.0
"""Seconds that a question to a registry may take, for a tag's digest and an image's config."""

LARGE = 4 * 3600.0
"""Seconds in which something must move while layers are pulled or pushed. Builders tell of a layer only when it is
through, and the engine of the base's not even that, so this is what a slow line needs for the largest."""

News = Callable[[], None]
"""To be called whenever something has come."""


@contextlib.asynccontextmanager
async def patient(where: str, longest: float, on_event: OnEvent) -> AsyncIterator[News]:
    """End the block where there is no news for too long.

    :param where: the step, for messages.
    :param longest: seconds.
    :raises TryAgain: nothing came for so long.
    """
    since = begun = time.monotonic()

    def news() -> None:
        nonlocal since, begun
        since = begun = time.monotonic()

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
            yield news
    if scope.cancelled_caught:
        raise TryAgain(
            f"the registry does not answer: nothing came for {longest:.0f} s",
            where=where,
            do="Look whether the builder reaches it, then run the same command again; finished steps are cached.",
            after=None,
        )


def moving(on_event: OnEvent, news: News) -> OnEvent:
    """A callback that passes events on, and takes those of moved bytes for news."""

    def passed(event: Event) -> None:
        if isinstance(event, Transferred):
            news()
        on_event(event)

    return passed
