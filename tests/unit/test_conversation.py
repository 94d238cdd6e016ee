"""A conversation with a registry through a builder: what ends a try, what is tried again, what is said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from attrs import evolve, fields

from dagger_aml import Policy
from dagger_aml.backends.conversation import Conversation, News
from dagger_aml.errors import BuildError, DaggerAmlError, EngineGone, TransientError
from dagger_aml.events import Event, Message, Transferred
from dagger_aml.oci.messages import Peer

pytestmark = pytest.mark.anyio

PEER = Peer("push", "h.example/x:1")
POLICY = Policy().scaled(1 / 100)
IDLE = POLICY.manifest_timeout_seconds
"""0.6 s."""

Work = Callable[[News], Awaitable[str]]


class Odd(Exception):
    """An error of a builder's own."""


class Talk:
    """A conversation, and what was told of it."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.told: list[Event] = []
        self.talk = Conversation(PEER, policy, self.told.append, self._meaning)

    def _meaning(self, error: Exception) -> DaggerAmlError | None:
        if not isinstance(error, Odd):
            return None
        kind = TransientError if "busy" in str(error) else BuildError
        return kind(str(error))

    async def call(self, work: Work, idle: float = IDLE) -> str:
        return await self.talk.call(work, idle_timeout_seconds=idle)

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.told if isinstance(event, Message)]


def slow(seconds: float, failures: int, says: str = "busy") -> tuple[Work, list[int]]:
    """Work that takes so long each time, and fails at first."""
    tries: list[int] = []

    async def work(_: News) -> str:
        tries.append(1)
        await anyio.sleep(seconds)
        if len(tries) <= failures:
            raise Odd(says)
        return "done"

    return work, tries


async def test_three_slow_tries_that_each_keep_their_time_go_through() -> None:
    """As where a builder waits out a 429 by itself, for 24 s in truth: together they take more than one may."""
    work, tries = slow(IDLE * 0.4, 2)
    found = Talk()
    assert await found.call(work) == "done" and len(tries) == 3
    assert found.said == [f"busy; retrying in 0 s ({number} of 3)" for number in (2, 3)]


async def test_three_slow_tries_that_fail_are_told_as_what_they_were() -> None:
    work, tries = slow(IDLE * 0.4, 3)
    with pytest.raises(TransientError, match=r"\Abusy\Z"):
        await Talk().call(work)
    assert len(tries) == 3


async def test_silence_is_told_and_ends_the_one_try() -> None:
    work, tries = slow(60, 0)
    found = Talk(evolve(POLICY, stall_notice_after_seconds=0.5))
    with pytest.raises(TransientError, match=r"no data received for 1 s") as caught:
        await found.call(work, 1)
    assert (len(tries), caught.value.location, caught.value.exit_code) == (1, "push h.example/x:1", 75)
    assert found.said == ["push h.example/x:1: no data from the registry for 1 s; still waiting"]


async def test_an_idle_timeout_begins_anew_with_each_byte_that_moves() -> None:
    found = Talk()

    async def work(news: News) -> str:
        moved = found.talk.moving(news)
        for done in range(6):
            await anyio.sleep(IDLE * 0.3)
            moved(Transferred("pushed", "x", done))
        return "done"

    assert await found.call(work, IDLE * 0.9) == "done"
    assert len(found.told) == 6


async def test_a_builder_that_went_away_is_told_in_place_of_what_came_of_that() -> None:
    asked: list[int] = []

    async def gone() -> EngineGone | None:
        asked.append(1)
        return EngineGone("the engine went away", after=None) if len(asked) > 1 else None

    for says in ("busy", "refused"):
        found = Talk()
        found.talk = evolve(found.talk, gone=gone)
        asked.clear()
        work, tries = slow(0, 3, says)
        with pytest.raises(EngineGone if says == "busy" else BuildError):
            await found.call(work)
        assert (len(tries), len(asked)) == ((2, 2) if says == "busy" else (1, 1))


async def test_an_error_shows_no_login_and_an_unknown_one_comes_out() -> None:
    work, _ = slow(0, 1, "no way through http://me:hush@proxy.example:3128/ to docker://h.example/x@sha256:12")
    with pytest.raises(BuildError) as caught:
        await Talk().call(work)
    assert caught.value.message == "no way through http://***@proxy.example:3128/ to docker://h.example/x@sha256:12"

    async def unknown(_: News) -> str:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await Talk().call(unknown)


def test_a_policy_is_scaled_whole_or_in_part() -> None:
    half, one = Policy().scaled(0.5), Policy().scaled(0.5, "manifest_timeout_seconds")
    assert (half.manifest_timeout_seconds, half.retry_pauses_seconds) == (30, (1, 2))
    assert repr(one) == "Policy(manifest_timeout_seconds=30.0)" and repr(Policy()) == "Policy()"
    assert all(each.name.endswith("_seconds") for each in fields(Policy))
