"""What a company has: a package index with a login and a certificate of its own, and a proxy to nothing else.

The index is pypiserver behind TLS, the proxy is tinyproxy. Both listen on this machine's own address, which
containers reach, or, for what only the proxy may reach, on the loopback.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
import socket
import socketserver
import ssl
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tests.support.servers import answering

LOOPBACK = "127.0.0.1"


def own_address() -> str:
    """This machine's address as its containers see it; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.connect(("192.0.2.1", 9))
        return str(found.getsockname()[0])


def wheel(
    folder: Path, name: str, version: str, says: str, requires: tuple[str, ...] = (), *, module: str = ""
) -> Path:
    """A wheel of one module that says something, and whatever else is its text."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{name}.py": f"SAYS = {says!r}\n{module}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    with zipfile.ZipFile(path, "w") as made:
        for each, text in files.items():
            made.writestr(each, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{each},sha256={digest},{len(text)}")
        made.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return path


@dataclass
class Certificates:
    """A company's certificate authority, and a key with a certificate of its for one address."""

    ca: Path
    key: Path
    certificate: Path


def certificates(folder: Path, address: str) -> Certificates:
    """Make them with openssl."""

    def openssl(text: str, *words: str) -> None:
        subprocess.run(["openssl", *text.split(), *words], check=True, capture_output=True, cwd=folder)

    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=Example-Company-CA",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    )
    (folder / "names").write_text(f"subjectAltName=IP:{address}\n")
    openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=index")
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names",
        "-out",
        "server.pem",
    )
    return Certificates(folder / "ca.pem", folder / "server.key", folder / "server.pem")


@dataclass
class Index:
    """A package index that runs.

    :param answers: of each request, its path and its status.
    """

    url: str
    user: str
    password: str
    answers: list[tuple[str, int]] = field(default_factory=list)

    @property
    def login_url(self) -> str:
        return self.url.replace("://", f"://{self.user}:{self.password}@")


class _Threading(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def index(
    packages: Path, *, password: str | None = None, address: str = LOOPBACK, tls: Certificates | None = None
) -> Iterator[Index]:
    """pypiserver over a folder of wheels.

    :param password: of the user ``builder``; None lets everybody in.
    """
    import pypiserver

    auther: Callable[[str, str], bool] | None = None
    if password:
        auther = lambda user, given: (user, given) == ("builder", password)  # noqa: E731
    app = pypiserver.app(
        roots=[packages],
        authenticate=["list", "download", "update"] if password else [],
        auther=auther,
        password_file=None if password else ".",
        disable_fallback=True,
    )
    found = Index("", "builder", password or "")

    def counted(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        def begin(status: str, headers: Any, error: Any = None) -> Any:
            found.answers.append((environ["PATH_INFO"], int(status.split()[0])))
            return start(status, headers, error)

        return app(environ, begin)

    server = make_server(address, 0, counted, server_class=_Threading, handler_class=_Silent)
    scheme = "http"
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    found.url = f"{scheme}://{address}:{server.server_port}/simple/"
    with answering(server):
        yield found


@dataclass
class Proxy:
    """A forward proxy that runs."""

    url: str
    log: Path

    def asked(self) -> str:
        """What it was asked for."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@contextlib.contextmanager
def proxy(folder: Path, allowed: str, *, login: str | None = None) -> Iterator[Proxy]:
    """tinyproxy that lets by requests to one host alone.

    :param allowed: the host.
    :param login: ``user:password`` that it wants, or None.
    """
    program = shutil.which("tinyproxy") or "/usr/bin/tinyproxy"
    address, port, log = own_address(), _free_port(), folder / "proxy.log"
    (folder / "filter").write_text(f"^{allowed.replace('.', '[.]')}$\n")
    lines = [
        f"Port {port}", f"Listen {address}", "Timeout 60", f'LogFile "{log}"', "LogLevel Connect", "MaxClients 20",
        f'Filter "{folder / "filter"}"', "FilterDefaultDeny Yes", "FilterExtended On", "FilterURLs Off",
        "DisableViaHeader Yes",
    ]  # fmt: skip
    if login:
        lines.append("BasicAuth " + login.replace(":", " "))
    (folder / "tinyproxy.conf").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([program, "-d", "-c", str(folder / "tinyproxy.conf")], stdout=subprocess.DEVNULL)
    try:
        _wait_for(address, port)
        user = f"{login}@" if login else ""
        yield Proxy(f"http://{user}{address}:{port}", log)
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((own_address(), 0))
        return int(found.getsockname()[1])


def _wait_for(address: str, port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers at {address}:{port}")


@contextlib.contextmanager
def apt_mirror(password: str) -> Iterator[Index]:
    """Debian's archive behind a login: what is asked of it with the right one is fetched from the archive itself."""
    import httpx

    wanted = "Basic " + base64.b64encode(f"builder:{password}".encode()).decode()
    found = Index("", "builder", password)

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        path = environ["PATH_INFO"]
        if environ.get("HTTP_AUTHORIZATION") != wanted:
            found.answers.append((path, 401))
            start("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="mirror"'), ("Content-Length", "0")])
            return [b""]
        answer = httpx.get(f"http://deb.debian.org{path}", follow_redirects=True, timeout=60)
        found.answers.append((path, answer.status_code))
        start(f"{answer.status_code} {answer.reason_phrase}", [("Content-Length", str(len(answer.content)))])
        return [answer.content]

    server = make_server(own_address(), 0, app, server_class=_Threading, handler_class=_Silent)
    found.url = f"http://{own_address()}:{server.server_port}/debian"
    with answering(server):
        yield found
