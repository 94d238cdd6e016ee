"""An image comes whole from a registry, each file held against its digest, or not at all."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.diff import read_image
from dagger_aml.errors import BuildError, DaggerAmlError, RegistryDenied
from dagger_aml.oci.registry import download
from dagger_aml.policy import Policy
from tests.support.servers import answering

from .test_diff import BASE, CONFIG, document

pytestmark = pytest.mark.anyio

OCI = "application/vnd.oci.image"


class Shelf:
    """What a registry has, by path below `/v2/x/y/`, and who may have it."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.token = ""
        self.busy = 0
        self.asked: list[str] = []
        self.host = ""

    def put(self, data: bytes, kind: str, **more: Any) -> dict[str, Any]:
        """Hold a blob or manifest; its descriptor."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.held[f"{'manifests' if kind.startswith(('manifest', 'index')) else 'blobs'}/{digest}"] = data
        return {"mediaType": f"{OCI}.{kind}", "digest": digest, "size": len(data), **more}


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shelf]:
    """A registry with one image for two platforms, `x/y:1`; no logins."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    with shelf_in_use() as found:
        yield found


@contextlib.contextmanager
def shelf_in_use() -> Iterator[Shelf]:
    """That registry."""
    found = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host, path = f"http://{found.host}", self.path.removeprefix("/v2/x/y/")
            found.asked.append(path)
            status, body, headers = 200, found.held.get(path), {}
            if path.startswith("/token"):
                body = json.dumps({"token": "yes"}).encode()
            elif found.busy:
                found.busy -= 1
                status, body = 503, b""
            elif found.token and self.headers.get("Authorization") != f"Bearer {found.token}":
                status, body = 401, b""
                headers = {"WWW-Authenticate": f'Bearer realm="{host}/token",service="s",scope="pull"'}
            self.send_response(404 if body is None else status)
            for name, value in {**headers, "Content-Length": str(len(body or b""))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    layers = [found.put(gzip.compress(BASE), "layer.v1.tar+gzip")] * 2
    images = []
    for platform in ("amd64", "arm64"):
        config = {**json.loads(document([BASE, BASE], CONFIG)), "architecture": platform}
        manifest = {"schemaVersion": 2, "config": found.put(json.dumps(config).encode(), "config"), "layers": layers}
        described = {"platform": {"os": "linux", "architecture": platform}}
        images.append(found.put(json.dumps(manifest).encode(), "manifest.v1+json", **described))
    found.held["manifests/1"] = json.dumps({"manifests": images}).encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.host = f"127.0.0.1:{server.server_port}"
    with answering(server):
        yield found


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """An empty folder."""
    (tmp_path / "layout").mkdir()
    return tmp_path / "layout"


async def test_an_image_of_a_platform_comes_whole(shelf: Shelf, layout: Path) -> None:
    await download(f"{shelf.host}/x/y:1", "linux/arm64", layout)
    image = read_image(layout, "linux/arm64")
    assert image.config["platform"] == "linux/arm64"
    assert image.files["/etc/old"].size == 3
    assert sum(path.startswith("blobs/") for path in shelf.asked) == 2, "a layer that is there twice comes once"


async def test_by_its_digest_with_a_login_from_a_busy_registry(shelf: Shelf, layout: Path) -> None:
    index = shelf.put(shelf.held["manifests/1"], "index.v1+json")
    shelf.token, shelf.busy = "yes", 2
    at_once = Policy(retry_pauses_seconds=(0, 0))
    await download(f"{shelf.host}/x/y@{index['digest']}", "linux/amd64", layout, policy=at_once)
    assert read_image(layout).config["platform"] == "linux/amd64"


def _other_bytes(shelf: Shelf, path: str) -> None:
    shelf.held[path] = shelf.held[path][:-1] + b"?"


@pytest.mark.parametrize("kind", ["blobs", "manifests/sha256"])
async def test_other_bytes_than_the_digest_says_are_refused(shelf: Shelf, layout: Path, kind: str) -> None:
    for path in [path for path in shelf.held if path.startswith(kind)]:
        _other_bytes(shelf, path)
    with pytest.raises(BuildError, match="sent content that does not match sha256:"):
        await download(f"{shelf.host}/x/y:1", "linux/amd64", layout)


@pytest.mark.parametrize(
    ("change", "platform", "kind", "said"),
    [
        (lambda shelf: None, "linux/s390x", BuildError, "no variant for linux/s390x"),
        (lambda shelf: shelf.held.clear(), "linux/amd64", BuildError, "has no such image"),
        (lambda shelf: setattr(shelf, "token", "other"), "linux/amd64", RegistryDenied, "the registry refused"),
    ],
)
async def test_what_cannot_be_had_is_said(
    shelf: Shelf, layout: Path, change: Callable[[Shelf], None], platform: str, kind: type[DaggerAmlError], said: str
) -> None:
    change(shelf)
    with pytest.raises(kind, match=said):
        await download(f"{shelf.host}/x/y:1", platform, layout)
