"""Wheels of whatever content, locks that name them, and bases that take them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from attrs import frozen

from dagger_aml.base.facts import BaseFacts, Distribution
from dagger_aml.graph.wheel_files import Wheel, WheelFile
from tests.support.servers import answering


@frozen
class Made:
    """A wheel that was made."""

    path: Path
    name: str
    version: str
    sha256: str

    def table(self, *, url: str = "", marker: str = "", size: bool = True) -> str:
        """Its table in a pylock.toml; by its path relative to the folder above its own, unless it has a URL."""
        place = f'url = "{url}"' if url else f'path = "{self.path.parent.name}/{self.path.name}"'
        length = f"size = {self.path.stat().st_size}, " if size else ""
        hashes = f'hashes = {{ sha256 = "{self.sha256}" }}'
        return (
            f'[[packages]]\nname = "{self.name}"\nversion = "{self.version}"\n'
            + (f'marker = "{marker}"\n' if marker else "")
            + f'wheels = [{{ name = "{self.path.name}", {place}, {length}{hashes} }}]\n'
        )

    def wheel(self, url: str = "") -> Wheel:
        """As it stands in a graph."""
        path = "" if url else str(self.path)
        return Wheel(self.name, self.version, WheelFile(self.path.name, self.sha256, url, path))


def made_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
    *,
    requires: tuple[str, ...] = (),
    tag: str = "py3-none-any",
    modes: Mapping[str, int] | None = None,
) -> Made:
    """Make a wheel; without files it has one module.

    :param modes: whole modes of some of the files, type and all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = name.replace("-", "_")
    path, info = folder / f"{plain}-{version}-{tag}.whl", f"{plain}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    found: dict[str, str | bytes] = {
        **(files if files is not None else {f"{plain}.py": f"NAME = {name!r}\n"}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}\nAbout it.\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in found.items():
            member = zipfile.ZipInfo(each, (2026, 1, 2, 3, 4, 6))
            member.external_attr = (modes or {}).get(each, 0o100644) << 16
            archive.writestr(member, text)
    return Made(path, name, version, hashlib.sha256(path.read_bytes()).hexdigest())


def lock_of(*tables: str) -> str:
    """A pylock.toml."""
    return "\n".join(('lock-version = "1.0"\ncreated-by = "the test"\n', *tables))


def base_with(*distributions: Distribution, python: str = "3.12", **more: str) -> BaseFacts:
    """What a base says that was asked."""
    found = {"full_python": f"{python}.4", "glibc": "2.35", **more}
    return BaseFacts("probed", environment="/env", python=python, distributions=distributions, **found)  # type: ignore[arg-type]


@contextlib.contextmanager
def tunnel(login: str) -> Iterator[tuple[str, list[str]]]:
    """A proxy that only makes tunnels, for who has the login: its URL, and the places that were asked of it."""
    asked: list[str] = []
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            if self.headers.get("Proxy-Authorization") != wanted:
                self.send_error(407)
                return
            asked.append(self.path)
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port)), 10) as other:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pump, args=(other, self.connection))
                back.start()
                _pump(self.connection, other)
                back.join(10)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with answering(server):
        yield f"http://{login}@127.0.0.1:{server.server_port}", asked


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
