"""What the bench of layer reuse reads: builders' lines, bytes at a door of a registry."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.reuse.changes import Outcome, news, shown, size, steps
from tests.support.reuse.counted import door
from tests.support.reuse.ways import again
from tests.support.servers import answering

CLASSIC = """\
Step 1/6 : FROM localhost:5000/base:one
 ---> 7bc5415e7351
Step 2/6 : USER 0:0
 ---> Using cache
 ---> 11aa5415e735
Step 3/6 : RUN ["/bin/sh", "-euc", "apt-get update", "apt", "libgomp1"]
 ---> Using cache
 ---> 22aa5415e735
Step 4/6 : COPY ["context/1/k/", "/usr/share/dagger-aml/"]
 ---> 080f11facbeb
Step 5/6 : RUN ["/opt/python", "-m", "pip", "install", "--requirement", "/usr/share/dagger-aml/requirements.txt"]
 ---> Running in 080f11facbeb
Step 6/6 : COPY ["context/2/k/", "/var/azureml-app/azureml-models/p/1/"]
 ---> f58617d0d320
"""
BUILDKIT = """\
#4 [1/5] FROM localhost:5000/base:one
#4 CACHED

#7 [3/5] COPY requirements.txt /tmp/requirements.txt
#7 sha256:15f720dc0cb8a8144760ea76c3bb624c13d4d3364f6be5dc5d766502c7e2c0b0
#7 CACHED

#6 [2/5] RUN apt-get update &&     apt-get install -y libgomp1
#6 CACHED

#8 [4/5] RUN pip install -r /tmp/requirements.txt
#8 0.512 CACHED things
#8 DONE 0.3s

#9 [5/5] COPY code /var/azureml-app
#9 DONE 0.1s
"""
BUILDAH = """\
STEP 1/5: FROM localhost:5000/base:one
STEP 2/5: RUN ["/opt/python", "-m", "pip", "install"]
--> Using cache 25e3c30b3fc6d395c437f410fcfca0c52c683bf26260ed78dd4a1ebe854674af
--> 25e3c30b3fc
STEP 3/5: COPY ["context/2/k/", "/var/azureml-app/azureml-models/p/1/"]
--> Using cache 15e3c30b3fc6d395c437f410fcfca0c52c683bf26260ed78dd4a1ebe854674af
STEP 4/5: COPY --chown=1000:1000 ["context/3/k/", "/var/azureml-app/"]
--> 0c52c683bf2
STEP 5/5: ENV A="COPY"
--> Using cache 05e3c30b3fc6d395c437f410fcfca0c52c683bf26260ed78dd4a1ebe854674af
"""


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (CLASSIC, {"requirements", "pip", "model"}),
        (CLASSIC.replace("---> 080", "---> Using cache\n ---> 080"), {"pip", "model"}),
        (BUILDKIT, {"pip", "code"}),
        (BUILDAH, {"code"}),
        (BUILDAH.replace("--> Using cache 25", "--> 25"), {"pip", "code"}),
    ],
)
def test_what_a_builder_did_again(printed: str, expected: set[str]) -> None:
    assert again(printed) == expected


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, bytes]] = []  # noqa: RUF012 - a test's own

    def _take(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((f"{self.command} {self.path} {self.headers['Host']}", data))
        self.send_response(201)
        self.send_header("Location", f"http://{self.headers['Host']}/next")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_PUT = do_PATCH = do_POST = _take

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def upstream() -> Iterator[int]:
    """Stands for a registry."""
    _Upstream.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    with answering(server):
        yield server.server_address[1]


def test_a_door_passes_everything_on_and_counts_blobs(upstream: int) -> None:
    with door(upstream) as made:
        client = http.client.HTTPConnection("127.0.0.1", made.server_address[1])
        asked: list[tuple[str, str, bytes, bool]] = [
            ("POST", "/v2/x/blobs/uploads/?mount=d&from=y", b"", False),
            ("PATCH", "/v2/x/blobs/uploads/1", b"a" * 70_000, True),
            ("PUT", "/v2/x/blobs/uploads/1?digest=d", b"b" * 30_000, False),
            ("PUT", "/v2/x/manifests/1", b"c" * 500, False),
        ]
        for method, path, data, chunked in asked:
            body = iter([data[:5], data[5:]]) if chunked else data
            client.request(method, path, body, {"Host": made.name}, encode_chunked=chunked)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (201, b"ok")
            assert answer.headers["Location"] == f"http://{made.name}/next"
        client.close()
        assert made.taken() == 100_000
        assert made.taken() == 0
        came = [(f"{method} {path} {made.name}", data) for method, path, data, _ in asked]
        came[0] = (f"POST /v2/x/blobs/uploads/ {made.name}", b"")
        assert came == _Upstream.seen


def test_sizes_and_cells() -> None:
    assert [size("200MB"), size("5 GB"), size("12B")] == [200_000_000, 5_000_000_000, 12]
    assert [shown(0), shown(999), shown(4_300), shown(200_123_456)] == ["0 B", "999 B", "4.3 kB", "200 MB"]
    outcome = Outcome({"code", "pip"}, 1.0, {"a": 5, "b": 7}, {"b": 7}, 9)
    assert (steps(outcome), news(outcome)) == ("**pip**, code", "1: 7 B")
    assert (steps(Outcome(set(), 1.0, {}, {}, 0)), outcome.ran) == ("-", {"pip"})
