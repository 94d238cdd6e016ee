"""Fetching wheels: from the indexes that a build names, else from where the lock says; each checked by its digest.

Logins, certificates and proxies are those of the build's commands. They stand in no command line and no message.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from email.message import Message as Headers
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit

from attrs import field

from ..data import define
from ..errors import DaggerAmlError, RegistryDenied, TransientError
from ..graph.access import Access
from ..graph.wheel_files import Wheel
from ..network.ca import ca_bundle
from ..network.pip_conf import netrc, package_sources
from ..policy import DEFAULT, Policy
from ..text import named, redact_url
from ..version import __version__
from .index_page import ACCEPT, links, page_of

_CHUNK = 1 << 18

_LARGEST_PAGE = 64_000_000
"""Bytes of an index's page of one package; PyPI's largest has some 10 million."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """As urllib's own, but never from https to http. A login is not sent on: urllib drops what is not redirected."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Headers, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise HTTPError(req.full_url, code, "redirected to a URL without encryption", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


@define
class Fetcher:
    """Fetches wheels as a build's commands would.

    :param access: indexes, logins, certificates and proxies.
    :param cancelled: called now and then; raises where the work is to end.
    """

    access: Access
    policy: Policy = DEFAULT
    cancelled: Callable[[], object] = field(default=lambda: None)
    _sources: Mapping[str, list[str]] = field(init=False, repr=False)
    _logins: dict[str, tuple[str, str]] = field(init=False, repr=False)
    _tls: ssl.SSLContext = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._sources = package_sources(self.access)
        self._logins = _from_netrc(netrc(self.access)) if _has_netrc(self.access) else {}
        for name, urls in self._sources.items():
            for url in urls if name != "trusted-host" else ():
                parts = urlsplit(url)
                if parts.username is not None:
                    login = unquote(parts.username), unquote(parts.password or "")
                    self._logins.setdefault(_origin(url), login)
        import certifi

        self._tls = ssl.create_default_context()
        self._tls.load_verify_locations(certifi.where())
        if self.access.ca:
            self._tls.load_verify_locations(cadata=ca_bundle(self.access.ca).decode("ascii", "ignore"))

    def fetch(self, wheel: Wheel, into: Path) -> None:
        """Write a wheel to a file; whatever was found under its name is taken only with its digest.

        :raises RegistryDenied: an index wants a login. :raises TransientError: a host does not answer.
        :raises DaggerAmlError: nobody has the wheel, or what is there is another file.
        """
        last: DaggerAmlError | None = None
        for url in self._places(wheel):
            try:
                found = self._download(url, into)
            except _NotThere:
                continue
            if found == wheel.file.sha256:
                return
            into.unlink(missing_ok=True)
            last = DaggerAmlError(
                f"{wheel.file.filename} has another SHA-256 than its lock says: {found}",
                location=redact_url(url),
                hint="Somebody has replaced the file, or the lock is wrong. Lock again where you trust the index.",
            )
        raise last or DaggerAmlError(
            f"{wheel.file.filename} was not found",
            location=redact_url(wheel.file.url),
            hint=f"Name the index that has it: {named('index_url')} or {named('extra_index_url')}.",
        )

    def _places(self, wheel: Wheel) -> Iterator[str]:
        """Where it may be: at the indexes that the build names, then where the lock says."""
        wanted = wheel.file.filename, wheel.file.sha256
        for name in ("index-url", "extra-index-url", "find-links"):
            for index in self._sources.get(name, ()):
                page = _plain(index) if name == "find-links" else page_of(_plain(index), wheel.name)
                yield from self._listed(page, *wanted)
        yield wheel.file.url

    def _listed(self, page: str, filename: str, sha256: str) -> Iterator[str]:
        try:
            with self._open(page, {"Accept": ACCEPT}) as answer:
                kind, base, data = answer.headers.get_content_type(), answer.url, answer.read(_LARGEST_PAGE)
        except _NotThere:
            return
        for url, name, digest in links(data, kind):
            if name == filename and digest in ("", sha256):
                yield urljoin(base, url)

    def _download(self, url: str, into: Path) -> str:
        total = hashlib.sha256()
        with self._open(url, {"Accept": "*/*"}) as answer, into.open("wb") as file:
            size, seen = answer.headers.get("Content-Length", ""), 0
            while chunk := self._read(answer, url):
                self.cancelled()
                total.update(chunk)
                file.write(chunk)
                seen += len(chunk)
        if size.isdecimal() and seen < int(size):
            raise TransientError("the connection ended before the whole file was there", location=redact_url(url))
        return total.hexdigest()

    def _read(self, answer: HTTPResponse, url: str) -> bytes:
        try:
            return answer.read(_CHUNK)
        except (OSError, HTTPException) as error:
            raise _unreachable(url, error) from None

    def _open(self, url: str, headers: Mapping[str, str]) -> HTTPResponse:
        request = urllib.request.Request(url, headers={"User-Agent": f"dagger-aml/{__version__}", **headers})
        login = self._logins.get(_origin(url)) or self._logins.get(urlsplit(url).hostname or "")
        if login:
            coded = base64.b64encode(":".join(login).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {coded}")
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(self._proxies(request.host)),
            urllib.request.HTTPSHandler(context=self._tls),
            Redirects(),
        )
        try:
            answer: HTTPResponse = opener.open(request, timeout=self.policy.blob_idle_timeout_seconds)
            return answer
        except HTTPError as error:
            error.close()
            raise _refused(url, error) from None
        except (URLError, OSError, HTTPException) as error:
            raise _unreachable(url, getattr(error, "reason", error)) from None

    def _proxies(self, host: str) -> dict[str, str]:
        said = self.access
        if said.no_proxy and urllib.request.proxy_bypass_environment(host, {"no": said.no_proxy}):  # type: ignore[attr-defined]
            return {}
        own = {"http": said.http_proxy, "https": said.https_proxy}
        return {**urllib.request.getproxies(), **{scheme: url for scheme, url in own.items() if url}}


class _NotThere(Exception):
    """A host has no such file."""


def _refused(url: str, error: HTTPError) -> Exception:
    if error.code in (404, 410):
        return _NotThere()
    location = redact_url(url)
    if error.code in (401, 403):
        hint = (
            f"Give a login as a secret: {named('secret', 'id=netrc,src=~/.netrc')}, or id=pip with the index's URL."
        )
        return RegistryDenied(f"the package index refused access ({error.code})", location=location, hint=hint)
    if error.code in (408, 429) or error.code >= 500:
        return TransientError(f"the package index answered {error.code}", location=location)
    return DaggerAmlError(f"the package index answered {error.code} {error.reason}", location=location)


def _unreachable(url: str, reason: object) -> DaggerAmlError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = f"Name the certificates to trust: {named('ca', 'FILE')}."
        text = f"the package index's certificate is not trusted ({reason.verify_message})"
        return DaggerAmlError(text, location=redact_url(url), hint=hint)
    hint = f"Check the network, and the proxies: {named('https_proxy')}, {named('no_proxy')}."
    return TransientError(f"the package index cannot be reached ({reason})", location=redact_url(url), hint=hint)


def _has_netrc(access: Access) -> bool:
    return access.secret("netrc") is not None or access.secret("azure-artifacts") is not None


def _from_netrc(text: str) -> dict[str, tuple[str, str]]:
    """Logins by host, as Python's own reader of such files has them."""
    import netrc as reader

    with tempfile.NamedTemporaryFile("w", prefix="dagger-aml-", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            found = reader.netrc(file.name)
        except reader.NetrcParseError as error:
            raise DaggerAmlError(f"not a .netrc ({error.msg})", location=named("secret", "id=netrc")) from None
    hosts: Mapping[str, Any] = found.hosts
    return {host: (login, password or "") for host, (login, _, password) in hosts.items() if host != "default"}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{(parts.hostname or '')}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"


def _plain(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
