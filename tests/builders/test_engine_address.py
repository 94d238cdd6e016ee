"""``--engine`` on a real engine: by its socket, and by TCP through a relay to it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.abc import SocketStream

from dagger_aml import Engine, connect
from dagger_aml.backends.dagger.connect import RUNNER_HOST, SESSION_PORT

pytestmark = [pytest.mark.anyio, pytest.mark.builders, pytest.mark.engine]


@pytest.fixture
def unix(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the engine's socket, which the environment no longer names: it tells of a dead session."""
    address = os.environ.get(RUNNER_HOST, "")
    if not address.startswith("unix://"):
        pytest.skip(f"${RUNNER_HOST} names no engine by its socket")
    monkeypatch.delenv(RUNNER_HOST)
    monkeypatch.setenv(SESSION_PORT, "9")
    return address


@asynccontextmanager
async def relay(path: str) -> AsyncIterator[str]:
    """A TCP address that leads to a socket."""

    async def copy(source: SocketStream, to: SocketStream) -> None:
        try:
            async for data in source:
                await to.send(data)
            await to.send_eof()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            return

    async def joined(client: SocketStream) -> None:
        async with client, await anyio.connect_unix(path) as server, anyio.create_task_group() as tasks:
            tasks.start_soon(copy, client, server)
            tasks.start_soon(copy, server, client)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, joined)
        yield f"tcp://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()


async def used(address: str, engine: Engine) -> None:
    """It is the engine that the environment named, and does something."""
    async with connect(engine=address) as connected:
        assert connected.version == engine.version
        made = connected.client.directory().with_new_file("a", address)
        assert await made.file("a").contents() == address


async def test_by_its_socket(engine: Engine, unix: str) -> None:
    await used(unix, engine)


async def test_by_tcp(engine: Engine, unix: str) -> None:
    async with relay(urlsplit(unix).path) as address:
        await used(address, engine)
