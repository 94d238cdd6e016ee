"""Talking to a registry through a builder: builders wait for ever, tell nobody, and say it in their own words."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

import anyio

from ..data import frozen
from ..errors import BuildError, DaggerAmlError, EngineGone, TransientError
from ..events import Event, Message, OnEvent, Transferred, ignore
from ..oci.messages import Peer
from ..policy import DEFAULT, Policy, retry
from ..tasks import looking

T = TypeVar("T")

News = Callable[[], None]
"""To be called whenever something has come: an idle timeout begins anew."""


def redact_logins(text: str) -> str:
    """A message without the users and passwords of its URLs, such as a proxy's.

    Unlike :func:`~dagger_aml.text.redact_urls` it ends a login at the first slash: ``docker://host/name@sha256:…`` is
    what builders print of images, and stays whole.
    """
    return re.sub(r"(?<=://)[^\s/@]*@", "***@", text)


async def _always() -> EngineGone | None:
    return None


@frozen
class Conversation:
    """One thing that is wanted of a registry, through a builder.

    :param on_event: told of each try after the first, and of silence.
    :param translate: what an error of the builder's own means; None where it is none of those, which then comes out.
    :param gone: why the builder cannot be reached any more, where it cannot: asked once something failed.
    :param redact: what is done to a message before anybody sees it.
    """

    peer: Peer
    policy: Policy = DEFAULT
    on_event: OnEvent = ignore
    translate: Callable[[Exception], DaggerAmlError | None] = lambda _: None
    gone: Callable[[], Awaitable[EngineGone | None]] = _always
    redact: Callable[[str], str] = redact_logins

    async def call(self, work: Callable[[News], Awaitable[T]], *, idle_timeout_seconds: float) -> T:
        """What ``work`` gives: tried again where that may help, each try ended where nothing moves, in our words.

        :param work: does all of it anew each time, and calls what it is given whenever something has come.
        :param idle_timeout_seconds: of each try, without news.
        :raises EngineGone: the builder went away; nothing is tried again.
        :raises TransientError: unreachable or busy, to the end; or silent, which one try shows.
        """

        async def once() -> T:
            try:
                async with self._stall(idle_timeout_seconds) as news:
                    with self._translated():
                        return await work(news)
            except EngineGone:
                raise
            except DaggerAmlError:
                gone = await self.gone()
                if gone:
                    raise gone from None
                raise

        return await retry(once, self.on_event, self.policy)

    def moving(self, news: News) -> OnEvent:
        """A callback that passes events on, and takes those of moved bytes for news."""

        def passed(event: Event) -> None:
            if isinstance(event, Transferred):
                news()
            self.on_event(event)

        return passed

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DaggerAmlError:
            raise
        except Exception as error:
            ours = self.translate(error)
            if ours is None:
                raise
            ours.message = self.redact(ours.message)
            if isinstance(ours, BuildError):
                ours.output = self.redact(ours.output)
            raise ours from None

    @contextlib.asynccontextmanager
    async def _stall(self, idle_timeout_seconds: float) -> AsyncIterator[News]:
        """End the block where there is no news for too long; say so before.

        :raises TransientError: no data received for so long.
        """
        location, notice_after = self.peer.location, self.policy.stall_notice_after_seconds
        told = moved = time.monotonic()

        def news() -> None:
            nonlocal told, moved
            told = moved = time.monotonic()

        def look() -> None:
            nonlocal told
            now = time.monotonic()
            if now - moved > idle_timeout_seconds:
                scope.cancel()
            elif now - told > notice_after:
                told = now
                self.on_event(
                    Message(f"{location}: no data from the registry for {now - moved:.0f} s; still waiting")
                )

        with anyio.CancelScope() as scope:
            async with looking(look):
                yield news
        if scope.cancelled_caught:
            raise TransientError(
                f"the registry does not answer: no data received for {idle_timeout_seconds:.0f} s",
                location=location,
                hint="Check that the builder can reach the registry, then run the same command again. Finished "
                "steps are cached.",
                after=None,
            )
