"""Trying again what is safe to repeat: asking a registry, pulling, pushing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from .errors import TryAgain
from .events import OnEvent, Said

T = TypeVar("T")

WAITS = (2.0, 4.0)
"""Seconds before the second try, and before the third and last."""

LONGEST = 30.0
"""Seconds that a registry may ask to wait; where it asks for more, nothing is tried again."""


async def tried(
    work: Callable[[], Awaitable[T]], on_event: OnEvent, *, enough: Callable[[], bool] = lambda: False
) -> T:
    """What ``work`` gives; where it raises :class:`~dagger_aml.errors.TryAgain`, after up to three tries.

    They are 2 and 4 seconds apart, or as far as the registry asks for (``Retry-After``), up to 30. An event tells
    each.

    :param enough: asked after a failure: whether it has been tried enough already.
    """
    for number, pause in enumerate(WAITS, 2):
        try:
            return await work()
        except TryAgain as error:
            wait = max(pause, error.after or 0)
            if error.after is None or wait > LONGEST or enough():
                raise
            on_event(Said(f"{error.what}; trying again in {wait:.0f} s ({number} of {len(WAITS) + 1})"))
        await anyio.sleep(wait)
    return await work()
