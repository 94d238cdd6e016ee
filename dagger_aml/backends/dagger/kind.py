"""How a Dagger engine is opened; importing this does not import dagger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...data import frozen
from ...events import OnEvent, ignore
from ..base import Builder, Capabilities, Opening
from .capabilities import CAPABILITIES


@frozen
class _Dagger:
    """The kind of builder that a connected engine is."""

    capabilities: Capabilities = CAPABILITIES

    @asynccontextmanager
    async def opened(self, opening: Opening, on_event: OnEvent) -> AsyncIterator[Builder]:
        """Connect; see :func:`dagger_aml.connect`."""
        from .connect import connect

        async with connect(
            engine=opening.engine,
            engine_timeout=opening.engine_timeout,
            no_cache=opening.no_cache,
            on_event=ignore if opening.quiet else on_event,
            policy=opening.policy,
        ) as engine:
            yield engine

    def check_serves(self) -> None:
        """It does."""


KIND = _Dagger()
