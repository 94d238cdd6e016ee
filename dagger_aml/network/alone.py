"""Settings for a pip that runs on this machine, whose own files may name indexes too: none of these counts."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from ..graph.access import Access
from ..text import pattern
from .pip_conf import netrc, package_sources

_SOURCES = ("index-url", "extra-index-url", "find-links", "trusted-host")
_IN_NETRC = pattern(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%^-]+\Z")
"""A user or password that every reader of a .netrc takes for the same."""


def pip_conf_alone(access: Access) -> str:
    """The pip.conf by which pip takes packages from what was said, and from nowhere else.

    What was not said stands there empty, in both sections that ``pip install`` reads: pip merges its files setting by
    setting. Logins are in :func:`netrc_alone` where they can be.
    """
    said, moved = package_sources(access), _logins(access)
    plain = {name: [_plain(url) if _host(url) in moved else url for url in said.get(name, [])] for name in _SOURCES}
    lines = [f"{name} = " + "\n    ".join(urls) for name, urls in plain.items()]
    lines.append("no-index =")
    return "\n".join(["[global]", *lines, "[install]", *lines]) + "\n"


def netrc_alone(access: Access) -> str:
    """The logins of :func:`~dagger_aml.network.pip_conf.netrc`, and those of the URLs.

    :raises UsageError: as that one.
    """
    lines = [
        f"machine {host} login {user} password {password}\n" for host, (user, password) in _logins(access).items()
    ]
    return netrc(access) + "".join(lines)


def _logins(access: Access) -> dict[str, tuple[str, str]]:
    """User and password of each host whose URLs have one login, if a .netrc can hold it and has no other for it.

    pip gives the URLs of its indexes as arguments to the pips that prepare the build of source archives, and
    everybody on a machine may read those.
    """
    if access.secret("netrc") or access.secret("azure-artifacts"):
        return {}
    found: dict[str, set[tuple[str, str]]] = {}
    for name, urls in package_sources(access).items():
        for url in urls if name != "trusted-host" else ():
            login, at, _ = urlsplit(url).netloc.rpartition("@")
            user, _, password = login.partition(":")
            if at:
                found.setdefault(_host(url), set()).add((unquote(user), unquote(password)))
    single = {host: next(iter(logins)) for host, logins in found.items() if len(logins) == 1}
    return {host: login for host, login in single.items() if all(_IN_NETRC.match(each) for each in login)}


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _plain(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
