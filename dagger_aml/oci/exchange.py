"""One question to a registry, whatever it takes: a login, a token, a redirect. It blocks: see :mod:`.asking`.

Nothing is tried again here: what may go through later is a :class:`~dagger_aml.errors.TransientError`, which
:func:`~dagger_aml.policy.retry` knows what to do about.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit, urlunsplit

from attrs import evolve

from ..policy import DEFAULT, Policy
from .connections import Connections
from .failures import broken, check_busy, no_registry
from .reference import Reference
from .tokens import NoToken, Scopes, Tokens
from .wire import Answer, Body, Origin, Request, origin_of

_REDIRECTED = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 20
_LARGEST_TOKEN = 1 << 20


class Exchange:
    """Asks registries. Its methods may be called by several threads at once; it is closed by leaving its block.

    :param policy: how long everything is waited for.
    """

    def __init__(self, policy: Policy = DEFAULT) -> None:
        self.policy = policy
        self._connections, self._tokens = Connections(policy), Tokens()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, for good. A question that another thread still asks ends at once, with an error."""
        self._connections.end()

    cancel = close

    def ask(
        self,
        at: Reference,
        method: str,
        url: str,
        scopes: Scopes,
        location: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body = b"",
        answer_seconds: float | None = None,
    ) -> Answer:
        """An answer, of whatever status but those of who is busy.

        :param scopes: what is done, for a registry that gives tokens.
        :param answer_seconds: until it begins, if not as long as the policy says.
        :raises TransientError: unreachable or busy. :raises BuildError: not a registry, or its certificate is not
            trusted. :raises UsageError: the proxy or the certificates of the environment are of no use.
        """
        request = self._request(at, method, url, headers or {}, body, location, answer_seconds)
        token = partial(self._token, at, location)
        try:
            home = origin_of(at.url)
        except ValueError:
            raise no_registry(at, location) from None
        try:
            login = self._tokens.known(at, scopes, token)
            answer = self._followed(at, request, login, home, location, body=True)
            new = False
            # Who was redirected to answers for itself: it is no place for a login. Of several tokens that are held
            # all may have ended, so each is refused once.
            while answer.status == 401 and origin_of(answer.url) == home and not new:
                answer.close()
                wanted = answer.headers.get_all("WWW-Authenticate") or []
                login, new = self._tokens.anew(at, scopes, wanted, login, token)
                answer = self._followed(at, request, login, home, location, body=True)
        except NoToken:
            raise no_registry(at, location) from None
        return answer

    def _request(
        self,
        at: Reference,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Body,
        location: str,
        answer_seconds: float | None = None,
    ) -> Request:
        policy, fail = self.policy, partial(broken, at=at, location=location)
        streamed = isinstance(body, Body)
        # What is sent is not there yet: a slow line has some MB of it under way.
        usual = policy.blob_commit_timeout_seconds if streamed else policy.answer_timeout_seconds
        within = answer_seconds or usual
        return Request(method, url, headers, body, fail, within, policy.blob_idle_timeout_seconds)

    def _followed(
        self, at: Reference, request: Request, login: str, home: Origin, location: str, *, body: bool = False
    ) -> Answer:
        """The answer, where it may lie elsewhere from there.

        :param home: who alone is sent the login.
        :param body: whether others may be sent the body too, which holds no login then.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            own = login and origin_of(request.url) == home
            headers = {**request.headers, "Authorization": login} if own else request.headers
            answer = self._connections.send(evolve(request, headers=headers))
            try:
                check_busy(answer, at, location)
                elsewhere = answer.headers.get("Location")
                if not elsewhere or not _is_led(request, answer.status, body=body):
                    return answer
                request = evolve(request, url=beside(answer, elsewhere))
                origin_of(request.url)
            except ValueError:
                answer.close()
                raise no_registry(at, location) from None
            except BaseException:
                answer.close()
                raise
            answer.close()
        raise no_registry(at, location)

    def _token(
        self, at: Reference, location: str, method: str, url: str, headers: dict[str, str], body: bytes
    ) -> bytes | None:
        login = headers.pop("Authorization", "")
        try:
            home = origin_of(url)
        except ValueError:
            raise NoToken from None
        request = self._request(at, method, url, headers, body, location)
        with self._followed(at, request, login, home, location) as answer:
            return answer.read(_LARGEST_TOKEN) if answer.status == 200 else None


def _is_led(request: Request, status: int, *, body: bool) -> bool:
    """Whether the same is to be asked elsewhere; with a body only where that is at hand, and the method stays."""
    if request.method in ("GET", "HEAD"):
        return status in _REDIRECTED
    return body and status in (307, 308) and isinstance(request.body, bytes)


def beside(answer: Answer, location: str) -> str:
    """The URL that an answer's ``Location`` means.

    A registry behind a proxy that ends TLS may name itself without TLS: it is asked as before.

    :raises ValueError: it means none.
    """
    url = urljoin(answer.url, location)
    scheme, host, _ = origin_of(url)
    asked = urlsplit(answer.url)
    if scheme == "http" and asked.scheme == "https" and host == asked.hostname:
        return urlunsplit(urlsplit(url)._replace(scheme="https", netloc=asked.netloc))
    return url
