"""Addresses of Dagger engines, as ``--engine`` and ``$_EXPERIMENTAL_DAGGER_RUNNER_HOST`` take them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ...errors import UsageError

TESTED = ("unix", "tcp")
"""The schemes that the tests go through; Dagger's command line knows more, which it gets as they are."""


def check_address(address: str, where: str = "--engine") -> None:
    """Raise unless an address can be one of an engine; nothing is asked of anybody.

    The text of the address is not repeated: it may hold a password.

    :param where: the flag or the parameter that gave it.
    :raises UsageError: it is no address, or one of a tested scheme that is not complete.
    """
    said = _fault(address)
    if said:
        raise UsageError(said, where=where, do="Write unix:///run/dagger/engine.sock or tcp://HOST:PORT.")


def untested(address: str) -> str | None:
    """What is to be said of an address whose scheme no test goes through, or None."""
    scheme = urlsplit(address).scheme
    if scheme in TESTED:
        return None
    return f"engines by {scheme}:// are not tested here; the address goes to Dagger as it is"


def _fault(address: str) -> str | None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", address) or not address.isprintable():
        return "not an engine's address: SCHEME://… is wanted"
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        return "not an engine's address: its host or port cannot be read"
    if url.scheme == "unix" and (url.netloc or len(url.path) < 2):
        return "unix:// takes an absolute path, so three slashes"
    if url.scheme == "tcp":
        if not url.hostname or not port:
            return "tcp:// takes a host and a port"
        if "@" in url.netloc or url.path or url.query or url.fragment:
            return "tcp:// takes nothing but a host and a port"
    return None
