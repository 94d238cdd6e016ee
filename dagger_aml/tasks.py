"""Work that goes on beside a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio

_AGAIN = 0.2
"""Seconds between two looks."""


@asynccontextmanager
async def background_task(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run something while the block runs, and stop it then. The block's own error comes out as it is, in no group."""
    failed: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        try:
            yield
        except Exception as error:
            failed = error
        tasks.cancel_scope.cancel()
    if failed:
        raise failed


@asynccontextmanager
async def looking(look: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``look`` every 0.2 s while the block runs. The block's errors come out as they are, not in a group."""

    async def again() -> None:
        while True:
            await anyio.sleep(_AGAIN)
            look()

    async with background_task(again):
        yield
