"""Doors before a registry, one for each that pushes, at which the bytes are counted.

Each door is another port of localhost before the same registry, so to a builder it is another registry: none takes a
layer over from the repository of another. The Dagger engine would all the same, as it does not look at the port; so a
request to take a blob over from elsewhere (`?mount=`) becomes one to upload it.
"""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer

from tests.support.servers import PlainHandler, answering

_CHUNK = 1 << 20
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_OF_THE_CONNECTION = ("connection", "transfer-encoding", "expect")


class Door(ThreadingHTTPServer):
    """Passes requests on to the registry and counts the bytes of blobs: layers and configs."""

    daemon_threads = True

    def __init__(self, registry: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = registry
        self.bytes = 0
        self.lock = threading.Lock()

    @property
    def name(self) -> str:
        """As it stands in references."""
        return f"localhost:{self.server_address[1]}"

    def taken(self) -> int:
        """The bytes since it was asked last."""
        with self.lock:
            found, self.bytes = self.bytes, 0
        return found


class _Handler(PlainHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Door

    def setup(self) -> None:
        super().setup()
        self.beyond = HTTPConnection("127.0.0.1", self.server.registry)

    def finish(self) -> None:
        self.beyond.close()
        with contextlib.suppress(OSError):
            super().finish()

    def _pass(self) -> None:
        try:
            self._send()
            self._answer()
        except OSError:
            self.close_connection = True

    def _send(self) -> None:
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        path = self.path
        if self.command == "POST" and "/blobs/uploads/" in path:
            path = path.partition("?")[0]
        self.beyond.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _OF_THE_CONNECTION:
                self.beyond.putheader(name, value)
        if chunked:
            self.beyond.putheader("Transfer-Encoding", "chunked")
        self.beyond.endheaders()
        is_blob = self.command in ("PATCH", "PUT") and "/blobs/uploads/" in self.path
        for data in self._chunks() if chunked else self._whole():
            self.beyond.send(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
            if is_blob:
                with self.server.lock:
                    self.server.bytes += len(data)
        if chunked:
            self.beyond.send(b"0\r\n\r\n")

    def _whole(self) -> Iterator[bytes]:
        left = int(self.headers.get("Content-Length") or 0)
        while left and (data := self.rfile.read(min(left, _CHUNK))):
            left -= len(data)
            yield data

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self) -> None:
        answer = self.beyond.getresponse()
        data = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*_OF_THE_CONNECTION, "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        if length is not None and answer.status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextlib.contextmanager
def door(registry: int) -> Iterator[Door]:
    """A way into a registry, while the block runs."""
    made = Door(registry)
    with answering(made):
        yield made


def layers(registry: int, repository: str, tag: str) -> dict[str, int]:
    """The layers of an image, by their digests, with their compressed sizes in bytes."""
    url = f"http://127.0.0.1:{registry}/v2/{repository}/manifests/{tag}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers={"Accept": _MANIFESTS}), timeout=30) as answer:
        return {each["digest"]: each["size"] for each in json.load(answer)["layers"]}
