"""``dagger-aml doctor`` beside a real engine and the builders that this machine has."""

from __future__ import annotations

import os
import socket
import time

import pytest

from dagger_aml import Engine
from dagger_aml.backends.dagger.connect import CLI_BIN, RUNNER_HOST
from dagger_aml.doctor import diagnose
from tests.support.builders import lacking

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_it_tells_of_the_engine_that_build_uses(engine: Engine) -> None:
    found = await diagnose()
    dagger, *programs = found.of("builders")
    assert dagger.state == "ok" and "dagger" in found.working
    assert dagger.facts["version"] == engine.version
    told = dagger.facts["engine"]
    if os.environ.get(RUNNER_HOST) and not os.environ.get("DAGGER_SESSION_PORT"):
        assert told["way"] == f"the engine at {os.environ[RUNNER_HOST]}"
    used = told["cache"].pop("used")
    assert used is None or used > 0, "a busy engine does not count in time"
    assert None not in told["cache"].values()
    for each in programs:
        assert each.facts["works"] is (lacking(each.name) is None), each


async def test_an_engine_that_never_answers_is_told_in_time(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    if not os.environ.get(CLI_BIN):
        pytest.skip(f"${CLI_BIN} is not set, and nothing is downloaded for this")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.delenv("DAGGER_SESSION_PORT", raising=False)
        monkeypatch.setenv(RUNNER_HOST, f"tcp://127.0.0.1:{server.getsockname()[1]}")
        begun = time.monotonic()
        dagger = (await diagnose()).of("builders")[0]
    assert dagger.state == "missing" and dagger.facts["engine"]["attempts"]
    assert time.monotonic() - begun < 15
