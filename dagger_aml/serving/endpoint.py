"""A served image: where it answers, what it printed, and waiting until it is ready."""

from __future__ import annotations

import time
from typing import Any

import anyio
from attrs import field

from ..data import define
from .http import JSON_TYPE, Ask, Scored, as_body
from .log import Log

PAUSE = 0.1
"""Seconds between two questions to a server that is not up yet."""

_SETTLED, _MOST_PAUSES = 0.4, 10

_MOST_LATE = 40
"""Pauses in which what a server says of a request comes after its answer: a busy engine brings it a second late."""


@define
class Endpoint:
    """A served image that answers.

    :param url: where it does, without a trailing slash; a name of the container where it has no network.
    :param by: ``dagger``, ``docker``, ``podman`` or ``local``.
    :param log: what it printed.
    :param uid: number of the user that it runs as, or None where it was not asked.
    :param container: its name, with docker and podman.
    :param ready_seconds: from the start of the container to the first 200 of ``GET /``.
    """

    url: str
    by: str
    request: Ask = field(repr=False)
    log: Log = field(repr=False)
    uid: int | None = None
    ready_seconds: float = 0.0
    container: str = ""
    _answered: int = field(default=0, init=False, repr=False, eq=False)

    async def score(self, data: Any, *, content_type: str = JSON_TYPE, within: float = 60) -> Scored:
        """``POST /score``.

        :param data: bytes or text as they are, anything else as JSON.
        :param within: seconds.
        """
        scored = await self.request("POST", "/score", as_body(data), content_type=content_type, within=within)
        self._answered += bool(scored.status)
        return scored

    async def healthy(self, *, within: float = 10) -> bool:
        """Whether ``GET /`` answers 200."""
        return (await self.request("GET", "/", within=within)).status == 200

    async def settled(self) -> list[str]:
        """The lines that it printed, once what it says of each answered request has come, and no more for a moment.

        They travel slower than an answer. For a server that says nothing of requests they are waited for in vain.
        """
        for _ in range(_MOST_LATE):
            if self.log.posts >= self._answered or self.log.ended.is_set():
                break
            await anyio.sleep(PAUSE)
        for _ in range(_MOST_PAUSES):
            before = self.log.count
            await anyio.sleep(_SETTLED)
            if self.log.count == before:
                break
        return list(self.log.lines)

    def logs(self) -> str:
        """All that the image printed so far (its last 50,000 lines)."""
        return self.log.text


async def wait_until_ready(endpoint: Endpoint, begun: float, within: float) -> bool:
    """Ask ``GET /`` until it gives 200; False when the server ended, or was not ready in time.

    The request hangs while ``init()`` runs, and nginx gives 502 before that. A server that ends stops the
    wait at once.

    :param begun: ``time.monotonic()`` of the start.
    :param within: seconds from then.
    """
    ready = False
    with anyio.move_on_after(begun + within - time.monotonic()):
        async with anyio.create_task_group() as tasks:

            async def stop_at(event: anyio.Event) -> None:
                await event.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(stop_at, endpoint.log.ended)
            tasks.start_soon(stop_at, endpoint.log.dying)
            while not ready:
                ready = (await endpoint.request("GET", "/", within=within)).status == 200
                if not ready:
                    await anyio.sleep(PAUSE)
            tasks.cancel_scope.cancel()
    endpoint.ready_seconds = time.monotonic() - begun
    return ready
