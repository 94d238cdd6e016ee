"""Asking a container that has no network, from inside."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence

from ..base.python import python_argv
from ..data import frozen
from ..process import CompletedProcess
from .http import JSON_TYPE, Scored, of_server

_ASK = """
import base64, json, sys, time, urllib.error, urllib.request
method, path, kind, timeout = sys.argv[1:]
body = base64.b64decode(sys.stdin.read()) if method == "POST" else None
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
asked = urllib.request.Request("http://127.0.0.1:5001" + path, body, {"Content-Type": kind}, method=method)
begun = time.monotonic()
try:
    try:
        answer = opener.open(asked, timeout=float(timeout))
    except urllib.error.HTTPError as error:
        answer = error
    text, headers = answer.read().decode("utf-8", "replace"), {k.lower(): v for k, v in answer.headers.items()}
    said = [answer.status, text, headers]
except Exception as error:
    said = [0, str(error) or repr(error), {}]
json.dump([*said, time.monotonic() - begun], sys.stdout)
"""
"""What asks a container without network, from inside, by the image's own Python."""


@frozen
class Inside:
    """Asks a container from inside it (see :class:`~dagger_aml.serving.http.Ask`).

    :param run: runs a command in it, given its standard input.
    """

    run: Callable[[Sequence[str], str], Awaitable[CompletedProcess]]

    async def __call__(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str = JSON_TYPE, within: float = 60
    ) -> Scored:
        """Ask; never raises for what the server does."""
        inside = python_argv("-I", "-c", _ASK, method, path, content_type, str(within))
        done = await self.run(inside, base64.b64encode(body or b"").decode())
        try:
            status, text, headers, seconds = json.loads(done.out)
        except ValueError:
            return Scored(0, done.err.strip() or f"exit code {done.code}")
        return Scored(status, text, of_server(headers), seconds)
