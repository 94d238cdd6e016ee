"""What a served image is started with, and what a started one is, whoever starts it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import anyio
from attrs import field

from .. import contract
from ..data import frozen
from ..errors import UsageError
from ..graph.base import DEFAULT_PLATFORM
from ..process import CompletedProcess
from ..text import named


@frozen
class Published:
    """A port of this machine at which the image answers.

    :param port: 0 for any that is free.
    :param inner: the image's own.
    """

    port: int = 0
    address: str = "127.0.0.1"
    inner: int = contract.SCORING_PORT

    @property
    def flag(self) -> str:
        """As ``docker run --publish`` takes it."""
        return f"{self.address}:{self.port or ''}:{self.inner}"


@frozen
class Start:
    """How an image is to be started.

    :param published: where it is to answer. Not where it is ``offline`` and the runtime can take its network away.
    :param env: set for this run only.
    :param offline: without network, as far as the runtime can do that.
    :param platform: of an image that has to be pulled.
    :param name: of the container, where it is one.
    :param restricted: as a cluster starts a pod of the security level *restricted*: as an arbitrary user, without
        capabilities and new privileges, the root read-only but for :data:`~dagger_aml.contract.WRITABLE`.
    :param keep: leave that container running when the block ends well.
    :param debug: the port at which a debugger may attach.
    :param debugged: gives, of the image's own command, the one that lets a debugger in.
    """

    published: Published = Published()
    env: Mapping[str, str] = field(factory=dict)
    offline: bool = False
    platform: str = DEFAULT_PLATFORM
    name: str | None = None
    restricted: bool = False
    keep: bool = False
    debug: Published | None = None
    debugged: Callable[[Sequence[str]], Sequence[str]] = field(default=tuple, repr=False)


def cannot_restrict(flag: str | None = None) -> UsageError:
    """The error for an engine that is to start an image within the limits of a restricted pod.

    :param flag: that asks for it.
    """
    return UsageError(
        "an engine cannot start an image within the limits of a restricted pod",
        location=flag,
        hint=f"Add {named('builder', 'docker')} or {named('builder', 'podman')}.",
    )


class ImageOutput(Protocol):
    """What takes what a started image prints."""

    ended: anyio.Event
    exit_code: int | None

    def add(self, raw: str) -> None:
        """Take a line."""
        ...

    def add_text(self, text: str) -> None:
        """Take a piece of output."""
        ...

    def end(self, exit_code: int | None) -> None:
        """Note that it ended; None where nobody knows its exit code."""
        ...


@frozen
class Started:
    """An image that was started.

    :param url: where it answers, without a trailing slash; its container's name in words where it has no network.
    :param uid: number of the user that it runs as, or None where that cannot be told.
    :param container: its name, where it is a container of this machine.
    :param inside: runs a command in it, given its standard input; only where that is the way to ask it.
    """

    url: str
    uid: int | None = None
    container: str = ""
    inside: Callable[[Sequence[str], str], Awaitable[CompletedProcess]] | None = None


def port_taken(port: int, setting: str = "publish") -> UsageError:
    """The error for a port that something else listens at.

    :param setting: the name of what gave it.
    """
    other = named(setting, port + 1)
    return UsageError(
        f"port {port} of this machine is in use", location=named(setting), hint=f"Use another port: {other}"
    )
