"""The registry of one image at a port of this machine: who may read what of it, and that it ends."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dagger_aml.backends.local.docker_cli import _settings
from dagger_aml.backends.local.endpoint import docker_elsewhere, podman_elsewhere
from dagger_aml.oci.loopback import serving
from dagger_aml.oci.manifest import MANIFESTS
from dagger_aml.oci.offer import Offer, OfferedBlob, Served, login_file

LAYER = os.urandom(3_000_000)


def named(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def offered(*chunks: bytes, size: int | None = None) -> Offer:
    """An image of one layer, which is made of these pieces."""
    made = b"".join(chunks)
    blob = OfferedBlob(len(made) if size is None else size, lambda: iter(chunks))
    return Offer(b'{"a": "manifest"}', MANIFESTS["oci"], named(b"config"), {named(made): blob})


@contextlib.contextmanager
def connected(served: Served) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(served.host, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


def asked(
    served: Served,
    path: str,
    method: str = "GET",
    login: str | None = None,
    kept: http.client.HTTPConnection | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """The answer to one request; of another login where one is given."""
    headers = {"Authorization": f"Basic {served.login if login is None else login}"} if login != "" else {}
    with contextlib.nullcontext(kept) if kept else connected(served) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_what_is_served() -> None:
    with serving(offered(LAYER[:1000], LAYER[1000:])) as served, connected(served) as kept:
        place, layer = f"/v2/{served.repository}", f"/blobs/{named(LAYER)}"
        assert asked(served, "/v2/", kept=kept)[0] == 200
        for name in (served.digest, "latest"):
            status, headers, body = asked(served, f"{place}/manifests/{name}", kept=kept)
            assert (status, body) == (200, b'{"a": "manifest"}')
            assert headers["content-type"] == MANIFESTS["oci"]
            assert headers["docker-content-digest"] == served.digest == named(body)
        status, headers, body = asked(served, place + layer, "HEAD", kept=kept)
        assert (status, headers["content-length"], body) == (200, "3000000", b"") and served.asked == []
        assert asked(served, place + layer, kept=kept)[2] == LAYER
        assert served.asked == [named(LAYER)] and not served.failed


@pytest.mark.parametrize("login", ["", "x", base64.b64encode(b"dagger-aml:").decode()])
def test_nothing_is_told_without_the_password(login: str) -> None:
    """Its name stands in the arguments of docker and podman, where every user of a machine reads it."""
    with serving(offered(LAYER)) as served:
        place = f"/v2/{served.repository}"
        for path in ("/v2/", f"{place}/manifests/latest", f"{place}/blobs/{named(LAYER)}"):
            status, headers, body = asked(served, path, login=login)
            assert (status, body) == (401, b"{}") and headers["www-authenticate"].startswith("Basic ")
        assert served.asked == [] and served.password not in repr(served)


def test_nothing_else_is_there() -> None:
    with serving(offered(LAYER)) as served:
        place = f"/v2/{served.repository}"
        wrong = [
            "/",
            "/v2",
            "/v2/_catalog",
            "/v2/x/manifests/latest",
            f"/v2/x/blobs/{named(LAYER)}",
            f"{place}/tags/list",
        ]
        wrong += [f"{place}/manifests/2", f"{place}/manifests/{named(b'')}", f"{place}/blobs/{named(b'')}"]
        wrong += [
            f"{place}/blobs/../manifests/latest",
            f"{place}/blobs/",
            f"{place}//blobs/{named(LAYER)}",
            "/etc/passwd",
        ]
        assert [asked(served, each)[0] for each in wrong] == [404] * len(wrong)
        for method in ("PUT", "POST", "PATCH", "DELETE"):
            assert asked(served, f"{place}/manifests/latest", method)[0] == 501


def test_two_have_other_names_and_passwords() -> None:
    with serving(offered(LAYER)) as one, serving(offered(LAYER)) as two:
        assert one.repository != two.repository and one.password != two.password
        assert asked(one, f"/v2/{one.repository}/manifests/latest", login=two.login)[0] == 401


def test_it_is_at_loopback_alone() -> None:
    with serving(offered(LAYER)) as served:
        host, _, port = served.host.partition(":")
        assert host == "127.0.0.1"
        listening = [
            line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if line.split()[3] == "0A"
        ]
        assert f"0100007F:{int(port):04X}" in listening and f"00000000:{int(port):04X}" not in listening


def test_who_talks_tls_is_told_at_once() -> None:
    """docker and podman do first, and would wait for an answer."""
    with serving(offered(LAYER)) as served, socket.create_connection(("127.0.0.1", port(served)), 5) as client:
        client.sendall(b"\x16\x03\x01" + bytes(500))
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        assert not served.came.is_set()


def test_a_layer_that_cannot_be_made_is_noted_and_cut() -> None:
    def breaks() -> Iterable[bytes]:
        yield LAYER[:10]
        raise ValueError("gone")

    blobs = {named(LAYER): OfferedBlob(len(LAYER), breaks)}
    with serving(Offer(b"{}", MANIFESTS["oci"], "", blobs)) as served:
        with pytest.raises(http.client.IncompleteRead):
            asked(served, f"/v2/{served.repository}/blobs/{named(LAYER)}")
        assert [str(each) for each in served.failed] == ["gone"]


@pytest.mark.parametrize("size", [len(LAYER) - 1, len(LAYER) + 1])
def test_a_layer_of_another_size_is_never_taken_for_whole(size: int) -> None:
    with serving(offered(LAYER, size=size)) as served:
        try:
            got = asked(served, f"/v2/{served.repository}/blobs/{named(LAYER)}")[2]
        except http.client.IncompleteRead:
            got = b""
        assert named(got) != named(LAYER)


def test_it_ends_with_its_block_in_the_middle_of_an_answer() -> None:
    ended, begun = threading.Event(), threading.Event()

    def endless() -> Iterable[bytes]:
        try:
            while True:
                begun.set()
                yield bytes(100_000)
        finally:
            ended.set()

    threads = set(threading.enumerate())
    digest = named(b"x")
    with serving(Offer(b"{}", MANIFESTS["oci"], "", {digest: OfferedBlob(10**12, endless)})) as served:
        client = socket.create_connection(("127.0.0.1", port(served)), 5)
        path, login = f"/v2/{served.repository}/blobs/{digest}", served.login
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n\r\n".encode())
        assert begun.wait(5)
        before = time.monotonic()
    assert ended.wait(5) and time.monotonic() - before < 2
    with client, contextlib.suppress(ConnectionError):
        while client.recv(1 << 20):
            pass
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port(served)), 1)
    for each in set(threading.enumerate()) - threads:
        each.join(5)
        assert not each.is_alive()


def test_nobody_waits_for_its_end() -> None:
    with serving(offered(LAYER)) as served:
        assert asked(served, "/v2/")[0] == 200
        before = time.monotonic()
    assert time.monotonic() - before < 0.5


def test_it_ends_where_nobody_came_at_all() -> None:
    threads = set(threading.enumerate())
    with serving(offered(LAYER)) as served:
        pass
    assert set(threading.enumerate()) <= threads and not served.came.is_set()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port(served)), 1)


def test_who_hangs_up_stops_the_making() -> None:
    ended = threading.Event()

    def endless() -> Iterable[bytes]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            ended.set()

    digest = named(b"x")
    with serving(Offer(b"{}", MANIFESTS["oci"], "", {digest: OfferedBlob(10**12, endless)})) as served:
        with connected(served) as client:
            headers = {"Authorization": f"Basic {served.login}"}
            client.request("GET", f"/v2/{served.repository}/blobs/{digest}", headers=headers)
            client.getresponse().read(10)
        assert ended.wait(5) and not served.failed


def port(served: Served) -> int:
    return int(served.host.partition(":")[2])


# What docker is told of the login


def test_docker_gets_the_users_settings_without_his_logins(tmp_path: Path) -> None:
    config = tmp_path / "own/config.json"
    (config.parent / "contexts").mkdir(parents=True)
    said = {
        "auths": {"example.org": {"auth": "c2VjcmV0"}},
        "credsStore": "x",
        "credHelpers": {},
        "currentContext": "c",
    }
    config.write_text(json.dumps(said))
    with serving(offered(LAYER)) as served:
        _settings(served, config, tmp_path / "new")
    assert (tmp_path / "new/contexts").resolve() == config.parent / "contexts"
    assert json.loads((tmp_path / "new/config.json").read_text()) == {
        "auths": {served.host: {"auth": served.login}}, "currentContext": "c",
    }  # fmt: skip
    assert json.loads(config.read_text()) == said


@pytest.mark.parametrize("before", [None, b"", b"[]", b"{", b'{"auths": 1}'])
def test_settings_that_cannot_be_read_hinder_nothing(before: bytes | None) -> None:
    with serving(offered(LAYER)) as served:
        assert json.loads(login_file(served, before)) == {"auths": {served.host: {"auth": served.login}}}


# Where the daemons are


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of docker's settings."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINER_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path


def context(folder: Path, name: str, host: str) -> None:
    kept = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest()
    kept.mkdir(parents=True)
    (kept / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        (None, True),
        ("", True),
        ("unix:///run/user/1/docker.sock", True),
        ("tcp://127.0.0.1:2375", False),
        ("ssh://h", False),
    ],
)
def test_docker_s_daemon_is_where_its_variable_says(
    docker: Path, monkeypatch: pytest.MonkeyPatch, host: str | None, here: bool
) -> None:
    if host is not None:
        monkeypatch.setenv("DOCKER_HOST", host)
    assert docker_elsewhere() == (None if here else f"docker's daemon is at {host}")


@pytest.mark.parametrize("by", ["variable", "file"])
def test_docker_s_daemon_is_where_its_context_says(docker: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    def choose(name: str) -> None:
        if by == "variable":
            monkeypatch.setenv("DOCKER_CONTEXT", name)
        else:
            (docker / "config.json").write_text(json.dumps({"currentContext": name}))

    context(docker, "far", "ssh://me@far")
    context(docker, "near", "unix:///run/near.sock")
    choose("far")
    assert docker_elsewhere() == "docker's daemon is at ssh://me@far"
    for name in ("near", "default"):
        choose(name)
        assert docker_elsewhere() is None
    choose("unknown")
    assert "unknown" in str(docker_elsewhere())
    monkeypatch.setenv("DOCKER_HOST", "unix:///x")
    assert docker_elsewhere() is None


def test_podman_is_where_its_variables_say(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert podman_elsewhere() is None
    monkeypatch.setenv("CONTAINER_HOST", "unix:///run/podman.sock")
    assert podman_elsewhere() is None
    monkeypatch.setenv("CONTAINER_HOST", "ssh://x")
    assert podman_elsewhere() == "$CONTAINER_HOST names another machine"


def test_elsewhere_than_on_linux_they_run_in_a_virtual_machine(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert "virtual machine" in str(docker_elsewhere()) and "virtual machine" in str(podman_elsewhere())
