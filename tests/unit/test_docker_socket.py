"""Docker's daemon asked at its socket, as 20.10 and 29 answer there; and its command line where that is of no use."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from dagger_aml.backends.local import docker_cli, docker_socket
from dagger_aml.backends.local.docker import KIND
from dagger_aml.backends.local.endpoint import docker_socket as socket_of
from dagger_aml.oci.offer import Served
from dagger_aml.process import CompletedProcess

pytestmark = pytest.mark.anyio

SERVED = Served("127.0.0.1:4711", "abc", f"sha256:{'1' * 64}", f"sha256:{'2' * 64}", "s3cr3t")

LINES = b'{"status":"Pulling from abc","id":"x"}\n{"status":"Download complete"}\n'


class Handler(BaseHTTPRequestHandler):
    """Answers as it is told."""

    asked: ClassVar[list[tuple[str, str, str]]]
    answers: ClassVar[dict[str, tuple[int, bytes]]]
    gone: ClassVar[threading.Event]

    def answer(self) -> None:
        self.asked.append((self.command, self.path, self.headers.get("X-Registry-Auth", "")))
        status, body = self.answers[self.command]
        if not body:
            # Nothing, until nobody waits any more.
            self.connection.recv(1)
            self.gone.set()
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Handler]]:
    """What listens at ``$DOCKER_HOST``; its command line fails."""

    class Own(Handler):
        asked: ClassVar[list[tuple[str, str, str]]] = []
        answers: ClassVar[dict[str, tuple[int, bytes]]] = {}
        gone = threading.Event()

    place = tmp_path / "s"
    server = socketserver.ThreadingUnixStreamServer(str(place), Own)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")

    async def run(argv: list[str], **_: object) -> CompletedProcess:
        Own.asked.append(("run", " ".join(argv[1:3]), ""))
        return CompletedProcess(3)

    monkeypatch.setattr(docker_cli, "run", run)
    yield Own
    server.shutdown()
    server.server_close()


def store() -> Any:
    """What drives docker's store."""
    assert KIND.store
    return KIND.store()


async def test_it_pulls_what_is_served_with_the_password_in_a_header(daemon: type[Handler]) -> None:
    daemon.answers["POST"] = (200, LINES)
    assert (await store().pull_served(SERVED, "linux/amd64")).code == 0
    ((method, url, login),) = daemon.asked
    said = f"fromImage=127.0.0.1%3A4711%2Fabc&tag=sha256%3A{'1' * 64}&platform=linux%2Famd64"
    assert (method, url) == ("POST", f"/images/create?{said}") and SERVED.password not in url
    found = json.loads(base64.urlsafe_b64decode(login))
    assert found == {"username": "dagger-aml", "password": "s3cr3t", "serveraddress": SERVED.host}


async def test_it_names_and_inspects_images_and_takes_names_away(daemon: type[Handler]) -> None:
    image = {"Id": SERVED.config, "Os": "linux", "Architecture": "amd64", "RepoDigests": [], "Config": {}}
    daemon.answers |= {"POST": (201, b" "), "DELETE": (200, b"[]"), "GET": (200, json.dumps(image).encode())}
    docker = store()
    assert (await docker.tag(SERVED.by_digest, "localhost:5000/x/y:1")).code == 0
    assert (await docker.untag(SERVED.by_digest)).code == 0
    found = await docker.inspect("localhost:5000/x/y:1")
    assert found.id == found.config_digest == SERVED.config and found.platform == "linux/amd64"
    assert [each[:2] for each in daemon.asked] == [
        ("POST", f"/images/{SERVED.by_digest}/tag?repo=localhost%3A5000%2Fx%2Fy&tag=1"),
        ("DELETE", f"/images/{SERVED.by_digest}"),
        ("GET", "/images/localhost:5000/x/y:1/json"),
    ]
    missing = b'{"message":"No such image"}'
    daemon.answers |= {method: (404, missing) for method in ("GET", "POST", "DELETE")}
    assert await docker.inspect("none") is None
    assert (await docker.tag("none", "x:1")).err == (await docker.untag("none")).err == "No such image"


BROKEN: dict[str, Callable[[type[Handler], pytest.MonkeyPatch], None]] = {
    "it fails in the middle": lambda daemon, _: daemon.answers.update(POST=(200, LINES + b'{"error":"no space"}\n')),
    "it refuses": lambda daemon, _: daemon.answers.update(POST=(500, b'{"message":"no"}')),
    "it is no daemon": lambda daemon, _: daemon.answers.update(POST=(500, b"<html>")),
    "nobody listens": lambda _, patch: patch.setenv("DOCKER_HOST", "unix:///nowhere/x"),
    "it is elsewhere": lambda _, patch: patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1"),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_does_not_pull_at_the_socket_is_left_to_the_command_line(
    daemon: type[Handler], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    BROKEN[broken](daemon, monkeypatch)
    assert (await store().pull_served(SERVED, "linux/amd64")).code == 3
    assert daemon.asked[-1] == ("run", "pull --quiet", "")


async def test_a_cancel_hangs_up_at_once(daemon: type[Handler]) -> None:
    daemon.answers["POST"] = (200, b"")
    begun = time.monotonic()
    with anyio.move_on_after(0.05):
        await docker_socket.pull(SERVED, "linux/amd64")
    assert daemon.gone.wait(5) and time.monotonic() - begun < 4


def test_the_socket_is_where_docker_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    assert socket_of() == Path("/var/run/docker.sock")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/user/1/docker.sock")
    assert socket_of() == Path("/run/user/1/docker.sock")
    monkeypatch.setenv("DOCKER_HOST", "ssh://x")
    assert socket_of() is None
