"""Addresses of Dagger engines, as ``--engine`` and ``$_EXPERIMENTAL_DAGGER_RUNNER_HOST`` take them."""

from __future__ import annotations

import re

from ...errors import UsageError
from ...text import named

TESTED = ("unix", "tcp")
"""The schemes that the tests go through; Dagger's command line knows more, which it gets as they are."""


def check_address(address: str, location: str | None = None) -> None:
    """Raise unless an address can be one of an engine; nothing is asked of anybody.

    The text of the address is not repeated: it may hold a password.

    :param location: what gave it, where that is not the argument of a function.
    :raises UsageError: it is no address, or one of a tested scheme that is not complete.
    """
    said = _fault(address)
    if said:
        raise UsageError(
            said,
            location=location or named("engine"),
            hint="Write unix:///run/dagger/engine.sock or tcp://HOST:PORT.",
        )


def untested(address: str) -> str | None:
    """What is to be said of an address whose scheme no test goes through, or None."""
    from urllib.parse import urlsplit

    scheme = urlsplit(address).scheme
    if scheme in TESTED:
        return None
    return f"dagger-aml is not tested with {scheme}:// engines; the address is passed to Dagger unchanged"


def _fault(address: str) -> str | None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", address) or not address.isprintable():
        return "not an engine address: expected SCHEME://…"
    from urllib.parse import urlsplit

    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        return "not an engine address: invalid host or port"
    if url.scheme == "unix" and (url.netloc or len(url.path) < 2):
        return "unix:// needs an absolute path, so write three slashes"
    if url.scheme == "tcp":
        if not url.hostname or not port:
            return "tcp:// needs a host and a port"
        if "@" in url.netloc or url.path or url.query or url.fragment:
            return "tcp:// allows only a host and a port"
    return None
