"""The registry client: what is sent, to whom, how often, and what of a login is seen where."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import define, evolve

from dagger_aml.errors import BuildError, DaggerAmlError, GraphError, RegistryDenied, TransientError
from dagger_aml.events import Event
from dagger_aml.network.dial import dial
from dagger_aml.oci.asking import ask
from dagger_aml.oci.push import PushClient
from dagger_aml.oci.reference import Reference
from dagger_aml.policy import DEFAULT, Policy
from tests.support.faulty import (
    Answer,
    Cut,
    Fault,
    Faulty,
    Hang,
    Trickle,
    Unanswered,
    closed_port,
)
from tests.support.registry import SECRET, FakeRegistry, digest_of, fake_registry

PATIENT = Policy(
    connect_timeout_seconds=30.0,
    answer_timeout_seconds=30.0,
    blob_idle_timeout_seconds=30.0,
    blob_commit_timeout_seconds=30.0,
    retry_pauses_seconds=(0.01, 0.02),
)
"""Of whoever waits for nothing in vain: a busy machine makes no test of it fail."""

SOON = evolve(PATIENT, answer_timeout_seconds=0.3, blob_idle_timeout_seconds=0.3, blob_commit_timeout_seconds=0.6)
"""Of whoever is to see that a silence ends."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
BLOB = bytes(range(256)) * 800
PIECES = [BLOB[:1000], b"", BLOB[1000:150_000], BLOB[150_000:]]
UPLOAD = r"(PATCH|PUT) /v2/.*/blobs/uploads/"


@pytest.fixture
def client() -> Iterator[PushClient]:
    with PushClient(PATIENT) as found:
        yield found


@define
class Clock:
    """A monotonic clock that a test sets."""

    now: float = 0

    def monotonic(self) -> float:
        return self.now


def at(host: str, rest: str = "x/y:1") -> Reference:
    return Reference.parse(f"{host}/{rest}")


def log_in(tmp_path: Path, host: str, user: str, secret: str, **more: str) -> None:
    auth = base64.b64encode(f"{user}:{secret}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth, **more}}}))


def upload(client: PushClient, ref: Reference, *, whole: bool = False, sent: list[int] | None = None) -> None:
    """Put BLOB into a repository: with its size and digest known before, or neither."""
    told = [] if sent is None else sent
    if whole:
        client.upload(ref, lambda: PIECES, digest_of(BLOB), size=len(BLOB), sent=told.append)
    else:
        client.upload(ref, lambda: iter(PIECES), lambda: digest_of(BLOB), sent=told.append)


def image(registry: FakeRegistry, repository: str = "x/y") -> bytes:
    """A manifest whose config and layer are there."""
    config, layer = registry.put(repository, b"{}"), registry.put(repository, BLOB)
    return json.dumps({"config": {"digest": config}, "layers": [{"digest": layer}]}).encode()


# --- questions ------------------------------------------------------------------------------------------------------


def test_what_was_put_is_there_under_its_tag_and_its_digest(registry: FakeRegistry, client: PushClient) -> None:
    ref, raw = at(registry.host), image(registry)
    assert client.manifest_digest(ref) is None
    digest = client.put_manifest(ref, raw, MANIFEST, tag=None)
    assert client.manifest_digest(ref) is None, "no tag was asked for"
    assert client.put_manifest(ref, raw, MANIFEST, tag="1") == digest == client.manifest_digest(ref)
    for name in (ref, evolve(ref, tag=None, digest=digest)):
        found = client.manifest(name)
        assert (found.raw, found.digest, found.media_type) == (raw, digest, MANIFEST)
        assert found.document["config"]["digest"] == digest_of(b"{}")
    assert client.verified_blob(ref, digest_of(b"{}")) == b"{}"
    with client.blob(ref, digest_of(BLOB)) as stream:
        assert stream.read(1000) + stream.read() == BLOB
    assert client.has_blob(ref, digest_of(BLOB)) and not client.has_blob(ref, digest_of(b"other"))
    assert registry.connections == 1, "one connection is kept for all"
    assert len({each.headers["host"] for each in registry.asked}) == 1


@pytest.mark.parametrize("status", [405, 501])
def test_a_registry_that_takes_no_head(
    registry: FakeRegistry, proxy: Faulty, client: PushClient, status: int
) -> None:
    """Or a proxy before it: a tag's manifest is read, and a blob is sent."""
    proxy.breaks(Fault("HEAD /", Answer(status)))
    ref, raw = at(proxy.host), image(registry)
    assert client.manifest_digest(ref) is None
    assert not client.has_blob(ref, digest_of(BLOB))
    upload(client, ref)
    client.put_manifest(ref, raw, MANIFEST, tag="1")
    assert client.manifest_digest(ref) == digest_of(raw)


@pytest.mark.parametrize("kind", ["manifest", "blob"])
def test_other_bytes_than_those_of_the_digest_are_refused(
    registry: FakeRegistry, client: PushClient, kind: str
) -> None:
    ref, raw = at(registry.host), image(registry)
    digest = client.put_manifest(ref, raw, MANIFEST, tag="1")
    registry.manifests["x/y"][digest] = (raw[:-1] + b" }", MANIFEST)
    registry.blobs["x/y"][digest_of(b"{}")] = b"[]"
    with pytest.raises(BuildError, match="sent content that does not match sha256:"):
        if kind == "manifest":
            client.manifest(evolve(ref, digest=digest))
        else:
            client.verified_blob(ref, digest_of(b"{}"))


@pytest.mark.parametrize("where", ["in a blob", "in a manifest"])
def test_a_cut_answer_is_never_whole(registry: FakeRegistry, proxy: Faulty, client: PushClient, where: str) -> None:
    ref, raw = at(proxy.host), image(registry)
    client.put_manifest(at(registry.host), raw, MANIFEST, tag="1")
    proxy.breaks(Fault("GET ", Cut(50)))
    with pytest.raises(TransientError, match="the connection was cut"):
        if where == "in a manifest":
            client.manifest(ref)
        else:
            with client.blob(ref, digest_of(BLOB)) as stream:
                stream.read()


def test_what_is_not_read_to_its_end_ends_its_connection_alone(registry: FakeRegistry, client: PushClient) -> None:
    ref = at(registry.host)
    digest = registry.put("x/y", BLOB * 10)
    with client.blob(ref, digest) as stream:
        assert stream.read(10) == BLOB[:10]
    with client.blob(ref, digest) as stream:
        assert stream.read() == BLOB * 10
    assert client.has_blob(ref, digest) and registry.connections == 2


def test_a_connection_is_not_kept_for_ever(
    registry: FakeRegistry, client: PushClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds, connections in ((60, 1), (0, 2)):
        monkeypatch.setattr("dagger_aml.oci.connections._LONGEST_IDLE_SECONDS", seconds)
        for _ in range(2 if seconds else 1):
            client.has_blob(at(registry.host), digest_of(BLOB))
        assert registry.connections == connections


def test_a_kept_connection_that_was_closed_is_no_failure(registry: FakeRegistry, proxy: Faulty) -> None:
    proxy.breaks(Fault("HEAD ", Unanswered(), skip=1, times=1))
    with PushClient(PATIENT) as client:
        assert [client.has_blob(at(proxy.host), digest_of(BLOB)) for _ in range(2)] == [False, False]
    assert len(proxy.met) == 1 and len(proxy.asked) == 3


# --- logins ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["basic", "password", "identity", "zeros", "zeros by password", "helper"])
@pytest.mark.parametrize("challenges", [True, False])
def test_logins_of_every_kind(
    registry: FakeRegistry,
    client: PushClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    challenges: bool,
) -> None:
    zeros = "00000000-0000-0000-0000-000000000000"
    registry.bearer = kind != "basic"
    if kind in ("basic", "password", "zeros by password"):
        registry.login = (zeros if "zeros" in kind else "bob", SECRET)
        log_in(tmp_path, registry.host, *registry.login)
    elif kind == "identity":
        registry.refresh = SECRET
        log_in(tmp_path, registry.host, zeros, "", identitytoken=SECRET)
    elif kind == "zeros":
        registry.refresh = SECRET
        log_in(tmp_path, registry.host, zeros, SECRET)
    else:
        registry.refresh = SECRET
        (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "mine"}}))
        helper = tmp_path / "docker-credential-mine"
        helper.write_text(f"#!/bin/sh\necho '{json.dumps({'Username': '<token>', 'Secret': SECRET})}'\n")
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    ref = at(registry.host)
    assert not client.has_blob(ref, digest_of(BLOB))
    registry.challenges = challenges
    upload(client, ref)
    assert registry.blobs["x/y"][digest_of(BLOB)] == BLOB
    denied = [
        each for each in registry.asked if each.body and each.path != "/token" and "authorization" not in each.headers
    ]
    assert not denied, "a body goes out with its token only"


def test_one_token_is_for_all_of_a_push(registry: FakeRegistry, client: PushClient, tmp_path: Path) -> None:
    registry.bearer, registry.login = True, ("bob", SECRET)
    log_in(tmp_path, registry.host, *registry.login)
    ref, raw = at(registry.host), image(registry)
    registry.put("base/image", b"base")
    assert client.mount(ref, digest_of(b"base"), "base/image")
    assert client.has_blob(ref, digest_of(BLOB))
    upload(client, ref)
    client.put_manifest(ref, raw, MANIFEST, tag="1")
    tokens = [each.query for each in registry.asked if each.path == "/token"]
    assert len(tokens) == 1
    assert tokens[0].endswith("scope=repository%3Abase%2Fimage%3Apull&scope=repository%3Ax%2Fy%3Apull%2Cpush")
    assert registry.requests()[0] == "POST /v2/x/y/blobs/" and registry.requests()[2:4] == [
        "HEAD /v2/x/y/blobs/sha256:" + digest_of(BLOB)[7:],
        "POST /v2/x/y/blobs/",
    ]


def test_a_token_that_ends_is_asked_for_anew_before_it_is_refused(
    registry: FakeRegistry, client: PushClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.bearer, registry.login, registry.expires = True, ("bob", SECRET), 60
    clock = Clock()
    monkeypatch.setattr("dagger_aml.oci.tokens.time", clock)
    log_in(tmp_path, registry.host, *registry.login)

    def slow() -> Iterator[bytes]:
        yield BLOB[:1000]
        clock.now += 50
        yield BLOB[1000:]

    client.upload(at(registry.host), slow, lambda: digest_of(BLOB))
    assert registry.blobs["x/y"][digest_of(BLOB)] == BLOB
    assert registry.requests(but="") == [
        *("POST /v2/x/y/blobs/", "GET /token", "POST /v2/x/y/blobs/", "PATCH /v2/x/y/blobs/"),
        *("GET /token", "PUT /v2/x/y/blobs/"),
    ]
    patch, put = (each.headers["authorization"] for each in registry.asked if each.method in ("PATCH", "PUT"))
    assert patch != put


def test_a_token_that_is_refused_in_the_middle_is_asked_for_anew_once(
    registry: FakeRegistry, client: PushClient, tmp_path: Path
) -> None:
    registry.bearer, registry.login, registry.challenges = True, ("bob", SECRET), True
    log_in(tmp_path, registry.host, *registry.login)
    begun: list[int] = []

    def stream() -> Iterator[bytes]:
        begun.append(1)
        if len(begun) == 1:
            registry.revoke()
            registry.challenges = False
        yield from PIECES

    client.upload(at(registry.host), stream, lambda: digest_of(BLOB))
    assert registry.blobs["x/y"][digest_of(BLOB)] == BLOB and len(begun) == 2
    registry.tokens.clear()
    registry.login = ("bob", "other")
    with pytest.raises(RegistryDenied, match="docker login"):
        upload(client, at(registry.host))


def test_reading_needs_no_login_where_nobody_needs_one(registry: FakeRegistry, client: PushClient) -> None:
    registry.bearer, registry.anonymous = True, frozenset({"pull"})
    registry.put("x/y", b"{}")
    assert client.verified_blob(at(registry.host), digest_of(b"{}")) == b"{}"
    with pytest.raises(RegistryDenied, match="401"):
        upload(client, at(registry.host))


@pytest.mark.parametrize(
    ("mounts", "mounted", "closed", "there"),
    [(201, True, False, True), (202, True, False, True), (202, False, False, False), (201, True, True, False)],
)
def test_mounting_is_believed_when_the_blob_is_there(
    registry: FakeRegistry,
    client: PushClient,
    tmp_path: Path,
    mounts: int,
    mounted: bool,
    closed: bool,
    there: bool,
) -> None:
    registry.bearer, registry.login = True, ("bob", SECRET)
    registry.mounts, registry.mounted = mounts, mounted
    registry.closed = frozenset({"base/image"}) if closed else frozenset()
    log_in(tmp_path, registry.host, *registry.login)
    registry.put("base/image", b"base")
    ref = at(registry.host)
    assert client.mount(ref, digest_of(b"base"), "base/image") is there
    upload(client, ref)
    assert (digest_of(b"base") in registry.blobs["x/y"]) is there and digest_of(BLOB) in registry.blobs["x/y"]


def test_threads_share_one_token(registry: FakeRegistry, client: PushClient, tmp_path: Path) -> None:
    registry.bearer, registry.login = True, ("bob", SECRET)
    log_in(tmp_path, registry.host, *registry.login)
    blobs = [bytes([number]) * 100_000 for number in range(6)]
    failed: list[Exception] = []

    def put(data: bytes) -> None:
        try:
            client.upload(at(registry.host), lambda: [data], digest_of(data), size=len(data))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=put, args=(data,)) for data in blobs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed and set(registry.blobs["x/y"]) == {digest_of(data) for data in blobs}
    assert sum(each.path == "/token" for each in registry.asked) == 1
    assert registry.connections <= len(blobs)


def test_another_host_never_sees_the_login(registry: FakeRegistry, client: PushClient, tmp_path: Path) -> None:
    registry.bearer, registry.login = True, ("bob", SECRET)
    log_in(tmp_path, registry.host, *registry.login)
    registry.put("x/y", BLOB)
    with fake_registry() as storage:
        storage.put("bucket", BLOB)
        registry.elsewhere = f"http://{storage.host}/v2/bucket/blobs"
        ref = at(registry.host)
        with client.blob(ref, digest_of(BLOB)) as stream:
            assert stream.read() == BLOB
        assert client.has_blob(ref, digest_of(BLOB))
        storage.login = ("who", "ever")
        assert not client.has_blob(ref, digest_of(BLOB))
        with pytest.raises(RegistryDenied), client.blob(ref, digest_of(BLOB)):
            pass
        assert len(storage.asked) == 4 and not any("authorization" in each.headers for each in storage.asked)
    assert sum("authorization" in each.headers for each in registry.asked) > 3


def test_a_login_is_in_no_error_and_no_event(
    registry: FakeRegistry, proxy: Faulty, client: PushClient, tmp_path: Path
) -> None:
    registry.bearer, registry.login, registry.relative = True, ("bob", SECRET), True
    log_in(tmp_path, proxy.host, *registry.login)
    ref, raw, seen = at(proxy.host), image(registry), list[str]()
    statuses = (400, 403, 404, 405, 413, 416, 418, 429, 500)
    faults: list[Answer | Cut] = [*(Answer(status, code=SECRET) for status in statuses), Cut()]
    works: list[Callable[[], object]] = [
        lambda: upload(client, ref),
        lambda: client.put_manifest(ref, raw, MANIFEST, tag="1"),
    ]
    for do in faults:
        for work in works:
            proxy.breaks(Fault(r"(PATCH|PUT) ", do))
            with pytest.raises(DaggerAmlError) as caught:
                work()
            seen.append(f"{caught.value} {caught.value!r}")
    registry.login = ("bob", "other")
    registry.revoke()
    proxy.breaks()
    with pytest.raises(RegistryDenied) as denied:
        upload(client, ref)
    seen += [str(denied.value), repr(client), repr(vars(client))]
    assert len(seen) == 23 and SECRET not in "".join(seen) and "Bearer" not in "".join(seen)
    assert base64.b64encode(f"bob:{SECRET}".encode()).decode() not in "".join(seen)


# --- uploads --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize(
    ("whole", "methods"), [(True, ["POST", "PUT"]), (False, ["POST", "PATCH", "PUT"])], ids=["known", "unknown"]
)
def test_a_blob_is_sent_as_every_registry_takes_it(
    registry: FakeRegistry, client: PushClient, whole: bool, methods: list[str], relative: bool
) -> None:
    registry.relative = relative
    sent: list[int] = []
    upload(client, at(registry.host), whole=whole, sent=sent)
    assert registry.blobs["x/y"] == {digest_of(BLOB): BLOB}
    assert [each.method for each in registry.asked] == methods
    assert sent[-1] == len(BLOB) and sent == sorted(sent)
    carrier = next(each for each in registry.asked if each.body)
    assert ("transfer-encoding" in carrier.headers) is not whole and "content-range" not in carrier.headers
    assert carrier.headers.get("content-length") == (str(len(BLOB)) if whole else None)
    assert "_state=" in registry.asked[-1].query and "digest=sha256%3A" in registry.asked[-1].query


@pytest.mark.anyio
@pytest.mark.parametrize("size", [len(BLOB) * 10, None])
async def test_a_blob_goes_from_registry_to_registry(
    registry: FakeRegistry, proxy: Faulty, client: PushClient, tmp_path: Path, size: int | None
) -> None:
    """Each is sent its own login, and a source that breaks off is named and asked again."""
    digest, told = registry.put("from", BLOB * 10), list[Event]()
    registry.login = ("alice", SECRET)
    proxy.breaks(Fault("GET ", Cut(1_200_000), times=1))
    with fake_registry() as other:
        other.login, other.bearer = ("bob", SECRET), True
        logins = {
            host: {"auth": base64.b64encode(f"{name}:{SECRET}".encode()).decode()}
            for host, name in ((proxy.host, "alice"), (other.host, "bob"))
        }
        (tmp_path / "config.json").write_text(json.dumps({"auths": logins}))
        source, ref = at(proxy.host, "from:1"), at(other.host)
        assert client.has_blob(source, digest)
        await ask(client, lambda: client.copy(source, ref, digest, size=size), told.append)
        assert other.blobs["x/y"] == {digest: BLOB * 10}
    assert len(told) == 1 and f"the registry {proxy.host} cannot be reached" in str(told[0])


def test_an_empty_blob(registry: FakeRegistry, client: PushClient) -> None:
    client.upload(at(registry.host), lambda: [], lambda: digest_of(b""))
    client.upload(at(registry.host, "z:1"), lambda: [], digest_of(b""), size=0)
    assert registry.blobs == {"x/y": {digest_of(b""): b""}, "z": {digest_of(b""): b""}}


@pytest.mark.parametrize("why", ["413", "413 to both", "411"])
def test_ranges_where_a_whole_blob_is_refused(
    registry: FakeRegistry, client: PushClient, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr("dagger_aml.oci.push._ONE_AND_RANGES", (float("inf"), 160_000, 40_000))
    registry.largest = {"413": 160_000, "413 to both": 40_000, "411": None}[why]
    registry.chunked = why != "411"
    size = 40_000 if why == "413 to both" else 160_000
    sent: list[int] = []
    upload(client, at(registry.host), sent=sent)
    assert registry.blobs["x/y"] == {digest_of(BLOB): BLOB} and sent[-1] == len(BLOB)
    ranges = [each.headers["content-range"] for each in registry.asked if "content-range" in each.headers]
    wanted = [f"{begin}-{min(begin + size, len(BLOB)) - 1}" for begin in range(0, len(BLOB), size)]
    assert ranges[-len(wanted) :] == wanted
    registry.asked.clear()
    upload(client, at(registry.host), whole=True)
    assert [each.method for each in registry.asked] == ["POST", *["PATCH"] * len(wanted), "PUT"], "it is remembered"


def test_a_registry_that_takes_no_range_either(registry: FakeRegistry, client: PushClient) -> None:
    registry.largest = 1000
    with pytest.raises(BuildError, match=r"413\)?\n.*limits how much one request may hold"):
        upload(client, at(registry.host))


def test_other_content_than_was_sent_is_not_believed(registry: FakeRegistry, client: PushClient) -> None:
    raw = image(registry)
    registry.says = digest_of(b"other")
    with pytest.raises(BuildError, match="has taken other content than that of sha256:"):
        upload(client, at(registry.host))
    with pytest.raises(BuildError, match="has taken other content than that of sha256:"):
        client.put_manifest(at(registry.host), raw, MANIFEST, tag="1")


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_is_begun_elsewhere_is_put_there_without_the_login(
    registry: FakeRegistry, proxy: Faulty, client: PushClient, tmp_path: Path, method: str, status: int
) -> None:
    """As docker follows it: the begin of an upload, and a manifest. Another number asks for another method."""
    registry.login = ("bob", SECRET)
    log_in(tmp_path, proxy.host, *registry.login)
    ref, place = at(proxy.host), "blobs/uploads/" if method == "POST" else "manifests/1"

    def put() -> None:
        upload(client, ref) if method == "POST" else client.put_manifest(ref, raw, MANIFEST, tag="1")

    with fake_registry() as other:
        raw = image(other)
        other.blobs["x/y"].pop(digest_of(BLOB) if method == "POST" else "", None)
        assert not client.has_blob(ref, digest_of(BLOB)) and "authorization" in registry.asked[-1].headers
        leads = Fault(
            f"{method} /v2/x/y/{place}$", Answer(status, {"Location": f"http://{other.host}/v2/x/y/{place}"})
        )
        proxy.breaks(leads)
        put()
        assert digest_of(BLOB) in other.blobs["x/y"] and ("1" in other.manifests.get("x/y", {})) == (method == "PUT")
        assert other.asked and not any("authorization" in each.headers for each in other.asked)
        proxy.breaks(evolve(leads, do=Answer(302, {"Location": f"http://{other.host}/v2/"})))
        with pytest.raises(BuildError, match=r"did not take .*: it answered 302"):
            put()


def test_what_gives_tokens_leads_no_login_elsewhere(
    registry: FakeRegistry, proxy: Faulty, client: PushClient, tmp_path: Path
) -> None:
    registry.bearer, registry.refresh, registry.realm = True, SECRET, f"http://{proxy.host}/token"
    log_in(tmp_path, registry.host, "00000000-0000-0000-0000-000000000000", "", identitytoken=SECRET)
    with fake_registry() as other:
        proxy.breaks(Fault("(POST|GET) /token", Answer(307, {"Location": f"http://{other.host}/token"})))
        with pytest.raises(RegistryDenied):
            client.put_manifest(at(registry.host), b"{}", MANIFEST, tag="1")
        assert "POST /token" in proxy.asked and not other.asked


@pytest.mark.parametrize("request_", ["POST", "PUT", "PUT manifest"])
@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_login_page_in_place_of_a_registry_has_taken_nothing(
    registry: FakeRegistry, proxy: Faulty, client: PushClient, request_: str, status: int
) -> None:
    raw = image(registry)
    page = Answer(status, {"Content-Type": "text/html"})
    if request_ == "PUT manifest":
        proxy.breaks(Fault(r"PUT /v2/.*/manifests/", page))
        with pytest.raises(BuildError, match="did not answer like a registry"):
            client.put_manifest(at(proxy.host), raw, MANIFEST, tag="1")
        assert not registry.manifests
        return
    if (request_, status) == ("POST", 202):
        page = Answer(201)  # 202 is what a registry says, and then what it says next tells.
    proxy.breaks(Fault(f"{request_} /v2/.*/blobs/uploads/", page))
    with pytest.raises(BuildError, match="did not answer like a registry"):
        upload(client, at(proxy.host))


def test_a_manifest_without_its_blobs(registry: FakeRegistry, client: PushClient) -> None:
    raw = image(registry, "another/repository")
    with pytest.raises(BuildError, match=r"did not take the manifest: it answered 400 \(MANIFEST_BLOB_UNKNOWN\)"):
        client.put_manifest(at(registry.host), raw, MANIFEST, tag="1")
    with pytest.raises(GraphError, match="not a tag"):
        client.put_manifest(at(registry.host), raw, MANIFEST, tag="a/b")


@pytest.mark.parametrize(
    ("answer", "is_so"),
    [
        *((Answer(status), True) for status in (405, 409, 412)),
        (Answer(400, code="TAG_INVALID"), True),
        (Answer(400, code="MANIFEST_INVALID"), False),
    ],
    ids=str,
)
def test_a_tag_that_may_not_be_moved(
    registry: FakeRegistry, proxy: Faulty, client: PushClient, answer: Answer, is_so: bool
) -> None:
    """As registries answer with locked tags, or with tags that are written once only."""
    raw, said = image(registry), "The tag may be locked there, or one that is written once only. Give another one"
    proxy.breaks(Fault("PUT .*/manifests/", answer))
    for tag in ("1", None):
        with pytest.raises(BuildError, match="did not take the manifest") as caught:
            client.put_manifest(at(proxy.host), raw, MANIFEST, tag=tag)
        assert (said in str(caught.value)) == (is_so and tag is not None)


def test_what_the_stream_raises_comes_out_as_it_is(registry: FakeRegistry, client: PushClient) -> None:
    ended: list[bool] = []

    def stream() -> Iterator[bytes]:
        try:
            yield BLOB
            raise OSError("the disk is gone")
        finally:
            ended.append(True)

    with pytest.raises(OSError, match="the disk is gone"):
        client.upload(at(registry.host), stream, lambda: digest_of(BLOB))
    assert ended == [True] and not registry.blobs.get("x/y")
    upload(client, at(registry.host))


@pytest.mark.parametrize("change", [-1, 1])
def test_a_blob_of_another_size_than_was_said(registry: FakeRegistry, client: PushClient, change: int) -> None:
    """A file that has changed, say: nobody waits for bytes that do not come."""
    begun = time.monotonic()
    with pytest.raises(BuildError, match=f"instead of {len(BLOB) + change}"):
        client.upload(at(registry.host), lambda: PIECES, digest_of(BLOB), size=len(BLOB) + change)
    assert time.monotonic() - begun < 5 and not registry.blobs.get("x/y")


CUTS = [
    *(Fault(UPLOAD, Cut(after), times=1) for after in (0, 1, 1000, 100_000, len(BLOB) - 1)),
    *(Fault(rf"{method} /v2/x/y/blobs/uploads/", Unanswered(), times=1) for method in ("POST", "PATCH", "PUT")),
    Fault(r"PUT /v2/x/y/manifests/", Cut(10), times=1),
    Fault(r"PUT /v2/x/y/manifests/", Unanswered(), times=1),
]
"""Before, in and after each request of a push: its body comes in part, or whole and is not answered."""


@pytest.mark.anyio
@pytest.mark.parametrize("whole", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("fault", CUTS, ids=str)
async def test_what_breaks_off_starts_again(registry: FakeRegistry, proxy: Faulty, fault: Fault, whole: bool) -> None:
    """And the tag is moved once all is there."""
    if whole and "PATCH" in fault.on and "PUT" not in fault.on:
        fault = evolve(fault, on=UPLOAD)
    raw = image(registry, "other")
    registry.put("x/y", b"{}")
    ref, told, sent = at(proxy.host), list[Event](), list[int]()
    proxy.breaks(fault)

    def put() -> str:
        upload(client, ref, whole=whole, sent=sent)
        return client.put_manifest(ref, raw, MANIFEST, tag="1")

    with PushClient(PATIENT) as client:
        digest = await ask(client, put, told.append)
    assert registry.manifests["x/y"]["1"][0] == raw and digest == digest_of(raw)
    assert registry.blobs["x/y"][digest_of(BLOB)] == BLOB
    assert len(proxy.met) == 1
    carrying = whole or fault.on.startswith((UPLOAD, "PATCH"))
    if fault.on.startswith("POST") or (carrying and "manifests" not in fault.on):
        assert len(told) == 1 and "retrying" in str(told[0]), "one try more is enough"
    else:
        assert not told, "a request on a kept connection, without a stream, is sent on a new one at once"


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (Answer(429, {"Retry-After": "7"}), r"\(429\), and asks to wait 7 s"),
        (Answer(429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), r"it asks to slow down \(429\)$"),
        (Answer(503), "it answered 503"),
        (Answer(404, code="BLOB_UPLOAD_UNKNOWN"), r"has lost the upload of a blob: it answered 404 \(BLOB_UPLOAD"),
        (Answer(416), "has lost the upload"),
        (Cut(1000), "the connection was"),
        (Hang(), "no answer in time"),
    ],
    ids=str,
)
def test_what_may_go_through_later(registry: FakeRegistry, proxy: Faulty, do: Answer | Cut | Hang, said: str) -> None:
    proxy.breaks(Fault(r"PATCH ", do))
    policy = SOON if isinstance(do, Hang) else PATIENT
    with PushClient(policy) as client, pytest.raises(TransientError) as caught:
        upload(client, at(proxy.host))
    assert caught.match(said) if not said.endswith("$") else said[:-1].replace("\\", "") in str(caught.value)
    assert caught.value.after == (7 if "7 s" in said else 0) and proxy.host in str(caught.value)


@pytest.mark.parametrize(("status", "kind"), [(403, RegistryDenied), (401, RegistryDenied), (404, BuildError)])
def test_what_is_refused_at_the_first_request_costs_no_byte(
    registry: FakeRegistry, proxy: Faulty, client: PushClient, status: int, kind: type[DaggerAmlError]
) -> None:
    proxy.breaks(Fault("POST ", Answer(status)))

    def stream() -> list[bytes]:
        raise AssertionError("read for nothing")

    with pytest.raises(kind, match=str(status)):
        client.upload(at(proxy.host), stream, lambda: "")


def test_an_answer_in_the_middle_of_a_body_is_heard(client: PushClient) -> None:
    """Who refuses an upload and hangs up leaves its reason behind, though the rest of the body is in vain."""
    heads: list[bytes] = []

    def answer() -> None:
        with server.accept()[0] as sock:
            for said in (
                b"202 Accepted\r\nLocation: /there?a=b\r\nContent-Length: 0",
                b"403 Forbidden\r\nConnection: close\r\nContent-Length: 0",
            ):
                heads.append(sock.recv(1 << 16).partition(b" HTTP/")[0])
                sock.sendall(b"HTTP/1.1 %b\r\n\r\n" % said)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, daemon=True).start()
        sent: list[int] = []
        with pytest.raises(RegistryDenied, match="403"):
            client.upload(
                at(f"127.0.0.1:{server.getsockname()[1]}"),
                lambda: (bytes(1 << 20) for _ in range(100)),
                lambda: "",
                sent=sent.append,
            )
    assert heads == [b"POST /v2/x/y/blobs/uploads/", b"PATCH /there?a=b"]
    assert not sent or sent[-1] < 100 << 20, "the rest was not sent"


# --- time -----------------------------------------------------------------------------------------------------------


class Paced(socket.socket):
    """What goes over it takes its time by a clock of the test, however fast or busy the machine is.

    Each piece of 20,000 bytes comes, or is taken, so many seconds after the one before, and a timeout counts these.
    """

    clock: Clock
    seconds: float
    timeout: float | None = None

    def settimeout(self, value: float | None, /) -> None:
        self.timeout = value

    def _wait(self, pieces: int = 1) -> None:
        assert self.timeout is not None, "it would wait for ever"
        self.clock.now += min(self.seconds * pieces, self.timeout)
        if self.seconds * pieces > self.timeout:
            raise TimeoutError("timed out")

    def send(self, data: Any, *more: Any) -> int:
        self._wait()
        return super().send(memoryview(data)[:20_000], *more)

    def sendall(self, data: Any, *more: Any) -> None:
        """As the real one: its timeout is for all of it."""
        self._wait(-(-len(data) // 20_000))
        super().sendall(data, *more)

    def recv_into(self, buffer: Any, size: int = 0, *more: Any) -> int:
        self._wait()
        return super().recv_into(buffer, min(size or len(buffer), 20_000), *more)


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Clock]:
    """Has connections be so slow, in seconds from piece to piece, and gives the clock that tells."""

    def paced(seconds: float) -> Clock:
        clock = Clock()

        def slow(*args: Any) -> Paced:
            sock = dial(*args)
            made = Paced(sock.family, sock.type, sock.proto, sock.detach())
            made.clock, made.seconds = clock, seconds
            socket.socket.settimeout(made, 10)  # Of the machine, so that nothing hangs.
            return made

        monkeypatch.setattr("dagger_aml.oci.connections.dial", slow)
        monkeypatch.setattr("dagger_aml.oci.connections.time", clock)
        return clock

    return paced


def test_slow_is_not_idle(registry: FakeRegistry, pace: Callable[[float], Clock]) -> None:
    """Each of these takes far longer than a silence may, and each silence less."""
    clock, ref = pace(0.15), at(registry.host)
    with PushClient(evolve(SOON, answer_timeout_seconds=0.2, blob_idle_timeout_seconds=0.2)) as client:
        upload(client, ref, whole=True)
        sent = clock.now
        with client.blob(ref, digest_of(BLOB)) as stream:
            assert stream.read() == BLOB
    assert sent > 1 and clock.now - sent > 1, "slow indeed"


@pytest.mark.parametrize("what", ["sent", "read"])
def test_idle_is_idle(what: str, registry: FakeRegistry, pace: Callable[[float], Clock]) -> None:
    registry.put("x/y", BLOB)
    clock, ref = pace(0.25), at(registry.host)
    policy = evolve(SOON, answer_timeout_seconds=1, blob_idle_timeout_seconds=0.2)
    with PushClient(policy) as client, pytest.raises(TransientError, match="no answer in time"):
        if what == "sent":
            upload(client, ref, whole=True)
        else:
            with client.blob(ref, digest_of(BLOB)) as stream:
                stream.read()
    assert clock.now < 2


def test_a_slow_source_is_nobodys_silence(registry: FakeRegistry, pace: Callable[[float], Clock]) -> None:
    clock = pace(0.15)

    def stream() -> Iterator[bytes]:
        yield BLOB[:10]
        clock.now += 60
        yield BLOB[10:]

    with PushClient(evolve(SOON, answer_timeout_seconds=0.2, blob_idle_timeout_seconds=0.2)) as client:
        client.upload(at(registry.host), stream, lambda: digest_of(BLOB))
    assert registry.blobs["x/y"] == {digest_of(BLOB): BLOB}


@pytest.mark.parametrize("where", ["an answer", "a body"])
def test_silence_has_an_end(registry: FakeRegistry, proxy: Faulty, where: str) -> None:
    registry.put("x/y", BLOB)
    proxy.breaks(Fault("GET ", Hang() if where == "an answer" else Trickle(1000)))
    begun = time.monotonic()
    with (
        PushClient(SOON) as client,
        pytest.raises(TransientError, match="no answer in time"),
        client.blob(at(proxy.host), digest_of(BLOB)) as got,
    ):
        got.read()
    assert time.monotonic() - begun < 2


def test_nobody_listens(client: PushClient) -> None:
    with pytest.raises(TransientError, match="cannot be reached or is busy: connection refused"):
        client.manifest(at(f"localhost:{closed_port()}"))


@pytest.mark.parametrize("where", ["GET ", "PATCH "])
def test_another_thread_ends_what_waits(registry: FakeRegistry, proxy: Faulty, where: str) -> None:
    registry.put("x/y", BLOB)
    proxy.breaks(Fault(where, Hang()))
    client, ended = PushClient(DEFAULT), list[DaggerAmlError]()

    def wait() -> None:
        try:
            upload(client, at(proxy.host)) if where == "PATCH " else client.manifest(at(proxy.host))
        except DaggerAmlError as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not proxy.met:
        time.sleep(0.005)
    client.cancel()
    thread.join(3)
    assert not thread.is_alive() and len(ended) == 1
    assert isinstance(ended[0], TransientError) and ended[0].after is None, "nothing asks again"
    with pytest.raises(TransientError):
        client.manifest(at(proxy.host))


@pytest.mark.anyio
async def test_a_task_that_is_cancelled_ends_its_thread(registry: FakeRegistry, proxy: Faulty) -> None:
    proxy.breaks(Fault("PATCH ", Hang()))
    before = threading.active_count()
    begun = time.monotonic()
    with PushClient(DEFAULT) as client, anyio.move_on_after(0.2) as scope:
        await ask(client, lambda: upload(client, at(proxy.host)), [].append)
    assert scope.cancelled_caught and time.monotonic() - begun < 2
    assert threading.active_count() <= before + 4 and proxy.met
