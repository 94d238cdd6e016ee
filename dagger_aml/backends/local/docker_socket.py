"""Docker's daemon asked at its own socket: to start docker's command line takes longer than most answers do."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode

import anyio.to_thread

from ...oci.offer import Served
from ...oci.reference import Reference
from ...process import CompletedProcess
from .endpoint import docker_socket

_MOST = 16 << 20
"""Bytes of an answer."""


async def pull(served: Served, platform: str) -> CompletedProcess | None:
    """Have it pull what this process serves; None where it cannot be asked, or does not."""
    login = {"username": served.user, "password": served.password, "serveraddress": served.host}
    name, _, digest = served.by_digest.partition("@")
    query = {"fromImage": name, "tag": digest, "platform": platform}
    headers = {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(login).encode()).decode()}
    done = await _asked("POST", "/images/create", query, headers)
    return None if done is None or done.code else done


async def tag(image: str, reference: str) -> CompletedProcess | None:
    """Give an image a name; None where it cannot be asked, here and below."""
    new = Reference.parse(reference)
    return await _asked("POST", f"{_image(image)}/tag", {"repo": new.name, "tag": new.tag or "latest"})


async def untag(reference: str) -> CompletedProcess | None:
    """Take a name away."""
    return await _asked("DELETE", _image(reference))


async def inspect(reference: str) -> CompletedProcess | None:
    """What it tells of an image, as ``image inspect`` prints it."""
    done = await _asked("GET", f"{_image(reference)}/json")
    return done and CompletedProcess(done.code, f"[{done.out}]", done.err)


def _image(reference: str) -> str:
    return f"/images/{quote(reference, safe='/:@')}"


async def _asked(
    method: str, path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> CompletedProcess | None:
    """What the daemon answers, as a program prints it; None where it cannot be asked. A cancel ends it."""
    at = docker_socket()
    if at is None:
        return None
    line = _Line(at)
    url = f"{path}?{urlencode(query)}" if query else path
    try:
        return await anyio.to_thread.run_sync(
            partial(line.answer, method, url, headers or {}), abandon_on_cancel=True
        )
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        # The thread of one that was cancelled waits for the daemon, which ends its work when nobody is there.
        line.end()


class _Line(http.client.HTTPConnection):
    """A connection to a socket of this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))

    def answer(self, method: str, url: str, headers: Mapping[str, str]) -> CompletedProcess:
        """Ask, and read the answer to its end.

        :raises OSError, HTTPException, ValueError: it is cut, or none.
        """
        self.request(method, url, headers=dict(headers))
        response = self.getresponse()
        text = response.read(_MOST).decode()
        if response.status >= 400:
            return CompletedProcess(1, "", str(json.loads(text)["message"]))
        lines = [json.loads(line) for line in text.splitlines()] if url.startswith("/images/create") else []
        failed = [str(each["error"]) for each in lines if "error" in each]
        return CompletedProcess(1, "", failed[-1]) if failed else CompletedProcess(0, text)

    def end(self) -> None:
        """End what waits, too."""
        with contextlib.suppress(OSError):
            if self.sock:
                self.sock.shutdown(socket.SHUT_RDWR)
        self.close()
