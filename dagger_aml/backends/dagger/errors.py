"""The SDK's errors as ours."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dagger

from ...errors import BuildError, DaggerAmlError, EngineGone, UsageError
from ...oci.messages import Peer, location_of, said_by_registry
from ..install_hints import install_hint
from ..secret_files import SecretFiles

_NO_SESSION = (
    r"^(engine is shutting down|waiting for client session attachables"
    r'|(session|client) "[^"]*" not (found|initialized))'
)
"""What an engine says that ends, or was started anew since the session began, or has ended the session."""


@asynccontextmanager
async def translated(peer: Peer | str, files: SecretFiles | None = None) -> AsyncIterator[None]:
    """Turn the SDK's errors into ours: no GraphQL, no traceback, no secret, the step named.

    :param peer: the registry that it is about, or the name of a step.
    """
    try:
        yield
    except dagger.DaggerError as error:
        ours = meaning(error, peer, files)
        if ours is None:
            raise
        raise ours from None


def meaning(error: Exception, peer: Peer | str, files: SecretFiles | None = None) -> DaggerAmlError | None:
    """What an error of the SDK's means; None where it is none that an engine's work ends in."""
    if isinstance(error, dagger.ExecError):
        output = "\n".join(part for part in (error.stdout, error.stderr) if part)
        return BuildError(
            f"the command ended with exit code {error.exit_code}",
            location=location_of(peer),
            command=tuple(error.command),
            output=files.redact(output) if files else output,
            hint=(files.proxy_advice(output) if files else None) or install_hint(output),
        )
    if isinstance(error, dagger.QueryError):
        return _from_engine(peer, str(error))
    if isinstance(error, dagger.ClientConnectionError | dagger.TransportError):
        return engine_gone(location_of(peer), str(error))
    return None


def engine_gone(location: str, reason: str) -> EngineGone:
    """The engine went away. Its session answers with an HTTP status; the rest of what it says is its own address."""
    status = re.search(r"'([45]\d\d [^']+)'", reason)
    return EngineGone(
        f"the connection to the Dagger engine was lost ({status[1] if status else first_line(reason)})",
        location=location,
        hint="Run the same command again when an engine answers (check with `dagger-aml doctor`). Steps in the "
        "engine's cache do not run again. The engine's log may show why it stopped.",
        after=None,
    )


def _from_engine(peer: Peer | str, message: str) -> DaggerAmlError:
    location = location_of(peer)
    text = re.sub(r" \[traceparent:[^\]]*\]", "", message)
    if re.search(_NO_SESSION, text):
        return engine_gone(location, text)
    known = said_by_registry(text, peer)
    if known:
        return known
    if re.search(r"no such file or directory|permission denied", text) and "/" in text:
        return UsageError(first_line(text), location=location)
    return BuildError(first_line(text), location=location, output=text if "\n" in text else "")


def first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
