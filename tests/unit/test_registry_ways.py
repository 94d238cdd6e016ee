"""The ways to a registry: its addresses, proxies, and what is refused without TLS. TLS itself: tests/builders."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from dagger_aml.errors import BuildError, TransientError, UsageError
from dagger_aml.network.dial import dial
from dagger_aml.network.proxy import Proxy, proxy_of
from dagger_aml.oci.push import PushClient
from dagger_aml.oci.reference import Reference
from dagger_aml.policy import Policy
from tests.support.connect import connect_proxy
from tests.support.faulty import closed_port
from tests.support.registry import fake_registry

SOON = Policy(connect_timeout_seconds=0.5, answer_timeout_seconds=0.5, blob_idle_timeout_seconds=0.5)
FAR = Reference.parse("registry.invalid/x/y:1")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "all_proxy", "no_proxy"):
        for each in (name, name.upper()):
            monkeypatch.delenv(each, raising=False)


@pytest.fixture
def client() -> Iterator[PushClient]:
    with PushClient(SOON) as found:
        yield found


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address that takes no more connections, and does not say so."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, closing(socket.socket()) as first:
        waiting = [socket.socket() for _ in range(8)]
        try:
            first.connect(server.getsockname())
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(server.getsockname())
            yield server.getsockname()
        finally:
            for each in waiting:
                each.close()


def addresses(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, int]) -> None:
    known = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: list(known))


@pytest.mark.parametrize("first", ["closed", "silent", "of a kind that this machine has not"])
def test_the_first_address_that_takes_a_connection_is_taken(
    monkeypatch: pytest.MonkeyPatch, listening: int, silent: tuple[str, int], first: str
) -> None:
    at = {"closed": ("127.0.0.1", closed_port()), "silent": silent}.get(first, ("255.255.255.255", 1))
    addresses(monkeypatch, at, ("127.0.0.1", listening))
    begun = time.monotonic()
    with dial("name", 1, 5, lambda: None) as sock:
        assert sock.getpeername() == ("127.0.0.1", listening) and sock.gettimeout() == 5
    assert time.monotonic() - begun < 2


def test_an_address_that_is_silent_has_its_time_and_no_more(
    monkeypatch: pytest.MonkeyPatch, silent: tuple[str, int]
) -> None:
    addresses(monkeypatch, silent)
    checked: list[int] = []
    with pytest.raises(TimeoutError):
        dial("name", 1, 0.3, lambda: checked.append(1))
    assert checked, "another thread could have ended it"


def test_why_there_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses(monkeypatch, ("127.0.0.1", closed_port()))
    with pytest.raises(ConnectionRefusedError):
        dial("name", 1, 5, lambda: None)


# --- proxies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p.io:3128"}, Proxy("p.io", 3128, "HTTPS_PROXY")),
        ({"https_proxy": "p.io:3128/"}, Proxy("p.io", 3128, "https_proxy")),
        ({"ALL_PROXY": "https://p.io"}, Proxy("p.io", 443, "ALL_PROXY", True)),
        ({"HTTP_PROXY": "http://p.io:3128"}, None),
        (
            {"HTTPS_PROXY": "http://us%40er:p%3Aw@[::1]"},
            Proxy("::1", 80, "HTTPS_PROXY", False, "Basic " + base64.b64encode(b"us@er:p:w").decode()),
        ),
        ({"HTTPS_PROXY": "http://p.io", "NO_PROXY": "other.io,registry.io"}, None),
        ({"HTTPS_PROXY": "http://p.io", "no_proxy": "io"}, None),
        ({"HTTPS_PROXY": "http://p.io", "no_proxy": ".registry.io"}, None),
        ({"HTTPS_PROXY": "http://p.io", "no_proxy": "registry.io:5000"}, None),
        ({"HTTPS_PROXY": "http://p.io", "no_proxy": "a, *"}, None),
        ({"HTTPS_PROXY": "http://p.io", "no_proxy": "try.io"}, Proxy("p.io", 80, "HTTPS_PROXY")),
    ],
)
def test_the_proxy_is_what_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy: Proxy | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of("registry.io", 5000) == proxy


@pytest.mark.parametrize("value", ["socks5://h:1", "ftp://h:1", "http://h:x", "http://", "http://h:1/path"])
def test_what_is_no_http_proxy_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("https_proxy", value.replace("://", "://bob:hush@"))
    with pytest.raises(UsageError, match="SOCKS proxies are not supported") as caught:
        proxy_of("registry.io", 443)
    assert caught.value.location == "$https_proxy" and "hush" not in str(caught.value)


def test_a_proxy_is_asked_with_its_login(monkeypatch: pytest.MonkeyPatch, client: PushClient) -> None:
    """What it leads to is no TLS here, so that is as far as it goes."""
    with fake_registry() as there, connect_proxy(int(there.host.rpartition(":")[2])) as proxy:
        proxy.login = "Basic " + base64.b64encode(b"bob:hush").decode()
        monkeypatch.setenv("HTTPS_PROXY", f"http://bob:hush@127.0.0.1:{proxy.port}")
        with pytest.raises(TransientError) as caught:
            client.manifest(FAR)
        monkeypatch.setenv("HTTPS_PROXY", f"http://bob:wrong@127.0.0.1:{proxy.port}")
        with pytest.raises(TransientError) as refused:
            client.manifest(FAR)
    assert proxy.asked == ["CONNECT registry.invalid:443 HTTP/1.1"] * 2
    assert f"through the proxy http://127.0.0.1:{proxy.port} of $HTTPS_PROXY: it asks for a login (407)" in str(
        refused.value
    )
    assert "(407)" not in str(caught.value) and "hush" not in str(caught.value) + str(refused.value)


# --- without TLS ----------------------------------------------------------------------------------------------------


def test_a_blob_elsewhere_without_tls_is_refused(client: PushClient) -> None:
    with fake_registry() as registry:
        digest = registry.put("x/y", b"data")
        registry.elsewhere = "http://storage.invalid/bucket"
        with (
            pytest.raises(BuildError, match="leads to another host without TLS"),
            client.blob(Reference.parse(f"{registry.host}/x/y:1"), digest),
        ):
            pass


@pytest.mark.parametrize("realm", ["http://tokens.invalid/token", "ftp://x/", "nonsense"])
def test_whoever_gives_tokens_is_asked_in_tls(
    client: PushClient, monkeypatch: pytest.MonkeyPatch, realm: str
) -> None:
    with fake_registry() as registry:
        registry.login, registry.realm = ("bob", "hush"), realm
        registry.bearer = True
        with pytest.raises(BuildError, match="without TLS" if "tokens" in realm else "not answer like a registry"):
            client.manifest(Reference.parse(f"{registry.host}/x/y:1"))


@pytest.mark.parametrize("host", ["a..b.example:5000", "h.example:99999"])
def test_a_host_that_is_none(client: PushClient, host: str) -> None:
    with pytest.raises(BuildError, match="did not answer like a registry"):
        client.manifest(Reference.parse(f"{host}/x:1"))


def test_digests_and_urls_are_never_mixed(client: PushClient) -> None:
    with fake_registry() as registry, pytest.raises(BuildError, match="did not answer like a registry"):
        client.has_blob(Reference.parse(f"{registry.host}/x/y:1"), "sha256:../../../secret")
    assert not registry.asked


def test_one_that_speaks_something_else(client: PushClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as sock:
                sock.recv(100)
                sock.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(TransientError, match="the answer is not HTTP"):
            client.manifest(Reference.parse(f"127.0.0.1:{server.getsockname()[1]}/x:1"))
