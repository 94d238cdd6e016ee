"""How the steps of a build reach what they install from: indexes, mirrors, proxies, CAs and secrets, as data.

None of it gets into the image. What decides the result, such as an index's URL, is in the runtime key by a mount's
``key``; values are not, nor proxies and CAs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import Attribute, field

from ..data import frozen
from ..errors import UsageError
from ..text import named, pattern, redact_url

if TYPE_CHECKING:
    from .mount import Secret

_URL = pattern(r"https?://[^\s/@]+(?:/\S*)?\Z")


_PLAIN_URL = pattern(r"[A-Za-z0-9._~:/-]+\Z")


def check_url(url: str, what: str) -> str:
    """Return an index's or mirror's URL if it is one that may be seen.

    :raises UsageError: not http or https, or a password in it.
    """
    from urllib.parse import urlsplit

    try:
        has_login = "@" in urlsplit(url).netloc
    except ValueError as error:
        raise UsageError(f"not an http or https URL: {redact_url(url)!r} ({error})", location=what) from None
    if has_login:
        raise UsageError(
            "a URL with a password or token would be stored in plain text",
            location=what,
            hint=f"Give it as a secret: `{named('secret', 'id=pip,env=NAME')}`, where NAME contains the URL with "
            "its credentials; or give the URL without credentials and add "
            f"`{named('secret', 'id=netrc,src=~/.netrc')}`.",
        )
    if not _URL.match(url) or any(ord(char) < 33 or ord(char) == 127 for char in url):
        folder = what == "find_links" and "://" not in url
        hint = (
            "Name a folder of wheels in the requirements file (--find-links wheels). It is copied into the build "
            "with that file."
        )
        raise UsageError(f"not an http or https URL: {url!r}", location=what, hint=hint if folder else None)
    return url


def _optional_url(_: Any, attribute: Attribute[Any], url: str | None) -> None:
    if url is not None:
        check_url(url, attribute.name)


def _mirror(_: Any, attribute: Attribute[Any], url: str | None) -> None:
    if url is not None and not _PLAIN_URL.match(check_url(url, attribute.name)):
        raise UsageError(f"not the URL of a mirror: {url!r}", location=attribute.name)


def _urls(_: Any, attribute: Attribute[Any], urls: tuple[str, ...]) -> None:
    for url in urls:
        check_url(url, attribute.name)


def _no_proxy_value(_: Any, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and (not value.isprintable() or not value):
        raise UsageError("contains a character that is not allowed in a variable", location=attribute.name)


def _tuple(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


def _secrets(values: Iterable[Secret]) -> tuple[Secret, ...]:
    return tuple(values)


@frozen
class Access:
    """How a build's commands reach what they install from.

    :param index_url: of pip's index, in place of PyPI; without credentials.
    :param extra_index_urls: looked at beside it.
    :param find_links: URLs of pages with archives.
    :param apt_mirror: what replaces the archive's URL in the base's apt sources.
    :param http_proxy: given to every command of the build, as the next two are.
    :param https_proxy: a URL; one with a login is not shown.
    :param no_proxy: hosts that are reached without a proxy.
    :param ca: certificates in PEM that commands trust beside the public ones (those of certifi).
    :param secrets: by their ids.
    """

    index_url: str | None = field(default=None, validator=_optional_url)
    extra_index_urls: tuple[str, ...] = field(default=(), converter=_tuple, validator=_urls)
    find_links: tuple[str, ...] = field(default=(), converter=_tuple, validator=_urls)
    apt_mirror: str | None = field(default=None, validator=_mirror)
    http_proxy: str | None = field(default=None, validator=_no_proxy_value, repr=False)
    https_proxy: str | None = field(default=None, validator=_no_proxy_value, repr=False)
    no_proxy: str | None = field(default=None, validator=_no_proxy_value)
    ca: Path | None = None
    secrets: tuple[Secret, ...] = field(default=(), converter=_secrets)

    def __attrs_post_init__(self) -> None:
        ids = [secret.id for secret in self.secrets]
        for id in ids:
            if ids.count(id) > 1:
                raise UsageError(f"the secret {id} is given twice", location=named("secret"))

    def secret(self, id: str) -> Secret | None:
        """The secret of an id, if it was given."""
        return next((secret for secret in self.secrets if secret.id == id), None)

    @property
    def proxies(self) -> dict[str, str]:
        """Variables of every command, in both the spellings that programs read."""
        said = {"http_proxy": self.http_proxy, "https_proxy": self.https_proxy, "no_proxy": self.no_proxy}
        return {spelt: value for name, value in said.items() if value for spelt in (name, name.upper())}

    @property
    def sources(self) -> tuple[tuple[str, str], ...]:
        """Every URL that packages may come from, each after what pip calls it."""
        index = (("index-url", self.index_url),) if self.index_url else ()
        extra = (("extra-index-url", url) for url in self.extra_index_urls)
        return (*index, *extra, *(("find-links", url) for url in self.find_links))

    @property
    def indexes(self) -> tuple[str, ...]:
        """The same, as ``pip config`` would list them."""
        return tuple(f"{what} {url}" for what, url in self.sources)

    def sensitive(self) -> tuple[str, ...]:
        """What must not be seen in a builder's output, longest first: the secrets' values, line by line, and the
        passwords in them and in the proxies' URLs, as they are, decoded and encoded."""
        import base64
        from urllib.parse import quote

        found: set[str] = set()
        for secret in self.secrets:
            text = secret.reveal().decode("utf-8", "replace")
            found.update(line.strip() for line in text.splitlines())
            found.update(_passwords(text))
        for url in (self.http_proxy, self.https_proxy):
            found.update(_passwords(url or ""))
        plain = {each for each in found if len(each) >= _SHORTEST}
        coded = {base64.b64encode(each.encode()).decode() for each in plain}
        return tuple(sorted(plain | coded | {quote(each, safe="") for each in plain}, key=len, reverse=True))


_SHORTEST = 4
"""Characters of what is hidden in output; less is found by chance in everything."""


def _passwords(text: str) -> Iterator[str]:
    from urllib.parse import unquote

    for match in re.finditer(r"://([^/\s@]*)@", text):
        user, _, password = match[1].partition(":")
        yield password or user
        yield unquote(password or user)
    for match in re.finditer(r"\bpassword\s+(\S+)", text):
        yield match[1]
        yield match[1].strip("\"'")
