"""The blocking client, asked by async code: in a thread, as often as the policy says, and ended with its task."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import anyio

from ..errors import TransientError
from ..events import OnEvent
from ..policy import retry
from .exchange import Exchange
from .messages import LATER

T = TypeVar("T")


async def ask(
    client: Exchange,
    work: Callable[[], T],
    on_event: OnEvent,
    *,
    timeout_seconds: float = math.inf,
    host: str = "",
    location: str | None = None,
) -> T:
    """What a question of a client gives; asked again where that may help (:func:`~dagger_aml.policy.retry`).

    Where this task is cancelled, or a try takes too long, all of the client's connections are closed, so that the
    thread ends too.

    :param timeout_seconds: for each try to be over; where one takes longer, none follows.
    :param host: of the registry, and :param location: what is asked about, for that message.
    :raises TransientError: of the last try. What else the question raises comes out as it is.
    """

    async def once() -> T:
        with anyio.move_on_after(timeout_seconds):
            try:
                return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
            except anyio.get_cancelled_exc_class():
                client.cancel()
                raise
        problem = f"the registry {host} does not answer within {timeout_seconds:.0f} s"
        raise TransientError(problem, location=location, hint=LATER, after=None)

    return await retry(once, on_event, client.policy)
