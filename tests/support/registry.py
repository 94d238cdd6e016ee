"""A registry in this process, as odd as a test wants it: uploads, tokens with scopes, redirects, limits."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from attrs import define, field, frozen

from tests.support.servers import PlainHandler, answering

SECRET = "s3cr3t-of-the-login"
"""Part of every login, refresh token and token here, so that it can be looked for where it must not be."""


@frozen
class Asked:
    """A request that came.

    :param body: bytes of it that came.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    body: int


@define(eq=False)
class FakeRegistry:
    """What a registry has and does. Repositories are there once something is put into them.

    :param login: user and password that it wants; with ``bearer`` its tokens are had for them.
    :param refresh: a refresh token for which tokens are had too.
    :param anonymous: what may be done without a login, by action.
    :param closed: repositories that nobody may read.
    :param challenges: whether a 401 says what is wanted.
    :param expires: seconds that a token says that it holds; None for saying nothing.
    :param relative: whether a Location is relative.
    :param mounts: the status that a mount is answered with where it could be done.
    :param mounted: whether it then is.
    :param largest: bytes of a body; more is 413.
    :param refuses: part of a media type, in a manifest's header or in itself, that it does not take (415).
    :param chunked: whether a body of unknown length is taken; else 411.
    :param elsewhere: root of a URL that blobs are to be had from.
    :param realm: who gives tokens, if it is not itself.
    :param says: a digest that it says of whatever it takes.
    """

    host: str = ""
    blobs: dict[str, dict[str, bytes]] = field(factory=dict)
    manifests: dict[str, dict[str, tuple[bytes, str]]] = field(factory=dict)
    asked: list[Asked] = field(factory=list)
    connections: int = 0
    login: tuple[str, str] | None = None
    bearer: bool = False
    refresh: str = ""
    anonymous: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    challenges: bool = True
    expires: int | None = 300
    relative: bool = False
    mounts: int = 201
    mounted: bool = True
    largest: int | None = None
    refuses: str = ""
    chunked: bool = True
    elsewhere: str = ""
    says: str = ""
    realm: str = ""
    tokens: dict[str, set[tuple[str, str]]] = field(factory=dict)
    sessions: dict[str, tuple[int, bytearray]] = field(factory=dict)
    lock: Any = field(factory=threading.RLock)

    def put(self, repository: str, data: bytes) -> str:
        """Have a blob; its digest."""
        digest = digest_of(data)
        self.blobs.setdefault(repository, {})[digest] = data
        return digest

    def revoke(self) -> None:
        """No token holds any more."""
        self.tokens.clear()

    def requests(self, *, but: str = "/token") -> list[str]:
        """The methods and paths so far, but for some; uploads by their methods alone."""
        return [f"{each.method} {each.path.partition('uploads/')[0]}" for each in self.asked if each.path != but]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextlib.contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """A registry on a free port of this machine."""
    found = FakeRegistry()

    class Handler(_Handler):
        registry = found

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    found.host = f"localhost:{server.server_port}"
    with answering(server):
        yield found


class _Handler(PlainHandler):
    protocol_version = "HTTP/1.1"
    registry: FakeRegistry

    def setup(self) -> None:
        super().setup()
        self.registry.connections += 1

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()
            return
        self.close_connection = True

    def _handle(self) -> None:
        self.url = urlsplit(self.path)
        self.query = parse_qs(self.url.query)
        registry, data = self.registry, self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        with registry.lock:
            registry.asked.append(Asked(self.command, self.url.path, self.url.query, headers, len(data)))
            if self.url.path == "/token":
                self._token(data)
            elif registry.largest is not None and len(data) > registry.largest:
                self._answer(413)
            elif not registry.chunked and "transfer-encoding" in headers:
                self._answer(411)
            else:
                self._do(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _handle

    def _do(self, data: bytes) -> None:
        repository, kind, name = self.url.path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "uploads":
            repository = repository.removesuffix("/blobs")
        if not self._may(repository):
            return
        if kind == "uploads":
            self._upload(repository, name, data)
        elif kind == "blobs":
            self._blob(repository, name)
        else:
            self._manifest(repository, name, data)

    def _blob(self, repository: str, digest: str) -> None:
        data = self.registry.blobs.get(repository, {}).get(digest)
        if data is None:
            self._answer(404)
        elif self.registry.elsewhere:
            self._answer(307, {"Location": f"{self.registry.elsewhere}/{digest}"})
        else:
            self._answer(200, {"Docker-Content-Digest": digest}, data)

    def _manifest(self, repository: str, name: str, data: bytes) -> None:
        held = self.registry.manifests.setdefault(repository, {})
        if self.command == "PUT":
            blobs = self.registry.blobs.get(repository, {})
            document = json.loads(data)
            if self.registry.refuses and self.registry.refuses in f"{self.headers['Content-Type']} {data.decode()}":
                self._answer(415, code="MANIFEST_INVALID")
                return
            named = [each["digest"] for each in document.get("manifests", ())]
            blobs_of = [document["config"], *document["layers"]] if "config" in document else []
            if any(each["digest"] not in blobs for each in blobs_of) or not held.keys() >= set(named):
                self._answer(400, code="MANIFEST_BLOB_UNKNOWN")
                return
            digest = digest_of(data)
            held[digest] = held[name] = (data, self.headers["Content-Type"])
            self._answer(201, {"Docker-Content-Digest": self.registry.says or digest})
        elif name not in held or held[name][1] not in self.headers.get("Accept", ""):
            self._answer(404, code="MANIFEST_UNKNOWN")
        else:
            found, kind = held[name]
            self._answer(200, {"Docker-Content-Digest": digest_of(found), "Content-Type": kind}, found)

    def _upload(self, repository: str, name: str, data: bytes) -> None:
        registry = self.registry
        blobs = registry.blobs.setdefault(repository, {})
        if self.command == "POST":
            mounted = registry.blobs.get(self._said("from"), {}).get(self._said("mount"))
            if mounted is not None and registry.mounted:
                blobs[self._said("mount")] = mounted
                if registry.mounts == 201:
                    self._answer(201)
                    return
            name = str(len(registry.asked))
            registry.sessions[name] = (0, bytearray())
            self._goes_on(repository, name)
            return
        number, session = registry.sessions.get(name, (-1, bytearray()))
        if str(number) != self._said("_state"):
            self._answer(404, code="BLOB_UPLOAD_UNKNOWN")
        elif self.command == "PATCH":
            begin = self.headers.get("Content-Range", f"{len(session)}-").partition("-")[0]
            if int(begin) != len(session) or (session and "Content-Range" not in self.headers):
                self._answer(416)
                return
            session += data
            registry.sessions[name] = (number + 1, session)
            self._goes_on(repository, name)
        elif digest_of(bytes(session + data)) != self._said("digest"):
            self._answer(400, code="DIGEST_INVALID")
        else:
            del registry.sessions[name]
            blobs[self._said("digest")] = bytes(session + data)
            self._answer(201, {"Docker-Content-Digest": registry.says or self._said("digest")})

    def _goes_on(self, repository: str, name: str) -> None:
        at = f"/v2/{repository}/blobs/uploads/{name}?_state={self.registry.sessions[name][0]}"
        self._answer(202, {"Location": at if self.registry.relative else f"http://{self.headers['Host']}{at}"})

    def _said(self, name: str) -> str:
        return self.query.get(name, [""])[0]

    def _may(self, repository: str) -> bool:
        """Whether this request may be made; if not, it is answered."""
        registry, sent = self.registry, self.headers.get("Authorization", "")
        if registry.login is None and not registry.bearer:
            return True
        wanted = {(f"repository:{repository}", "pull")}
        if self.command not in ("GET", "HEAD"):
            wanted.add((f"repository:{repository}", "push"))
        if self._said("from"):
            wanted.add((f"repository:{self._said('from')}", "pull"))
        if registry.bearer:
            may = wanted <= registry.tokens.get(sent.removeprefix("Bearer "), set())
            scope = " ".join(sorted(f"{resource}:{action}" for resource, action in wanted))
            realm = registry.realm or f"http://{self.headers['Host']}/token"
            challenge = f'Bearer realm="{realm}",service="fake",scope="{scope}"'
        else:
            may, challenge = sent == _basic(*registry.login or ("", "")), 'Basic realm="fake"'
        if not may:
            self._answer(401, {"WWW-Authenticate": challenge} if registry.challenges else {}, code="UNAUTHORIZED")
        return may

    def _token(self, data: bytes) -> None:
        registry, sent = self.registry, self.headers.get("Authorization", "")
        said = parse_qsl(data.decode() if self.command == "POST" else self.url.query)
        form = dict(said)
        if self.command == "POST":
            known = bool(registry.refresh) and form.get("refresh_token") == registry.refresh
            known = known and form.get("grant_type") == "refresh_token"
        else:
            known = registry.login is not None and sent == _basic(*registry.login)
        if (not known and (sent or self.command == "POST" or not registry.anonymous)) or form["service"] != "fake":
            self._answer(401)
            return
        granted = {
            (resource, action)
            for resource, _, actions in (
                word.rpartition(":") for name, value in said if name == "scope" for word in value.split()
            )
            for action in actions.split(",")
            if (known or action in registry.anonymous) and resource.removeprefix("repository:") not in registry.closed
        }
        token = f"{SECRET}-{len(registry.asked)}"
        registry.tokens[token] = granted
        body = {"token": token} | ({} if registry.expires is None else {"expires_in": registry.expires})
        self._answer(200, {}, json.dumps(body).encode())

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            size = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(size)
            if len(data) < size:
                raise ConnectionError
            return data
        found = bytearray()
        while True:
            line = self.rfile.readline()
            if not line:
                raise ConnectionError
            size = int(line, 16)
            found += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return bytes(found)

    def _answer(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b"", *, code: str = ""
    ) -> None:
        if code:
            body = json.dumps({"errors": [{"code": code, "message": SECRET}]}).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
