"""How the steps of a build reach what they install from: indexes, mirrors, proxies, CAs and secrets.

None of it gets into the image. Settings and secrets are files that a command sees and that no layer holds
(:class:`Mount`); proxies are the builder's own settings of a build. What decides the result, such as an index's URL,
is in the fingerprint by a mount's ``key``; values are not, nor proxies and CAs.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import quote, unquote, urlsplit

from attrs import Attribute, field, frozen

from .errors import UsageError
from .home import expanded

SECRET_IDS: Final[Mapping[str, str]] = {
    "pip": "a pip.conf, or an index URL with its credentials",
    "netrc": "a .netrc file",
    "azure-artifacts": "a token for Azure Artifacts feeds",
    "apt": "an apt auth.conf file (apt_auth.conf(5))",
}
"""The secrets that steps know, and what each holds; any other id is for commands of a recipe's own."""

LARGEST_SECRET: Final = 500 * 1024
"""Bytes; BuildKit takes no larger one."""

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_PATH = re.compile(r"(?:/[A-Za-z0-9._-]+)+\Z")
_URL = re.compile(r"https?://[^\s/@]+(?:/\S*)?\Z")

_PLAIN_URL = re.compile(r"[A-Za-z0-9._~:/-]+\Z")


class Secret:
    """A value that is mounted where a command needs it and shown nowhere.

    It cannot be printed, pickled or written as JSON; the value is read when a builder needs it.

    :param id: names it, for messages.
    :param read: gives the value; raises UsageError where it cannot.
    """

    __slots__ = ("_read", "id")

    def __init__(self, id: str, read: Callable[[], bytes]) -> None:
        if not _ID.match(id):
            raise UsageError(
                f"not an id of a secret: {id!r}", where="--secret", do="Lower-case letters, digits, dots and dashes."
            )
        self.id = id
        self._read = read

    @classmethod
    def of(cls, id: str, value: str | bytes) -> Secret:
        """A secret whose value is at hand."""
        data = value.encode() if isinstance(value, str) else value
        return cls(id, lambda: data)

    @classmethod
    def parse(cls, text: str, *, where: str = "--secret", root: Path | None = None) -> Secret:
        """Read ``id=ID,env=NAME`` or ``id=ID,src=FILE``, as buildx has it.

        :param root: what a relative file is relative to; the working directory unless given.
        :raises UsageError: something else; the value itself is not looked at yet.
        """
        said: dict[str, str] = {}
        for part in text.split(","):
            key, equals, value = part.partition("=")
            if not equals or not value or key in said:
                raise _not_a_secret(where)
            said[key] = value
        id, type_ = said.pop("id", ""), said.pop("type", None)
        source, variable = said.pop("src", None) or said.pop("source", None), said.pop("env", None)
        if said or not id or type_ not in (None, "file", "env") or (source is None) == (variable is None):
            raise _not_a_secret(where)
        if variable is not None:
            return cls(id, lambda: _from_variable(id, variable, where))
        assert source is not None
        path = (root or Path()) / expanded(source)
        return cls(id, lambda: _from_file(id, path, where))

    def reveal(self) -> bytes:
        """The value, for a builder alone.

        :raises UsageError: it cannot be read, or is larger than builders take.
        """
        value = self._read()
        if len(value) > LARGEST_SECRET:
            raise UsageError(f"the secret {self.id} is larger than {LARGEST_SECRET // 1024} KiB", where="--secret")
        return value

    def __repr__(self) -> str:
        return f"Secret({self.id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"the secret {self.id} cannot be written down")


def _not_a_secret(where: str) -> UsageError:
    # The text is not shown: it may be the value itself, given by mistake.
    return UsageError(
        "a secret is given as id=ID,env=NAME or id=ID,src=FILE",
        where=where,
        do="Its value is never written on the command line: `--secret id=pip,env=PIP_INDEX`.",
    )


def _from_variable(id: str, name: str, where: str) -> bytes:
    value = os.environ.get(name)
    if not value:
        raise UsageError(f"the secret {id} is to come from ${name}, which is not set", where=where)
    return value.encode()


def _from_file(id: str, path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"the secret {id} cannot be read from {path} ({error.strerror})", where=where) from None


@frozen
class Mount:
    """A file that a command sees and that no layer holds.

    :param id: names it among a build's files.
    :param path: where the command sees it: a new file in ``/run``.
    :param value: what it holds.
    :param key: what of it decides the result, such as an index's URL; empty for proxies, CAs and the like.
    :param variables: of the command, each set to the path.
    :param mode: 0o400, owned by the command's user; 0o444 for what is no secret.
    :param holds: what the file is, for whoever has to give it.
    """

    id: str = field()
    path: str = field()
    value: Secret = field(eq=False)
    key: str = ""
    variables: tuple[str, ...] = ()
    mode: int = 0o400
    holds: str = "a file"

    def __attrs_post_init__(self) -> None:
        if not _ID.match(self.id) or not _PATH.match(self.path):
            raise UsageError(f"not the id and path of a mount: {self.id!r}, {self.path!r}", where="Mount")

    @property
    def name(self) -> str:
        """The id, told apart by the key: what builders remember a command by, since they never look at the value."""
        import hashlib

        return f"{self.id}-{hashlib.sha256(self.key.encode()).hexdigest()[:12]}" if self.key else self.id


def check_url(url: str, what: str) -> str:
    """Return an index's or mirror's URL if it is one that may be seen.

    :raises UsageError: not http or https, or a password in it.
    """
    if "@" in urlsplit(url).netloc:
        raise UsageError(
            "a URL with a password or token in it would stay where it is written",
            where=what,
            do="Give it as a secret: `--secret id=pip,env=NAME`, NAME holding the URL with its credentials; or "
            "`--secret id=netrc,src=~/.netrc` beside the URL without them.",
        )
    if not _URL.match(url) or any(ord(char) < 33 or ord(char) == 127 for char in url):
        folder = what == "find_links" and "://" not in url
        do = "A folder of wheels is named in the requirements file, and travels with it: --find-links wheels"
        raise UsageError(f"not an http or https URL: {url!r}", where=what, do=do if folder else None)
    return url


def _optional_url(_: Any, attribute: Attribute[Any], url: str | None) -> None:
    if url is not None:
        check_url(url, attribute.name)


def _mirror(_: Any, attribute: Attribute[Any], url: str | None) -> None:
    if url is not None and not _PLAIN_URL.match(check_url(url, attribute.name)):
        raise UsageError(f"not the URL of a mirror: {url!r}", where=attribute.name)


def _urls(_: Any, attribute: Attribute[Any], urls: tuple[str, ...]) -> None:
    for url in urls:
        check_url(url, attribute.name)


def _no_proxy_value(_: Any, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and (not value.isprintable() or not value):
        raise UsageError("holds a character that no variable should", where=attribute.name)


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
    :param proxies: ``http_proxy``, ``https_proxy``, ``no_proxy``; given to every command of the build.
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
                raise UsageError(f"the secret {id} is given twice", where="--secret")

    def secret(self, id: str) -> Secret | None:
        """The secret of an id, if it was given."""
        return next((secret for secret in self.secrets if secret.id == id), None)

    @property
    def proxies(self) -> dict[str, str]:
        """Variables of every command, in both the spellings that programs read."""
        said = {"http_proxy": self.http_proxy, "https_proxy": self.https_proxy, "no_proxy": self.no_proxy}
        return {spelt: value for name, value in said.items() if value for spelt in (name, name.upper())}

    @property
    def indexes(self) -> tuple[str, ...]:
        """Every URL that packages may come from, as ``pip config`` would list them."""
        index = (f"index-url {self.index_url}",) if self.index_url else ()
        extra = (f"extra-index-url {url}" for url in self.extra_index_urls)
        return (*index, *extra, *(f"find-links {url}" for url in self.find_links))

    def sensitive(self) -> tuple[str, ...]:
        """What must not be seen in a builder's output, longest first: the secrets' values, line by line, and the
        passwords in them and in the proxies' URLs, as they are, decoded and encoded."""
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
    for match in re.finditer(r"://([^/\s@]*)@", text):
        user, _, password = match[1].partition(":")
        yield password or user
        yield unquote(password or user)
    for match in re.finditer(r"\bpassword\s+(\S+)", text):
        yield match[1]
        yield match[1].strip("\"'")


def hidden(text: str, sensitive: Iterable[str]) -> str:
    """A builder's output without what must not be seen."""
    for each in sensitive:
        if each in text:
            text = text.replace(each, "***")
    return text


# --- what commands see --------------------------------------------------------------------------------------------

_PLACE = "/run/dagger-aml."
"""In a folder that every base has, so that no builder leaves one behind."""

_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")


def pip_mounts(access: Access) -> tuple[Mount, ...]:
    """The files that a pip command sees: its settings, its indexes' logins, the CAs; none if nothing is said."""
    return (*_settings(access, "pip", "PIP_CONFIG_FILE", pip_conf), *_logins(access), *ca_mounts(access))


def uv_mounts(access: Access) -> tuple[Mount, ...]:
    """The same for a uv command."""
    return (*_settings(access, "uv", "UV_CONFIG_FILE", uv_toml), *_logins(access), *ca_mounts(access))


def apt_mounts(access: Access) -> tuple[Mount, ...]:
    """The files that an apt command sees: an apt.conf for logins and CAs, and the mirror's URL."""
    found: list[Mount] = []
    secret = access.secret("apt")
    if access.apt_mirror:
        value = Secret.of("apt-mirror", access.apt_mirror + "\n")
        holds = "one line, the URL of the apt mirror"
        found.append(Mount("apt-mirror", APT_MIRROR, value, access.apt_mirror, mode=0o444, holds=holds))
    if secret:
        found.append(Mount("apt", f"{_PLACE}apt-auth", secret, "secret apt", holds=SECRET_IDS["apt"]))
    if secret or access.ca:
        lines = [f'Dir::Etc::netrc "{_PLACE}apt-auth";'] if secret else []
        lines += [f'Acquire::https::CAInfo "{_PLACE}ca";'] if access.ca else []
        conf, holds = Secret.of("apt-conf", "\n".join(lines) + "\n"), "an apt.conf: " + " ".join(lines)
        path = f"{_PLACE}apt-conf"
        found.append(Mount("apt-conf", path, conf, variables=("APT_CONFIG",), mode=0o444, holds=holds))
    return (*found, *ca_mounts(access))


APT_MIRROR: Final = f"{_PLACE}apt-mirror"


def secret_mount(access: Access, id: str, *, variable: str = "") -> Mount:
    """The file that a command of a recipe's own sees: the secret of an id, in ``/run/dagger-aml.ID``.

    :param variable: of the command, set to that path.
    :raises UsageError: the secret was not given.
    """
    secret = access.secret(id)
    if secret is None:
        raise UsageError(
            f"the recipe needs the secret {id}",
            where="--secret",
            do=f"Give it: --secret id={id},env=NAME or src=FILE.",
        )
    variables = (variable,) if variable else ()
    return Mount(id, f"{_PLACE}{id}", secret, f"secret {id}", variables, holds=f"the secret {id}")


def ca_mounts(access: Access) -> tuple[Mount, ...]:
    """The certificates to trust, for any command: certifi's and the file's in one bundle."""
    path = access.ca
    if path is None:
        return ()
    value, holds = Secret("ca", lambda: ca_bundle(path)), "certificates in PEM, the public ones among them"
    return (Mount("ca", f"{_PLACE}ca", value, variables=_CA_VARIABLES, mode=0o444, holds=holds),)


def ca_bundle(path: Path) -> bytes:
    """Public certificates and those of a file.

    :raises UsageError: unreadable, or no certificate in it.
    """
    import certifi

    own = check_ca(path)
    return certifi.contents().encode() + b"\n" + own


def check_ca(path: Path) -> bytes:
    """The certificates of a file in PEM.

    :raises UsageError: unreadable, or no certificate in it; a private key in it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", where=f"--ca {path}") from None
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise UsageError(
            "holds no certificate in PEM form",
            where=f"--ca {path}",
            do="Convert it: openssl x509 -inform der -in FILE",
        )
    if b"PRIVATE KEY-----" in data:
        raise UsageError("holds a private key; give the certificates alone", where=f"--ca {path}")
    return data


def _settings(access: Access, id: str, variable: str, make: Callable[[Access], str]) -> tuple[Mount, ...]:
    secret = access.secret("pip")
    if not access.indexes and not secret:
        return ()
    key = "\n".join((*access.indexes, *(("secret pip",) if secret else ())))
    value, holds = Secret(id, lambda: make(access).encode()), {"pip": "a pip.conf", "uv": "a uv.toml"}[id]
    shown = ", ".join(access.indexes)
    return (Mount(id, f"{_PLACE}{id}", value, key, (variable,), holds=f"{holds}{': ' * bool(shown)}{shown}"),)


def _logins(access: Access) -> tuple[Mount, ...]:
    ids = [id for id in ("netrc", "azure-artifacts") if access.secret(id)]
    if not ids:
        return ()
    value = Secret("netrc", lambda: netrc(access).encode())
    key = " ".join(["secret", *ids])
    return (Mount("netrc", f"{_PLACE}netrc", value, key, ("NETRC",), holds="a .netrc with the indexes' logins"),)


def _said(access: Access) -> dict[str, list[str]]:
    """pip's settings of where packages come from: the secret's, and over them what was said in the open.

    :raises UsageError: the secret is neither a pip.conf nor a URL.
    """
    found: dict[str, list[str]] = {}
    secret = access.secret("pip")
    if secret:
        found = _from_secret(secret.reveal().decode("utf-8", "replace").strip())
    if access.index_url and not _same_place(access.index_url, found.get("index-url", [])):
        found["index-url"] = [access.index_url]
    for name, urls in (("extra-index-url", access.extra_index_urls), ("find-links", access.find_links)):
        found[name] = found.get(name, []) + [url for url in urls if not _same_place(url, found.get(name, []))]
    return {name: urls for name, urls in found.items() if urls}


def _from_secret(text: str) -> dict[str, list[str]]:
    if re.match(r"https?://\S+\Z", text):
        return {"index-url": [text]}
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        parser = configparser.RawConfigParser()
    if not parser.sections():
        raise UsageError(
            "the secret pip is neither a pip.conf ([global] index-url = …) nor an index URL", where="--secret id=pip"
        )
    found: dict[str, list[str]] = {}
    for section in ("global", "install"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            if name.replace("_", "-") in ("index-url", "extra-index-url", "find-links", "trusted-host"):
                found[name.replace("_", "-")] = value.split()
    return found


def _same_place(url: str, urls: Iterable[str]) -> bool:
    """Whether one of the secret's URLs is this one with a login."""
    return any(re.sub(r"://[^/@]*@", "://", each).rstrip("/") == url.rstrip("/") for each in urls)


def pip_conf(access: Access) -> str:
    """The pip.conf that a pip command sees."""
    lines = [f"{name} = " + "\n    ".join(urls) for name, urls in _said(access).items()]
    return "\n".join(["[global]", *lines]) + "\n"


def uv_toml(access: Access) -> str:
    """The uv.toml that a uv command sees."""
    import json

    said = _said(access)
    lines = [f"find-links = {json.dumps(said['find-links'])}"] if "find-links" in said else []
    lines += [f"allow-insecure-host = {json.dumps(said['trusted-host'])}"] if "trusted-host" in said else []
    for url in said.get("extra-index-url", []):
        lines += ["[[index]]", f"url = {json.dumps(url)}"]
    for url in said.get("index-url", []):
        lines += ["[[index]]", f"url = {json.dumps(url)}", "default = true"]
    return "\n".join(lines) + "\n"


_AZURE = re.compile(r"(?:[a-z0-9-]+\.)*(?:dev\.azure\.com|visualstudio\.com)\Z")


def netrc(access: Access) -> str:
    """The logins of a build's indexes as a .netrc file.

    :raises UsageError: a token for Azure Artifacts, and no index there.
    """
    own, token = access.secret("netrc"), access.secret("azure-artifacts")
    lines = [own.reveal().decode("utf-8", "replace").rstrip("\n")] if own else []
    if token:
        urls = (*([access.index_url] if access.index_url else []), *access.extra_index_urls, *access.find_links)
        hosts = {host for url in urls if _AZURE.match(host := urlsplit(url).hostname or "")}
        if not hosts:
            raise UsageError(
                "no index is an Azure Artifacts feed",
                where="--secret id=azure-artifacts",
                do="Name the feed: --index-url https://pkgs.dev.azure.com/ORGANIZATION/_packaging/FEED/pypi/simple/",
            )
        password = token.reveal().decode("utf-8", "replace").strip()
        lines += [f"machine {host} login azure-artifacts password {password}" for host in sorted(hosts)]
    return "\n".join(lines) + "\n"
