"""The proxy by which dagger-aml itself asks: what the environment names, as every other program takes it."""

from __future__ import annotations

import base64
import os

from attrs import field

from ..data import frozen
from ..errors import UsageError

_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@frozen
class Proxy:
    """Where connections are asked for.

    :param variable: that names it; empty where the operating system's own settings do.
    :param tls: whether it is itself talked to in TLS.
    :param login: the value of Proxy-Authorization; empty where it wants none.
    """

    host: str
    port: int
    variable: str = ""
    tls: bool = False
    login: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """What messages call it, without its login."""
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}"


def proxy_of(host: str, port: int) -> Proxy | None:
    """The proxy by which a host is asked over HTTPS; None where it is asked directly (``NO_PROXY``).

    :param host: without brackets, if it is an IPv6 address.
    :raises UsageError: the environment names what is no HTTP proxy.
    """
    from urllib.parse import unquote, urlsplit
    from urllib.request import getproxies, proxy_bypass

    known = getproxies()
    value = known.get("https") or known.get("all")
    direct = [each.strip() for each in known.get("no", "").split(",")]
    if not value or "*" in direct or proxy_bypass(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"):
        return None
    variable = next((name for name in _VARIABLES if os.environ.get(name)), "")
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        raise _wrong(host, variable) from None
    if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/") or url.query:
        raise _wrong(host, variable)
    user = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
    login = "" if user == ":" else f"Basic {base64.b64encode(user.encode()).decode()}"
    return Proxy(url.hostname, port, variable, url.scheme == "https", login)


def _wrong(host: str, variable: str) -> UsageError:
    return UsageError(
        f"{host} cannot be reached with this proxy setting",
        location=f"${variable}" if variable else "the system's proxy settings",
        hint="Give http://HOST:PORT, or unset it. SOCKS proxies are not supported.",
    )
