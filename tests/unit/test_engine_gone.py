"""What is made of an engine's words when it has gone; how it goes is tried in test_engine_faults.py."""

from __future__ import annotations

import pytest

from dagger_aml import DaggerAmlError, EngineGone, TransientError
from dagger_aml.events import Event
from dagger_aml.policy import retry
from tests.support.calls import await_
from tests.support.cases import for_each


def _from_engine(location: str, said: str) -> DaggerAmlError:
    from dagger_aml.backends.dagger.errors import _from_engine as found  # Here, for it imports the engine's SDK.

    return found(location, said)


@for_each(
    "said",
    [
        "engine is shutting down",
        "engine is shutting down [traceparent:667292f1e0c99dddc381b92e23f25f7c-c5180678266ae496]",
        "waiting for client session attachables: context deadline exceeded",
        'session "fx2r" not found',
        'client "9bkj" not found',
        'session "fx2r" not initialized',
    ],
)
def test_an_engine_that_does_not_know_the_session_has_gone(said: str) -> None:
    error = _from_engine("apt", said)
    assert isinstance(error, EngineGone) and error.exit_code == 75
    assert (
        error.message == f"the connection to the Dagger engine was lost ({said.partition(' [')[0]})"
        and error.location == "apt"
    )


def test_what_a_command_prints_is_not_taken_for_the_engine_s_end() -> None:
    assert not isinstance(_from_engine("pip", 'failed: my session "x" not found'), TransientError)


def test_the_session_s_address_is_not_told() -> None:
    import dagger

    from dagger_aml.backends.dagger.errors import translated

    async def fail() -> None:
        async with translated("apt"):
            raise dagger.TransportError(
                "Unexpected response from engine: Server error '502 Bad Gateway' for url 'http://127.0.0.1:4/query'"
            )

    with pytest.raises(EngineGone) as raised:
        await_(fail())
    assert raised.value.message == "the connection to the Dagger engine was lost (502 Bad Gateway)"


def test_nothing_is_tried_again_with_an_engine_that_has_gone() -> None:
    told: list[Event] = []
    calls = []

    async def push() -> None:
        calls.append(1)
        raise _from_engine("push", "engine is shutting down")

    with pytest.raises(EngineGone):
        await_(retry(push, told.append))
    assert (len(calls), told) == (1, [])
