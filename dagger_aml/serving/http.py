"""Asking a served image over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field

from ..data import frozen

if TYPE_CHECKING:
    import httpx

RUN_FAILED = "x-ms-run-function-failed"
RUN_MILLISECONDS = "x-ms-run-fn-exec-ms"
SERVER_VERSION = "x-ms-server-version"
SERVER_HEADERS = (RUN_FAILED, RUN_MILLISECONDS, SERVER_VERSION)
"""What the inference server says of an answer (its ``routes.py``)."""

JSON_TYPE = "application/json"
"""The content type that every kind of ``run()`` takes; with a form's, an undecorated one gets an empty text."""


_TYPES = {
    ".avro": "application/avro", ".bmp": "image/bmp", ".csv": "text/csv", ".flac": "audio/flac", ".gif": "image/gif",
    ".gz": "application/gzip", ".htm": "text/html", ".html": "text/html", ".jpeg": "image/jpeg", ".jpg": "image/jpeg",
    ".json": JSON_TYPE, ".jsonl": "application/x-ndjson", ".mp3": "audio/mpeg", ".mp4": "video/mp4",
    ".ndjson": "application/x-ndjson", ".parquet": "application/vnd.apache.parquet", ".pdf": "application/pdf",
    ".png": "image/png", ".tif": "image/tiff", ".tiff": "image/tiff", ".tsv": "text/tab-separated-values",
    ".txt": "text/plain", ".wav": "audio/wav", ".webp": "image/webp", ".xml": "application/xml",
    ".yaml": "application/yaml", ".yml": "application/yaml", ".zip": "application/zip",
    **dict.fromkeys((".bin", ".npy", ".npz", ".pb", ".pkl"), "application/octet-stream"),
}  # fmt: skip
"""Of files by the ends of their names. Python's own table is each machine's another."""


def content_type(path: Path) -> str:
    """What a file holds, by the end of its name; JSON unless that tells otherwise."""
    return _TYPES.get(path.suffix.lower(), JSON_TYPE)


@frozen
class Scored:
    """An answer.

    :param status: of HTTP; 0 when there was none (nothing listens, or the connection broke).
    :param body: as text; with status 0, what went wrong.
    :param headers: of :data:`SERVER_HEADERS`, those that came, in lower case.
    :param seconds: from the request's first byte to the answer's last.
    """

    status: int
    body: str
    headers: Mapping[str, str] = field(factory=dict)
    seconds: float = 0.0

    @property
    def json(self) -> Any:
        """The body, parsed.

        :raises ValueError: it is not JSON.
        """
        return json.loads(self.body)

    @property
    def run_failed(self) -> bool:
        """Whether ``run()`` raised or took too long."""
        return self.headers.get(RUN_FAILED, "").lower() == "true"


class Ask(Protocol):
    """One request to a served image."""

    async def __call__(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str = JSON_TYPE, within: float = 60
    ) -> Scored:
        """Ask; never raises for what the network or the server does (status 0).

        :param within: seconds.
        """
        ...


def as_body(data: Any) -> bytes:
    """What is posted: bytes and text as they are, anything else as JSON."""
    if isinstance(data, bytes):
        return data
    return (data if isinstance(data, str) else json.dumps(data)).encode()


class Http:
    """Asks at a URL. Loopback addresses are asked directly, others by the proxy that the environment names.

    :param base: without a trailing slash.
    :param headers: sent with every request.
    """

    def __init__(self, base: str, *, headers: Mapping[str, str] | None = None) -> None:
        import httpx

        host = httpx.URL(base).host
        local = host in ("localhost", "127.0.0.1", "::1")
        self.base: str = base.rstrip("/")
        self._client: httpx.AsyncClient = httpx.AsyncClient(trust_env=not local, headers=dict(headers or {}))

    async def __aenter__(self) -> Http:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def __call__(
        self, method: str, path: str, body: bytes | None = None, *, content_type: str = JSON_TYPE, within: float = 60
    ) -> Scored:
        """Ask (see :class:`Ask`)."""
        import httpx

        headers = {"Content-Type": content_type} if body is not None else {}
        begun = time.monotonic()
        try:
            answer = await self._client.request(
                method, self.base + path, content=body, headers=headers, timeout=within
            )
        except httpx.TimeoutException:
            return Scored(0, f"no answer within {within:.0f} s", seconds=time.monotonic() - begun)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Scored(0, str(error) or type(error).__name__, seconds=time.monotonic() - begun)
        seconds = time.monotonic() - begun
        return Scored(answer.status_code, answer.text, of_server(answer.headers), seconds)


def of_server(headers: Mapping[str, str]) -> dict[str, str]:
    """The server's own headers among an answer's."""
    return {name: headers[name] for name in SERVER_HEADERS if name in headers}
