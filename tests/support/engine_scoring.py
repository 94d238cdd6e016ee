"""Scores an image in the Dagger engine that built it: a service and a tunnel, no container runtime of the machine."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import anyio
import dagger

from dagger_aml.contract import SCORING_PORT


async def score_container(client: dagger.Client, container: dagger.Container, request: Path) -> tuple[Any, float]:
    """Start a container's own command as a service, POST `request` to /score, stop it.

    Returns the answer, parsed, and the seconds from start to readiness.

    :raises AssertionError: not ready within 120 s, or /score did not give 200.
    """
    service = container.with_exposed_port(SCORING_PORT).as_service()
    begun = time.monotonic()
    await service.start()
    tunnel = await client.host().tunnel(service).start()
    try:
        url = await tunnel.endpoint(scheme="http")
        while True:
            status, _ = await anyio.to_thread.run_sync(request, url + "/", None)
            if status == 200:
                break
            assert time.monotonic() - begun < 120, f"not ready within 120 s, last status {status}"
            await anyio.sleep(0.2)
        ready = time.monotonic() - begun
        status, body = await anyio.to_thread.run_sync(request, url + "/score", request.read_bytes())
        assert status == 200, (status, body)
        return json.loads(body), ready
    finally:
        await tunnel.stop()
        await service.stop(kill=True)


def request(url: str, body: bytes | None) -> tuple[int, str]:
    """Status and body of a request to this machine, 0 when nothing answers; no proxy is used."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)
