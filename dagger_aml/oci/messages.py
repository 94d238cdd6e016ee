"""What builders and registries say of a registry, as errors."""

from __future__ import annotations

import re
from typing import Literal

from ..data import frozen
from ..errors import BuildError, DaggerAmlError, GraphError, RegistryDenied, TransientError
from .reference import Reference

Action = Literal["base", "image", "push"]
"""What is wanted of a registry: a base, another image, or that it takes one."""


@frozen
class Peer:
    """Whom a conversation is with, and about what.

    :param reference: of the image, as it was given.
    """

    action: Action
    reference: str

    @property
    def location(self) -> str:
        """How messages name it: the name of the step."""
        return f"{self.action} {self.reference}"

    @property
    def host(self) -> str:
        """Of the registry; empty where the reference is none."""
        try:
            return Reference.parse(self.reference).host
        except GraphError:
            return ""


def location_of(peer: Peer | str) -> str:
    """Where a message is about; a step that is no conversation with a registry has only its name."""
    return peer if isinstance(peer, str) else peer.location


_TOLD = (
    (r"\b429\b|toomanyrequests", "it asks to slow down (429)"),
    (r"\b(50[0234])\b", "it answered {}"),
    (r"Internal Server Error", "it answered 500"),
    (r"connection refused", "connection refused"),
    (r"connection reset|broken pipe", "the connection was reset"),
    # Of a request, whose address stands before it; without one it can be the builder's own line that was closed.
    (r'https?://\S+": .*use of closed network connection', "the connection was reset"),
    (r"no such host|Temporary failure", "no such host"),
    (r"i/o timeout|TLS handshake|deadline exceeded|awaiting headers", "no answer in time"),
    (r"network is unreachable|no route to host", "the network is unreachable"),
    (r"short read: expected", "it did not accept all the data"),
    (r"\bEOF\b", "the connection was cut"),
)
"""What builders print of a registry that is gone or busy, and what we say of it."""


def said_by_registry(text: str, peer: Peer | str) -> DaggerAmlError | None:
    """The error that a builder's message about a registry means, or None when it is not about one.

    :param peer: whom it talked to; of a step that may have talked to any, or none, its name.
    """
    action, location = peer.action if isinstance(peer, Peer) else None, location_of(peer)
    host = _host(text, peer)
    at = f" ({host})" if host else ""
    if re.search(r"\b401\b|unauthorized|authentication required|no basic auth", text, re.I):
        return denied_by(401, location, host)
    if re.search(r"\b403\b|forbidden|denied", text, re.I) and re.search(
        r"regist|push|pull|manifest|token|http", text
    ):
        return denied_by(403, location, host)
    if "x509:" in text:
        return BuildError(
            f"the builder does not trust the registry's certificate{at}",
            location=location,
            hint='Give your company\'s certificates to the builder itself (docs/howto-proxy-ca.md, "The builder").',
        )
    if action == "push" or re.search(r"https?://|dial tcp|regist", text):
        for pattern, meaning in _TOLD:
            match = re.search(pattern, text, re.I)
            if match:
                return _away(f"{at}: {meaning.format(*match.groups())}", location, by_proxy="proxyconnect" in text)
    if re.search(r"not found|manifest unknown|name unknown|MANIFEST_UNKNOWN", text, re.I) and action == "base":
        return BuildError(
            f"the registry has no such image{at}", location=location, hint="Check the name and the tag."
        )
    return None


def _host(text: str, peer: Peer | str) -> str:
    """The registry that a message is about: the peer, else that of the first URL."""
    known = peer.host if isinstance(peer, Peer) else ""
    found = None if known else re.search(r"https?://([^/\s\"]+)", text)
    return found[1] if found else known


def _away(said: str, location: str, *, by_proxy: bool) -> TransientError:
    """The error for a registry that a builder cannot reach."""
    if by_proxy:
        return TransientError(
            f"the builder cannot reach its proxy, so it cannot reach the registry{said}",
            location=location,
            hint="Correct HTTPS_PROXY and NO_PROXY in the builder's environment: podman and buildah use your "
            "shell's, docker and the Dagger engine have their own (docs/howto-proxy-ca.md).",
        )
    return TransientError(f"the registry cannot be reached or is busy{said}", location=location, hint=LATER)


LATER = "Check the host and the network, then run the same command again."


def denied_by(status: int, location: str, host: str) -> RegistryDenied:
    name = host.removesuffix(".azurecr.io") if host.endswith(".azurecr.io") else "NAME"
    login = f"`docker login {host or 'HOST'}` or `az acr login -n {name}`"
    if status == 401:
        hint = (
            f"Log in with {login}. dagger-aml reads the docker config and its credential helpers. In Azure, "
            "the login also needs the role AcrPush (to pull: AcrPull)."
        )
    else:
        hint = (
            "The login has no permission for this. In Azure it needs the role AcrPush (to pull: AcrPull), "
            f"and the registry's network rules must allow the builder. To use another login: {login}."
        )
    return RegistryDenied(
        f"the registry refused access{f' ({host})' if host else ''}: {status}", location=location, hint=hint
    )
