"""What registries answer, and what goes wrong on the way to them, as errors."""

from __future__ import annotations

import email.utils
import http.client
import json
import re
import socket
import time
from datetime import UTC
from typing import TYPE_CHECKING

from ..errors import BuildError, DaggerAmlError, TransientError
from ..network.dial import ProxyRefused
from ..text import named
from .connections import Ended, PlainHttp
from .messages import LATER, denied_by
from .reference import Reference
from .wire import Answer, origin_of

if TYPE_CHECKING:
    from ..network.proxy import Proxy

_BUSY = (429, 500, 502, 503, 504)
_LACKS = ("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_INVALID")

_LONGEST_SAID = 64 * 1024


class RefusedType(BuildError):
    """A registry takes no manifest of this media type."""


class MissingBlob(BuildError):
    """A registry takes no manifest since it lacks something that this names, or says nothing better."""


class NoImage(BuildError):
    """A registry has no image of this name."""


def broken(error: Exception, at: Reference, location: str) -> DaggerAmlError:
    """The error for a request that got no answer, or none that can be read.

    :param error: an OSError, of ``http.client``, of the URL, or what :mod:`.connections` raises.
    """
    if isinstance(error, Ended):
        return TransientError(f"the registry {at.host} is not asked any more", location=location, after=None)
    if isinstance(error, PlainHttp):
        return BuildError(
            f"{at.host} leads to another host without TLS",
            location=location,
            hint="Plain HTTP is taken of registries of this machine alone. A proxy before the registry must set "
            "X-Forwarded-Proto.",
        )
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return no_registry(at, location)
    problem = _words(error)
    if "CERTIFICATE_VERIFY_FAILED" in problem:
        return BuildError(
            f"the certificate of {at.host} is not trusted",
            location=location,
            hint="Set $SSL_CERT_FILE to the file of your company's certificates (docs/howto-proxy-ca.md).",
        )
    proxy = _proxy(at)
    if proxy:
        return TransientError(
            f"the registry {at.host} cannot be reached through the proxy {proxy.url} of ${proxy.variable}: {problem}",
            location=location,
            hint=f"Correct or unset ${proxy.variable}, or name {at.host} in $NO_PROXY.",
        )
    return TransientError(
        f"the registry {at.host} cannot be reached or is busy: {problem}", location=location, hint=LATER
    )


def no_registry(at: Reference, location: str) -> BuildError:
    """The error for an answer that no registry gives."""
    return BuildError(
        f"{at.host} did not answer like a registry",
        location=location,
        hint="Check the host. A proxy or a login page may have answered instead.",
    )


def other_content(at: Reference, digest: str, location: str) -> BuildError:
    """The error for bytes that are not those of their digest."""
    return BuildError(f"{at.host} sent content that does not match {digest}", location=location)


def check_busy(answer: Answer, at: Reference, location: str) -> None:
    """:raises TransientError: the registry, or whoever gives its tokens, asks to come later."""
    status = answer.status
    if status not in _BUSY:
        return
    after, seconds = _retry_after(answer.headers.get("Retry-After", ""))
    said = "it asks to slow down (429)" if status == 429 else f"it answered {status}"
    message = f"the registry {at.host} cannot be reached or is busy: {said}"
    raise TransientError(
        f"{message}, and asks to wait {after} s" if seconds else message, location=location, hint=LATER, after=seconds
    )


def check_found(answer: Answer, at: Reference, location: str) -> None:
    """:raises RegistryDenied, BuildError: what was asked for is not what is answered."""
    status = answer.status
    if status in (401, 403):
        raise denied_by(status, location, at.host)
    if status == 404:
        raise NoImage(f"{at.host} has no such image", location=location, hint="Check the name and the tag.")
    if status != 200:
        raise BuildError(f"{at.host} answered {status}", location=location)


_LOCKED = (405, 409, 412)
"""What registries answer where a tag is there already and may not be moved."""


_OF_REGISTRIES = ("Location", "Docker-Content-Digest", "Docker-Distribution-API-Version")
"""Headers of which a registry gives at least one when it has taken something."""


def check_taken(answer: Answer, at: Reference, location: str, what: str, *, tagged: bool = False) -> None:
    """Whether a registry has taken a part of a push.

    :param what: the part, for messages.
    :param tagged: whether a tag is moved to it.
    :raises RegistryDenied, BuildError: it has not; also where nothing but 200 tells so, as a login page does.
    :raises RefusedType: for its media type. :raises MissingBlob: for what it lacks.
    :raises TransientError: it has forgotten the upload that this was a part of.
    """
    status = answer.status
    if status in (200, 201, 202, 204):
        # The specification has 201 with Location. Some say another number; a page that says nothing is no registry.
        if status != 201 and not any(name in answer.headers for name in _OF_REGISTRIES):
            raise no_registry(at, location)
        return
    if status in (401, 403):
        raise denied_by(status, location, at.host)
    code = _code(answer)
    said = f"it answered {status}{f' ({code})' if code else ''}"
    if status == 415:
        raise RefusedType(f"{at.host} did not take {what}: {said}", location=location)
    if code in _LACKS:
        raise MissingBlob(f"{at.host} did not take {what}: {said}", location=location)
    if code == "BLOB_UPLOAD_UNKNOWN" or status == 416:
        raise TransientError(
            f"the registry {at.host} has lost the upload of {what}: {said}", location=location, hint=LATER
        )
    hint = "Check the host and the repository." if status in (404, 405) else None
    if tagged and (status in _LOCKED or code == "TAG_INVALID"):
        hint = (
            "The tag may be locked there, or one that is written once only. Give another one: "
            f"{named('tag', 'NAME:TAG')}."
        )
    if status == 413:
        hint = "The registry, or a proxy before it, limits how much one request may hold."
    raise BuildError(f"{at.host} did not take {what}: {said}", location=location, hint=hint)


def _retry_after(value: str) -> tuple[str, float]:
    """The whole seconds of a ``Retry-After``, as text and as number; none where it says none that can be read."""
    if value.isdecimal():
        return value, float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return "", 0.0
    seconds = max(0, round(then.replace(tzinfo=then.tzinfo or UTC).timestamp() - time.time()))
    return str(seconds), float(seconds)


def _code(answer: Answer) -> str:
    """The code of an error's body, such as MANIFEST_INVALID. Nothing else of it is shown: it may hold anything."""
    try:
        code = json.loads(answer.read(_LONGEST_SAID))["errors"][0]["code"]
    except (ValueError, LookupError, TypeError, DaggerAmlError):
        return ""
    return code if isinstance(code, str) and re.fullmatch(r"[A-Z_]{1,40}", code) else ""


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead):
        return "the connection was cut"
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return "the connection was reset"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ProxyRefused):
        return str(error)
    if isinstance(error, http.client.HTTPException):
        return "the answer is not HTTP"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _proxy(at: Reference) -> Proxy | None:
    """The proxy of a variable by which a registry is asked; None where it is asked directly."""
    if at.is_here:
        return None
    from ..network.proxy import proxy_of

    _, host, port = origin_of(at.url)
    found = proxy_of(host, port)
    return found if found and found.variable else None
