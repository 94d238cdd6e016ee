"""Asking a registry: what a tag's digest is, what an image's config says. Nothing is pushed here.

Credentials come from the docker config (``$DOCKER_CONFIG`` or ``~/.docker``) and its helpers, as every other tool
takes them. A registry at localhost or 127.* is asked over plain HTTP, as docker and Dagger do.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from attrs import frozen

from .errors import BuildError, DaggerAmlError, RegistryDenied, TryAgain
from .graph import From, parse_reference
from .result import Layer

if TYPE_CHECKING:
    import httpx

_MANIFESTS = ", ".join(
    f"application/vnd.{each}"
    for each in (
        "oci.image.index.v1+json",
        "oci.image.manifest.v1+json",
        "docker.distribution.manifest.list.v2+json",
        "docker.distribution.manifest.v2+json",
    )
)
_TRIES = 3


@frozen
class Registry:
    """One repository of a registry.

    :param host: as in references; ``docker.io`` for Docker Hub.
    :param tag: None when the reference has only a digest.
    """

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def of(cls, reference: str) -> Registry:
        """Split a reference as docker does: a first part with a dot, a port or ``localhost`` is the host.

        :raises GraphError: not a reference.
        """
        name, tag, digest = parse_reference(reference)
        first, slash, rest = name.partition("/")
        if not slash or not ("." in first or ":" in first or first == "localhost"):
            return cls("docker.io", name if slash else f"library/{name}", tag, digest)
        return cls(first, rest, tag, digest)

    @property
    def canonical(self) -> str:
        """The whole reference, with ``latest`` where no tag is said."""
        return f"{self.host}/{self.repository}:{self.tag or 'latest'}"

    @property
    def url(self) -> str:
        """Root of the repository's API."""
        host = "registry-1.docker.io" if self.host == "docker.io" else self.host
        plain = re.match(r"(localhost|127\.[0-9.]+|\[::1\])(:|$)", host)
        return f"{'http' if plain else 'https'}://{host}/v2/{self.repository}"


async def resolve_digest(base: From) -> str:
    """The digest that a base's tag has in its registry now; empty for one that lies on this machine without any.

    :raises RegistryDenied: 401 or 403. :raises BuildError: no such image. :raises TryAgain: unreachable or busy.
    """
    if base.digest or base.archive:
        return base.digest or ""
    at = Registry.of(base.reference)
    _, digest = await _get(at, f"manifests/{at.tag or 'latest'}", f"base {base.reference}")
    return digest


async def image_config(reference: str, digest: str | None, platform: str) -> dict[str, Any]:
    """The ``config`` object of an image's config: User, Env, OnBuild, Volumes, …

    Raises as :func:`resolve_digest`.
    """
    at = Registry.of(reference)
    where = f"base {reference}"
    manifest, _ = await _get(at, f"manifests/{digest or at.tag or 'latest'}", where)
    if "manifests" in manifest:
        manifest, _ = await _get(at, f"manifests/{_variant(manifest, platform, where)}", where)
    config, _ = await _get(at, f"blobs/{manifest['config']['digest']}", where)
    found: dict[str, Any] = config.get("config") or {}
    return found


async def platform_digest(reference: str, digest: str | None, platform: str) -> str:
    """The digest of an image's manifest for one platform, which may be another than that of its index.

    Raises as :func:`resolve_digest`.
    """
    at = Registry.of(reference)
    where = f"base {reference}"
    manifest, found = await _get(at, f"manifests/{digest or at.tag or 'latest'}", where)
    return _variant(manifest, platform, where) if "manifests" in manifest else digest or found


def _variant(index: dict[str, Any], platform: str, where: str) -> str:
    """The digest that an index has for a platform."""
    for each in index["manifests"]:
        has = each.get("platform", {})
        if [has.get("os"), has.get("architecture")] == platform.split("/")[:2]:
            return str(each["digest"])
    raise BuildError(f"the image has no variant for {platform}", step=where)


async def manifest_layers(reference: str, digest: str) -> tuple[str | None, tuple[Layer, ...]]:
    """Config digest and layers of a pushed image; nothing where this machine cannot ask the registry."""
    try:
        manifest, _ = await _get(Registry.of(reference), f"manifests/{digest}", reference)
        layers = tuple(Layer(each["digest"], each["size"]) for each in manifest["layers"])
        return manifest["config"]["digest"], layers
    except (DaggerAmlError, KeyError):
        return None, ()


async def download(reference: str, platform: str, folder: Path) -> None:
    """Write an image to a folder as an OCI layout that holds it alone; each file is held against its digest.

    :param folder: exists and is empty.
    :raises BuildError: no such image, none for the platform, or a blob that is not what its digest says.
    :raises RegistryDenied: 401 or 403. :raises TryAgain: unreachable or busy.
    """
    at, where = Registry.of(reference), f"image {reference}"
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    digest = await _saved(at, f"manifests/{at.digest or at.tag or 'latest'}", at.digest, blobs, where)
    manifest = json.loads((blobs / digest[7:]).read_bytes())
    if "manifests" in manifest:
        variant = _variant(manifest, platform, where)
        digest = await _saved(at, f"manifests/{variant}", variant, blobs, where)
        manifest = json.loads((blobs / digest[7:]).read_bytes())
    for each in (manifest["config"], *manifest["layers"]):
        if not (blobs / each["digest"][7:]).exists():
            await _saved(at, f"blobs/{each['digest']}", each["digest"], blobs, where)
    kind = manifest.get("mediaType", "application/vnd.oci.image.manifest.v1+json")
    described = {"mediaType": kind, "digest": digest, "size": (blobs / digest[7:]).stat().st_size}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


async def _saved(at: Registry, path: str, digest: str | None, blobs: Path, where: str) -> str:
    """Write what a repository has at a path to a file named after its digest, a little in memory at a time."""
    import httpx

    new = blobs / "new"
    headers = {"Accept-Encoding": "identity"} | ({"Accept": _MANIFESTS} if path.startswith("manifests/") else {})
    async with httpx.AsyncClient(timeout=httpx.Timeout(60, connect=10), follow_redirects=True) as client:
        for attempt in range(1, _TRIES + 1):
            try:
                status, found = await _streamed(client, at, path, headers, new)
                problem = f"it answered {status}"
                if status not in (429, 500, 502, 503, 504):
                    break
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            if attempt == _TRIES:
                raise _unreachable(at, problem, where)
            await anyio.sleep(0.5 * 2**attempt)
    _check_status(status, at, where)
    if digest and found != digest:
        raise BuildError(f"{at.host} sent something else than {digest}", step=where)
    new.rename(blobs / found[7:])
    return found


async def _streamed(
    client: httpx.AsyncClient, at: Registry, path: str, headers: dict[str, str], file: Path
) -> tuple[int, str]:
    """The status of the answer, and the digest of what was written."""
    async with client.stream("GET", f"{at.url}/{path}", headers=headers) as answer:
        if answer.status_code != 401 or "Authorization" in headers:
            total = hashlib.sha256()
            if answer.status_code == 200:
                with file.open("wb") as out:
                    async for chunk in answer.aiter_raw(1 << 20):
                        total.update(chunk)
                        out.write(chunk)
            return answer.status_code, f"sha256:{total.hexdigest()}"
    token = await _authorization(client, at, answer)
    return await _streamed(client, at, path, {**headers, "Authorization": token}, file)


def said_by_registry(text: str, where: str) -> DaggerAmlError | None:
    """The error that a builder's message about a registry means, or None when it is not about one."""
    host = re.search(r"https?://([^/\s\"]+)", text)
    at = f" ({host[1]})" if host else ""
    if re.search(r"\b401\b|unauthorized|authentication required|no basic auth", text, re.I):
        return _denied(401, where, at)
    if re.search(r"\b403\b|forbidden|denied", text, re.I) and re.search(
        r"regist|push|pull|manifest|token|http", text
    ):
        return _denied(403, where, at)
    busy = (
        r"\b429\b|toomanyrequests|\b50[0234]\b|Internal Server Error|connection refused|connection reset|no such host"
    )
    gone = r"i/o timeout|TLS handshake|\bEOF\b|network is unreachable|Temporary failure"
    if re.search(f"{busy}|{gone}", text, re.I) and re.search(r"https?://|dial tcp|regist", text):
        reason = re.search(
            r"(connection refused|connection reset|no such host|i/o timeout|\b429\b|\b50[0234]\b)", text
        )
        return TryAgain(
            f"the registry cannot be reached or is busy{at}: {reason[1] if reason else text.splitlines()[-1]}",
            where=where,
            do="Check the host and the network, then run the same command again.",
        )
    if re.search(r"not found|manifest unknown|name unknown|MANIFEST_UNKNOWN", text, re.I) and "base" in where:
        return BuildError(f"the registry has no such image{at}", step=where, do="Check the name and the tag.")
    return None


def _denied(status: int, where: str, at: str) -> RegistryDenied:
    return RegistryDenied(
        f"the registry refused{at}: {status}",
        where=where,
        do="Log in with `docker login HOST` or `az acr login -n NAME`; the docker config and its helpers are read.",
    )


async def _get(at: Registry, path: str, where: str) -> tuple[dict[str, Any], str]:
    """A JSON document of a repository and its digest."""
    import httpx

    headers = {"Accept": _MANIFESTS} if path.startswith("manifests/") else {}
    async with httpx.AsyncClient(timeout=httpx.Timeout(30, connect=10), follow_redirects=True) as client:
        for attempt in range(1, _TRIES + 1):
            try:
                answer = await client.get(f"{at.url}/{path}", headers=headers)
                if answer.status_code == 401:
                    token = await _authorization(client, at, answer)
                    answer = await client.get(f"{at.url}/{path}", headers={**headers, "Authorization": token})
                if answer.status_code not in (429, 500, 502, 503, 504):
                    break
                problem = f"it answered {answer.status_code}"
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            if attempt == _TRIES:
                raise _unreachable(at, problem, where)
            await anyio.sleep(0.5 * 2**attempt)
    _check_status(answer.status_code, at, where)
    try:
        return answer.json(), answer.headers.get("Docker-Content-Digest", "")
    except ValueError:
        raise BuildError(f"{at.host} did not answer as a registry does", step=where) from None


def _unreachable(at: Registry, problem: str, where: str) -> TryAgain:
    return TryAgain(
        f"the registry {at.host} cannot be reached or is busy: {problem}",
        where=where,
        do="Check the host and the network, then run the same command again.",
    )


def _check_status(status: int, at: Registry, where: str) -> None:
    if status in (401, 403):
        raise _denied(status, where, f" ({at.host})")
    if status == 404:
        raise BuildError(f"{at.host} has no such image", step=where, do="Check the name and the tag.")
    if status != 200:
        raise BuildError(f"{at.host} answered {status}", step=where)


async def _authorization(client: httpx.AsyncClient, at: Registry, answer: httpx.Response) -> str:
    """The Authorization header that a 401 asks for."""
    user, secret = await anyio.to_thread.run_sync(_credentials, at.host)
    challenge = answer.headers.get("WWW-Authenticate", "")
    basic = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode() if user else ""
    if not challenge.lower().startswith("bearer"):
        return basic
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    service, scope = fields.get("service", ""), fields.get("scope", f"repository:{at.repository}:pull")
    if user == "<token>":
        form = {"grant_type": "refresh_token", "refresh_token": secret, "service": service, "scope": scope}
        token = await client.post(fields["realm"], data=form)
    else:
        headers = {"Authorization": basic} if basic else {}
        token = await client.get(fields["realm"], params={"service": service, "scope": scope}, headers=headers)
    if token.status_code != 200:
        return basic
    found = token.json()
    return f"Bearer {found.get('token') or found.get('access_token')}"


def _credentials(host: str) -> tuple[str, str]:
    """User and secret for a host from the docker config; empty when there are none."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return "", ""
    keys = ["https://index.docker.io/v1/", "docker.io"] if host == "docker.io" else [host, f"https://{host}"]
    for key in keys:
        helper = config.get("credHelpers", {}).get(key) or config.get("credsStore")
        if helper:
            found = _ask_helper(helper, key)
            if found:
                return found
        entry = config.get("auths", {}).get(key, {})
        if entry.get("identitytoken"):
            return "<token>", entry["identitytoken"]
        if entry.get("auth"):
            user, _, secret = base64.b64decode(entry["auth"]).decode().partition(":")
            return user, secret
    return "", ""


def _ask_helper(helper: str, host: str) -> tuple[str, str] | None:
    try:
        answer = subprocess.run(
            [f"docker-credential-{helper}", "get"], input=host, capture_output=True, text=True, timeout=30, check=True
        )
        found = json.loads(answer.stdout)
        return found["Username"], found["Secret"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
