"""Asking a registry: what a tag's digest is, what an image's config says. Nothing is pushed here.

Credentials come from the docker config (``$DOCKER_CONFIG`` or ``~/.docker``) and its helpers, as every other tool
takes them. A registry at localhost or 127.* is asked over plain HTTP and without a proxy, as docker and Dagger do.
Questions are asked again where that may help, and how long each try may take the :mod:`~dagger_aml.policy` says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from ..errors import BuildError, DaggerAmlError, TransientError, UsageError
from ..events import OnEvent, ignore
from ..graph.base import From
from ..policy import DEFAULT, Policy, retry
from ..text import redact_url
from .credentials import credentials
from .messages import LATER, denied_by
from .model import Layer
from .reference import Reference

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


_BUSY = (429, 500, 502, 503, 504)


async def resolve_digest(
    base: From, on_event: OnEvent = ignore, policy: Policy = DEFAULT, *, timeout_seconds: float = math.inf
) -> str:
    """The digest that a base's tag has in its registry now; empty for one that lies on this machine without any.

    :param on_event: told when it is asked again, here and below.
    :param timeout_seconds: for each try to be over; one that takes longer is the last. Besides what the policy says
        of connections and answers.
    :raises RegistryDenied: 401 or 403. :raises BuildError: no such image.
    :raises TransientError: unreachable or busy.
    """
    if base.digest or base.archive:
        return base.digest or ""
    at = Reference.parse(base.reference)
    _, digest = await _get(
        at, f"manifests/{at.tag or 'latest'}", f"base {base.reference}", on_event, policy, timeout_seconds
    )
    return digest


async def image_config(
    reference: str,
    digest: str | None,
    platform: str,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
    *,
    timeout_seconds: float = math.inf,
) -> dict[str, Any]:
    """The ``config`` object of an image's config: User, Env, OnBuild, Volumes, …

    Raises as :func:`resolve_digest`.
    """
    at = Reference.parse(reference)
    location = f"base {reference}"
    get = partial(_get, at, location=location, on_event=on_event, policy=policy, timeout_seconds=timeout_seconds)
    manifest, _ = await get(f"manifests/{digest or at.tag or 'latest'}")
    if "manifests" in manifest:
        manifest, _ = await get(f"manifests/{_variant(manifest, platform, location)}")
    try:
        blob = manifest["config"]["digest"]
    except (KeyError, TypeError):
        raise _no_registry(at, location) from None
    config, _ = await get(f"blobs/{blob}")
    found: dict[str, Any] = config.get("config") or {}
    return found


async def platform_digest(
    reference: str,
    digest: str | None,
    platform: str,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
    *,
    timeout_seconds: float = math.inf,
) -> str:
    """The digest of an image's manifest for one platform, which may be another than that of its index.

    Raises as :func:`resolve_digest`.
    """
    at = Reference.parse(reference)
    location = f"base {reference}"
    path = f"manifests/{digest or at.tag or 'latest'}"
    manifest, found = await _get(at, path, location, on_event, policy, timeout_seconds)
    return _variant(manifest, platform, location) if "manifests" in manifest else digest or found


def _variant(index: dict[str, Any], platform: str, location: str) -> str:
    """The digest that an index has for a platform."""
    for each in index["manifests"]:
        has = each.get("platform", {})
        if [has.get("os"), has.get("architecture")] == platform.split("/")[:2]:
            return str(each["digest"])
    raise BuildError(f"the image has no variant for {platform}", location=location)


async def manifest_layers(
    reference: str, digest: str, on_event: OnEvent = ignore, policy: Policy = DEFAULT
) -> tuple[str | None, tuple[Layer, ...]]:
    """Config digest and layers of a pushed image; nothing where this machine cannot ask the registry."""
    within = policy.lookup_timeout_seconds
    try:
        at = Reference.parse(reference)
        manifest, _ = await _get(at, f"manifests/{digest}", reference, on_event, policy, within)
        layers = tuple(Layer(each["digest"], each["size"]) for each in manifest["layers"])
        return manifest["config"]["digest"], layers
    except (DaggerAmlError, KeyError):
        return None, ()


async def download(
    reference: str, platform: str, folder: Path, on_event: OnEvent = ignore, policy: Policy = DEFAULT
) -> None:
    """Write an image to a folder as an OCI layout that holds it alone; each file is held against its digest.

    :param folder: exists and is empty.
    :raises BuildError: no such image, none for the platform, or a blob that is not what its digest says.
    :raises RegistryDenied: 401 or 403. :raises TransientError: unreachable or busy.
    """
    at, location = Reference.parse(reference), f"image {reference}"
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    save = partial(_saved, at, blobs=blobs, location=location, on_event=on_event, policy=policy)
    digest = await save(f"manifests/{at.digest or at.tag or 'latest'}", at.digest)
    manifest = json.loads((blobs / digest[7:]).read_bytes())
    if "manifests" in manifest:
        variant = _variant(manifest, platform, location)
        digest = await save(f"manifests/{variant}", variant)
        manifest = json.loads((blobs / digest[7:]).read_bytes())
    for each in (manifest["config"], *manifest["layers"]):
        if not (blobs / each["digest"][7:]).exists():
            await save(f"blobs/{each['digest']}", each["digest"])
    kind = manifest.get("mediaType", "application/vnd.oci.image.manifest.v1+json")
    described = {"mediaType": kind, "digest": digest, "size": (blobs / digest[7:]).stat().st_size}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


async def _saved(
    at: Reference, path: str, digest: str | None, *, blobs: Path, location: str, on_event: OnEvent, policy: Policy
) -> str:
    """Write what a repository has at a path to a file named after its digest, a little in memory at a time."""
    new, found = blobs / "new", ""
    headers = {"Accept-Encoding": "identity"} | ({"Accept": _MANIFESTS} if path.startswith("manifests/") else {})

    async def once(client: httpx.AsyncClient) -> httpx.Response:
        nonlocal found
        answer, found = await _streamed(client, at, path, headers, new, location)
        return answer

    await _answered(at, location, once, on_event, policy, idle=policy.blob_idle_timeout_seconds)
    if digest and found != digest:
        raise BuildError(f"{at.host} sent content that does not match {digest}", location=location)
    new.rename(blobs / found[7:])
    return found


async def _streamed(
    client: httpx.AsyncClient, at: Reference, path: str, headers: dict[str, str], file: Path, location: str
) -> tuple[httpx.Response, str]:
    """The answer, and the digest of what was written."""
    async with client.stream("GET", f"{at.url}/{path}", headers=headers) as answer:
        if answer.status_code != 401 or "Authorization" in headers:
            total = hashlib.sha256()
            if answer.status_code == 200:
                with file.open("wb") as out:
                    async for chunk in answer.aiter_raw(1 << 20):
                        total.update(chunk)
                        out.write(chunk)
            return answer, f"sha256:{total.hexdigest()}"
    token = await _authorization(client, at, answer, location)
    return await _streamed(client, at, path, {**headers, "Authorization": token}, file, location)


async def _get(
    at: Reference, path: str, location: str, on_event: OnEvent, policy: Policy, timeout_seconds: float
) -> tuple[dict[str, Any], str]:
    """A JSON document of a repository and its digest."""
    headers = {"Accept": _MANIFESTS} if path.startswith("manifests/") else {}

    async def once(client: httpx.AsyncClient) -> httpx.Response:
        answer = await client.get(f"{at.url}/{path}", headers=headers)
        if answer.status_code == 401:
            token = await _authorization(client, at, answer, location)
            answer = await client.get(f"{at.url}/{path}", headers={**headers, "Authorization": token})
        return answer

    answer = await _answered(at, location, once, on_event, policy, timeout_seconds=timeout_seconds)
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _no_registry(at, location)
    return document, answer.headers.get("Docker-Content-Digest", "")


async def _answered(
    at: Reference,
    location: str,
    once: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]],
    on_event: OnEvent,
    policy: Policy,
    *,
    idle: float | None = None,
    timeout_seconds: float = math.inf,
) -> httpx.Response:
    """The answer 200 to a question; asked up to three times where connections fail, and after 429 and 5xx.

    :param idle: seconds that may pass between two parts of an answer; as long as for its beginning unless given.
    :param timeout_seconds: for each try; where one takes longer, none follows.
    :raises RegistryDenied, BuildError, TransientError: there is none.
    """
    import httpx

    async def request() -> httpx.Response:
        try:
            with anyio.fail_after(timeout_seconds):
                answer = await once(client)
        except httpx.TransportError as error:
            raise _unreachable(at, error, location) from None
        except TimeoutError:
            problem = f"the registry {at.host} does not answer within {timeout_seconds:.0f} s"
            raise TransientError(problem, location=location, hint=LATER, after=None) from None
        _check_busy(answer, at, location)
        return answer

    try:
        async with _client(at, policy, idle or policy.answer_timeout_seconds) as client:
            answer = await retry(request, on_event, policy)
    except (httpx.RequestError, httpx.InvalidURL):
        raise _no_registry(at, location) from None
    _check_status(answer.status_code, at, location)
    return answer


def _client(at: Reference, policy: Policy, idle: float) -> httpx.AsyncClient:
    """Asks a registry, by the proxy and with the certificates that the environment names.

    :raises UsageError: it names what cannot be used.
    """
    import httpx

    timeout = httpx.Timeout(idle, connect=policy.connect_timeout_seconds)
    try:
        return httpx.AsyncClient(timeout=timeout, follow_redirects=True, trust_env=not at.is_here)
    except OSError as error:
        raise UsageError(
            f"certificates cannot be read ({error.strerror or error})", location="$SSL_CERT_FILE, $SSL_CERT_DIR"
        ) from None
    except (ImportError, ValueError, httpx.InvalidURL):
        names = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
        wrong = [
            name for name in names if not re.match(r"(https?://)?[^\s/:]+(:\d+)?/?\Z", redact_url(os.environ[name]))
        ]
        raise UsageError(
            f"{at.host} cannot be reached with this proxy setting",
            location=", ".join(f"${name}" for name in wrong or names),
            hint="Give http://HOST:PORT, or unset it. SOCKS proxies are not supported.",
        ) from None


def _proxy(at: Reference) -> str | None:
    """The variable by whose proxy a registry is asked; None where it is asked directly."""
    from urllib.request import proxy_bypass

    if at.is_here or proxy_bypass(at.url.split("/")[2]):
        return None
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), None)


def _unreachable(at: Reference, error: httpx.TransportError, location: str) -> DaggerAmlError:
    import httpx

    problem = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in problem:
        return BuildError(
            f"the certificate of {at.host} is not trusted",
            location=location,
            hint="Set $SSL_CERT_FILE to the file of your company's certificates (docs/howto-proxy-ca.md).",
        )
    variable = _proxy(at)
    if variable:
        return TransientError(
            f"the registry {at.host} cannot be reached through the proxy {redact_url(os.environ[variable])} of "
            f"${variable}: {problem}",
            location=location,
            hint=f"Correct or unset ${variable}, or name {at.host} in $NO_PROXY.",
        )
    return TransientError(
        f"the registry {at.host} cannot be reached or is busy: {problem}", location=location, hint=LATER
    )


def _check_busy(answer: httpx.Response, at: Reference, location: str) -> None:
    status = answer.status_code
    if status not in _BUSY:
        return
    after = answer.headers.get("Retry-After", "")
    seconds = float(after) if after.isdecimal() else 0.0
    said = "it asks to slow down (429)" if status == 429 else f"it answered {status}"
    message = f"the registry {at.host} cannot be reached or is busy: {said}"
    raise TransientError(
        f"{message}, and asks to wait {after} s" if seconds else message, location=location, hint=LATER, after=seconds
    )


def _no_registry(at: Reference, location: str) -> BuildError:
    return BuildError(
        f"{at.host} did not answer like a registry",
        location=location,
        hint="Check the host. A proxy or a login page may have answered instead.",
    )


def _check_status(status: int, at: Reference, location: str) -> None:
    if status in (401, 403):
        raise denied_by(status, location, at.host)
    if status == 404:
        raise BuildError(f"{at.host} has no such image", location=location, hint="Check the name and the tag.")
    if status != 200:
        raise BuildError(f"{at.host} answered {status}", location=location)


async def _authorization(client: httpx.AsyncClient, at: Reference, answer: httpx.Response, location: str) -> str:
    """The Authorization header that a 401 asks for.

    :raises TransientError: the place that gives tokens is busy.
    """
    user, secret = await anyio.to_thread.run_sync(credentials, at.host)
    challenge = answer.headers.get("WWW-Authenticate", "")
    basic = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode() if user else ""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if not challenge.lower().startswith("bearer") or "realm" not in fields:
        return basic
    service, scope = fields.get("service", ""), fields.get("scope", f"repository:{at.repository}:pull")
    if user == "<token>":
        form = {"grant_type": "refresh_token", "refresh_token": secret, "service": service, "scope": scope}
        token = await client.post(fields["realm"], data=form)
    else:
        headers = {"Authorization": basic} if basic else {}
        token = await client.get(fields["realm"], params={"service": service, "scope": scope}, headers=headers)
    _check_busy(token, at, location)
    if token.status_code != 200:
        return basic
    try:
        found = token.json()
        return f"Bearer {found.get('token') or found.get('access_token')}"
    except (ValueError, AttributeError):
        raise _no_registry(at, location) from None
