"""What a registry wants to see of a login: nothing, the login itself, or a token that it is exchanged for.

A token is asked for what will be done (its scopes), kept until it is nearly over, and made anew after any 401.
"""

from __future__ import annotations

import base64
import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlencode

from attrs import field

from ..data import define, frozen
from .credentials import credentials
from .reference import Reference

Scopes = frozenset[tuple[str, str]]
"""What may be done with what: ``("repository:x/y", "pull")``."""

AskToken = Callable[[str, str, dict[str, str], bytes], bytes | None]
"""Ask for a token, by method, URL, headers and body; None where it is refused.

It raises what is no refusal: whoever gives tokens is busy, or cannot be reached."""

_IDENTITIES = ("<token>", "00000000-0000-0000-0000-000000000000")
"""Users whose secret is a refresh token, to docker's credential helpers and to Azure."""

_SECONDS, _SPENT = 60.0, 0.8
"""For how long a token holds that does not say it, and the part of that after which it is asked for anew."""


class NoToken(Exception):
    """What should have been a token is not."""


def pull(*repositories: str) -> Scopes:
    """Reading of repositories."""
    return frozenset((f"repository:{each}", "pull") for each in repositories)


def push(repository: str) -> Scopes:
    """Writing to a repository. Who may only push may not ask whether a blob is there, so it is reading too."""
    return pull(repository) | {(f"repository:{repository}", "push")}


@frozen
class _Challenge:
    """How a registry wants to be asked.

    :param realm: URL of whoever gives tokens; empty where the login itself is wanted.
    """

    realm: str = ""
    service: str = ""
    scopes: Scopes = frozenset()


@frozen
class _Held:
    """What is sent as Authorization; empty for nothing.

    :param scopes: for which it holds; None for all.
    :param until: by the monotonic clock.
    """

    value: str = field(repr=False)
    scopes: Scopes | None
    until: float


@define(eq=False)
class _Host:
    """What is known of one registry."""

    lock: threading.Lock = field(factory=threading.Lock)
    challenge: _Challenge | None = None
    held: list[_Held] = field(factory=list, repr=False)
    login: tuple[str, str] | None = field(default=None, repr=False)


class Tokens:
    """The logins and tokens of a client, for all of its threads. Only one of them asks for a token at a time."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    def known(self, at: Reference, scopes: Scopes, ask: AskToken) -> str:
        """What to send as Authorization: nothing, unless this registry is known to want something.

        :raises NoToken: and what ``ask`` raises.
        """
        host = self._host(at)
        if host.challenge is None:
            return ""
        with host.lock:
            return self._given(host, at, scopes, ask)

    def anew(
        self, at: Reference, scopes: Scopes, headers: Iterable[str], refused: str, ask: AskToken
    ) -> tuple[str, bool]:
        """The same after a 401, and whether it was made just now.

        :param headers: its WWW-Authenticate; there may be none.
        :param refused: what was sent as Authorization. Nobody is given it again.
        :raises NoToken: and what ``ask`` raises.
        """
        host = self._host(at)
        with host.lock:
            wanted = _challenge(headers)
            if wanted.realm or host.challenge is None:
                host.challenge = wanted
            # Of a registry that gave none, an empty one is held: it must go too, or it counts as given meanwhile.
            host.held = [each for each in host.held if each.value != refused]
            if refused:
                host.login = None
            # Another thread may have been given one while this one was refused.
            before = {each.value for each in host.held}
            found = self._given(host, at, scopes, ask)
            return found, found not in before

    def _host(self, at: Reference) -> _Host:
        return self._hosts.setdefault(at.host, _Host())

    @staticmethod
    def _given(host: _Host, at: Reference, scopes: Scopes, ask: AskToken) -> str:
        """What is held for the scopes, else a new one."""
        assert host.challenge is not None
        host.held = [each for each in host.held if time.monotonic() < each.until]
        for each in host.held:
            if each.scopes is None or scopes <= each.scopes:
                return each.value
        host.login = host.login or credentials(at.host)
        made = _asked(host.challenge, scopes, *host.login, ask)
        host.held.append(made)
        return made.value


def _asked(challenge: _Challenge, scopes: Scopes, user: str, secret: str, ask: AskToken) -> _Held:
    basic = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode() if user else ""
    if not challenge.realm:
        return _Held(basic, None, math.inf)
    scopes |= challenge.scopes
    words, begun, answer = _words(scopes), time.monotonic(), None
    if user in _IDENTITIES:
        form = {"grant_type": "refresh_token", "client_id": "dagger-aml", "refresh_token": secret}
        form |= {"service": challenge.service, "scope": " ".join(words)}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = ask("POST", challenge.realm, headers, urlencode(form).encode())
    if answer is None and user != _IDENTITIES[0]:
        query = urlencode([("service", challenge.service), *(("scope", word) for word in words)])
        url = f"{challenge.realm}{'&' if '?' in challenge.realm else '?'}{query}"
        answer = ask("GET", url, {"Authorization": basic} if basic else {}, b"")
    if answer is None:
        return _Held(basic, scopes, begun)
    try:
        said = json.loads(answer)
        token, seconds = said.get("token") or said.get("access_token"), said.get("expires_in")
    except (ValueError, AttributeError):
        raise NoToken from None
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
        raise NoToken
    lasts = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _SECONDS
    return _Held(f"Bearer {token}", scopes, begun + lasts * _SPENT)


def _challenge(headers: Iterable[str]) -> _Challenge:
    """A Bearer challenge, if one of the headers is."""
    for header in headers:
        begun = re.search(r"(?:^|,)\s*bearer\s", header, re.IGNORECASE)
        fields = dict(re.findall(r'(\w+)="([^"]*)"', header[begun.end() :])) if begun else {}
        if fields.get("realm"):
            return _Challenge(fields["realm"], fields.get("service", ""), _parsed(fields.get("scope", "")))
    return _Challenge()


def _parsed(text: str) -> Scopes:
    found = set()
    for word in text.split():
        resource, _, actions = word.rpartition(":")
        found |= {(resource, action) for action in actions.split(",")}
    return frozenset(found)


def _words(scopes: Scopes) -> list[str]:
    """Scopes as registries write them, one word a resource."""
    resources = sorted({resource for resource, _ in scopes})
    return [
        f"{each}:{','.join(sorted(action for resource, action in scopes if resource == each))}".lstrip(":")
        for each in resources
    ]
