"""The events of a build on an engine, in their order, though its spans come a little later than its answers."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

import anyio
from attrs import evolve, field

from ...data import define, frozen
from ...events import Event, OnEvent, OpDone, OpStarted, Transferred
from ...policy import DEFAULT, Policy
from ...tasks import looking
from .spans import Spans, Work


@frozen
class _Ending:
    """The end of a step, which waits for the spans that tell how it went.

    :param since: when the engine had answered, by the monotonic clock.
    """

    event: OpDone
    work: Work | None
    call: str
    since: float = field(factory=time.monotonic)

    def is_known(self, policy: Policy) -> bool:
        if self.work is None or self.work.finished(self.call):
            return True
        waited = time.monotonic() - self.since
        repeats = self.work.repeats(self.call)
        return waited > (policy.span_silence_seconds if repeats else policy.span_deadline_seconds)

    def told(self) -> OpDone:
        if self.work is None:
            return self.event
        seconds = self.work.seconds
        return evolve(
            self.event,
            seconds=self.event.seconds if seconds is None else seconds,
            cached=self.work.cached(self.call),
        )


@define
class Timeline:
    """Passes on the events of one build.

    :param spans: of the engine's session; None where they are not to be had.
    """

    on_event: OnEvent
    spans: Spans | None = None
    policy: Policy = DEFAULT
    _waiting: deque[Event | _Ending] = field(factory=deque, init=False)

    def tell(self, event: Event) -> None:
        """Pass an event on, after those that wait."""
        self._waiting.append(event)
        self._flush()

    @contextlib.asynccontextmanager
    async def op(
        self, name: str, number: int, total: int, *, call: str, sent: Callable[[], Transferred | None] = lambda: None
    ) -> AsyncIterator[None]:
        """A step, which the block carries out.

        :param call: what makes its layer, as spans call it: ``Container.withExec``.
        :param sent: asked again and again how far its files have been sent.
        """
        self.tell(OpStarted(name, number, total))
        begun = time.monotonic()

        def look() -> None:
            event = sent()
            if event:
                self._waiting.append(event)
            self._flush()

        work = self.spans.work() if self.spans else None
        try:
            with work.asking() if work else contextlib.nullcontext():
                async with looking(look):
                    yield
        except BaseException:
            self._flush(force=True)
            raise
        self._waiting.append(_Ending(OpDone(name, number, total, time.monotonic() - begun), work, call))
        self._flush()

    async def settle(self) -> None:
        """Wait until every event is passed on; for spans not longer than the policy says."""
        self._flush()
        while self._waiting:
            await anyio.sleep(0.02)
            self._flush()

    def _flush(self, *, force: bool = False) -> None:
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, _Ending):
                if not (force or first.is_known(self.policy)):
                    return
                if self.spans and first.work:
                    self.spans.forget(first.work)
            self._waiting.popleft()
            self.on_event(first.told() if isinstance(first, _Ending) else first)


@contextlib.asynccontextmanager
async def pushing(
    reference: str, spans: Spans | None, on_event: OnEvent, policy: Policy = DEFAULT
) -> AsyncIterator[None]:
    """Tell how much of a push the registry has taken, layer by layer, while the block runs and after it.

    Nothing where there are no spans. What the registry has already is not sent, and so not counted.
    """
    if spans is None:
        yield
        return
    work, told = spans.work(), 0

    def look() -> None:
        nonlocal told
        if work.pushed > told:
            told = work.pushed
            on_event(Transferred("pushed", reference, told))

    on_event(Transferred("pushed", reference, 0))
    try:
        with work.asking():
            async with looking(look):
                yield
        for _ in range(50):
            if work.ended("Container.publish"):
                break
            await anyio.sleep(policy.span_deadline_seconds / 50)
    finally:
        spans.forget(work)
    on_event(Transferred("pushed", reference, work.pushed, work.pushed))
