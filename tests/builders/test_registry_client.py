"""The registry client and Debian's docker-registry: open, with a login, and in TLS behind a proxy."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagger_aml.errors import BuildError, RegistryDenied
from dagger_aml.oci.push import PushClient
from dagger_aml.oci.reference import Reference
from dagger_aml.oci.registry import download
from tests.standin import own_registry
from tests.support.builders import Need
from tests.support.connect import connect_proxy
from tests.support.package_index import Certificates, certificates
from tests.support.registry import digest_of

from .test_credentials import HTPASSWD, PASSWORD, USER

pytestmark = pytest.mark.builders

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
LAYER = os.urandom(1 << 20) * 40


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, need: Need) -> Iterator[str]:
    need("docker-registry")
    with own_registry(tmp_path_factory.mktemp("open")) as found:
        yield found


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PushClient]:
    """With no login, by no proxy."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with PushClient() as found:
        yield found


def put(client: PushClient, ref: Reference) -> str:
    """An image of one layer, its config of known size and its layer of unknown; its manifest's digest."""
    sent: list[int] = []
    client.upload(ref, lambda: [CONFIG], digest_of(CONFIG), size=len(CONFIG))
    parts = [LAYER[begin : begin + (1 << 20)] for begin in range(0, len(LAYER), 1 << 20)]
    client.upload(ref, lambda: iter(parts), lambda: digest_of(LAYER), sent=sent.append)
    assert sent == [(number + 1) << 20 for number in range(40)]
    described = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": digest_of(LAYER),
        "size": len(LAYER),
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(CONFIG),
            "size": len(CONFIG),
        },
        "layers": [described],
    }
    raw = json.dumps(manifest).encode()
    digest = client.put_manifest(ref, raw, MANIFEST, tag=None)
    assert client.manifest_digest(ref) is None, "no tag before its time"
    assert client.put_manifest(ref, raw, MANIFEST, tag=ref.tag) == digest
    return digest


@pytest.mark.anyio
async def test_an_image_is_pushed_and_comes_back(host: str, client: PushClient, tmp_path: Path) -> None:
    ref = Reference.parse(f"{host}/pushed/image:1")
    assert client.manifest_digest(ref) is None and not client.has_blob(ref, digest_of(LAYER))
    digest = put(client, ref)
    assert client.manifest_digest(ref) == digest and client.has_blob(ref, digest_of(LAYER))
    found = client.manifest(Reference.parse(f"{host}/pushed/image@{digest}"))
    assert found.digest == digest and found.media_type == MANIFEST
    (tmp_path / "layout").mkdir()
    await download(str(ref), "linux/amd64", tmp_path / "layout")
    assert (tmp_path / "layout/blobs/sha256" / digest_of(LAYER)[7:]).read_bytes() == LAYER


def test_a_blob_is_mounted_from_a_repository_beside(host: str, client: PushClient) -> None:
    source, ref = Reference.parse(f"{host}/mounted/from:1"), Reference.parse(f"{host}/mounted/to:1")
    client.upload(source, lambda: [CONFIG], digest_of(CONFIG), size=len(CONFIG))
    assert client.mount(ref, digest_of(CONFIG), source.repository) and client.has_blob(ref, digest_of(CONFIG))
    assert not client.mount(ref, digest_of(LAYER), source.repository)
    assert client.verified_blob(ref, digest_of(CONFIG)) == CONFIG


@pytest.mark.parametrize("size", [16 << 20, 4 << 20])
def test_a_blob_in_ranges(host: str, client: PushClient, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("dagger_aml.oci.push._ONE_AND_RANGES", (float("inf"), size))
    client._most[("http", "localhost", int(host.rpartition(":")[2]))] = size
    data = LAYER + str(size).encode()
    ref = Reference.parse(f"{host}/ranges:1")
    client.upload(ref, lambda: [data], lambda: digest_of(data))
    with client.blob(ref, digest_of(data)) as stream:
        assert stream.read() == data


def test_what_a_registry_refuses(host: str, client: PushClient) -> None:
    ref = Reference.parse(f"{host}/refused:1")
    with pytest.raises(BuildError, match=r"did not take a blob: it answered 400 \(DIGEST_INVALID\)"):
        client.upload(ref, lambda: [CONFIG], digest_of(LAYER), size=len(CONFIG))
    raw = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}).encode()
    with pytest.raises(BuildError, match="did not take the manifest: it answered 400"):
        client.put_manifest(ref, raw, MANIFEST, tag="1")
    with pytest.raises(BuildError, match="has no such image"):
        client.manifest(ref)


def test_a_login(tmp_path: Path, need: Need, client: PushClient) -> None:
    need("docker-registry")
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    with own_registry(tmp_path, auth={"htpasswd": {"realm": "private", "path": str(tmp_path / "htpasswd")}}) as host:
        ref = Reference.parse(f"{host}/private/image:1")
        with pytest.raises(RegistryDenied, match="docker login"):
            client.upload(ref, lambda: [LAYER], digest_of(LAYER), size=len(LAYER))
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        with PushClient() as known:
            assert known.manifest_digest(ref) is None
            put(known, ref)


# --- in TLS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, need: Need) -> Certificates:
    """Of 127.0.0.1, where the proxy is, and of registry.example, where it leads to."""
    need("openssl")
    return certificates(tmp_path_factory.mktemp("tls"), "127.0.0.1,DNS:registry.example")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, need: Need, tls: Certificates) -> Iterator[int]:
    """The port of a registry in TLS."""
    need("docker-registry")
    with own_registry(
        tmp_path_factory.mktemp("secured"), tls={"certificate": str(tls.certificate), "key": str(tls.key)}
    ) as found:
        yield int(found.rpartition(":")[2])


@pytest.mark.parametrize("kind", ["http", "https"])
def test_in_tls_through_a_proxy(
    secured: int, tls: Certificates, client: PushClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An https proxy is itself talked to in TLS, and the registry in TLS within that."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca))
    ref = Reference.parse(f"registry.example/{kind}/image:1")
    with connect_proxy(secured, *((tls.certificate, tls.key) if kind == "https" else ())) as proxy:
        proxy.login = "Basic " + base64.b64encode(b"bob:hush").decode()
        monkeypatch.setenv("HTTPS_PROXY", f"{kind}://bob:hush@127.0.0.1:{proxy.port}")
        put(client, ref)
        with client.blob(ref, digest_of(LAYER)) as stream:
            assert stream.read() == LAYER
    assert proxy.asked == ["CONNECT registry.example:443 HTTP/1.1"], "one connection is kept for all"


def test_a_certificate_that_is_not_trusted(secured: int, client: PushClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with connect_proxy(secured) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(BuildError, match=r"certificate of registry\.example is not trusted"):
            client.manifest(Reference.parse("registry.example/x:1"))
