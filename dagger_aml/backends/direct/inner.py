"""The builder that runs what must run, opened when it is first needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
from anyio.abc import TaskGroup, TaskStatus

from ...data import frozen
from ...events import OnEvent
from ..base import Builder, Capabilities, Kind, Opening


class Inner(Protocol):
    """The builder behind ours."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        ...

    @property
    def opened(self) -> Builder | None:
        """It, where it was needed already."""
        ...

    async def builder(self) -> Builder:
        """It, opened where it was not needed before.

        :raises DaggerAmlError: it is not there, or does not answer.
        """
        ...


@frozen
class Opened:
    """A builder that is open already, and ends elsewhere."""

    opened: Builder

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        return self.opened.capabilities

    async def builder(self) -> Builder:
        """The builder."""
        return self.opened


class Lazy:
    """A builder that is opened at most once, by whoever needs it first, and ends with the block it was made for.

    :param kind: what ``--with`` names.
    """

    def __init__(self, kind: Kind, opening: Opening, on_event: OnEvent, tasks: TaskGroup) -> None:
        self.capabilities: Capabilities = kind.capabilities
        self._kind = kind
        self._opening = opening
        self._on_event = on_event
        self._tasks = tasks
        self._lock = anyio.Lock()
        self._ended = anyio.Event()
        self.opened: Builder | None = None

    async def builder(self) -> Builder:
        """The builder.

        :raises DaggerAmlError: it is not there, or does not answer.
        """
        async with self._lock:
            if self.opened is None:
                # In a task of its own, since it must end in the task in which it began, and many may need it.
                self.opened = await self._tasks.start(self._hold)
        return self.opened

    async def _hold(self, *, task_status: TaskStatus[Builder]) -> None:
        async with self._kind.opened(self._opening, self._on_event) as builder:
            task_status.started(builder)
            await self._ended.wait()

    def end(self) -> None:
        """Nothing more is asked of it."""
        self._ended.set()


@asynccontextmanager
async def lazily(kind: Kind, opening: Opening, on_event: OnEvent) -> AsyncIterator[Lazy]:
    """A builder that is opened when it is asked for; the block's own error comes out as it is, in no group."""
    failed: Exception | None = None
    async with anyio.create_task_group() as tasks:
        inner = Lazy(kind, opening, on_event, tasks)
        try:
            yield inner
        except Exception as error:
            failed = error
        inner.end()
    if failed:
        raise failed
