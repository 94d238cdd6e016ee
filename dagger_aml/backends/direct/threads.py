"""Calls of a client whose methods block, from async code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ...data import frozen
from ...events import OnEvent
from ...oci.asking import ask
from ...oci.push import PushClient

T = TypeVar("T")


@frozen
class Calls:
    """Calls of one client.

    :param on_event: told of each try after the first.
    """

    client: PushClient
    on_event: OnEvent

    async def call(self, work: Callable[..., T], *args: object) -> T:
        """What some work gives, in a thread; done anew where a registry is busy or cannot be reached for a moment.

        Raises what the work raises, and as :func:`~dagger_aml.oci.asking.ask`.
        """
        return await ask(self.client, partial(work, *args), self.on_event)
