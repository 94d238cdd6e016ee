"""Trying a push again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ..errors import TryAgain
from ..events import OnEvent, Said

T = TypeVar("T")

_TRIES = 3


async def tried(
    push: Callable[[], Awaitable[T]], on_event: OnEvent, *, enough: Callable[[], bool] = lambda: False
) -> T:
    """What ``push`` gives; where it raises :class:`~dagger_aml.errors.TryAgain`, after up to three tries, 2 and 4
    seconds apart.

    :param enough: asked after a failure: whether the push has been tried enough already.
    """
    for attempt in range(1, _TRIES):
        try:
            return await push()
        except TryAgain as error:
            if enough():
                raise
            on_event(Said(f"{error.what}; trying again ({attempt + 1} of {_TRIES})"))
        await anyio.sleep(2**attempt)
    return await push()
