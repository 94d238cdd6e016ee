"""What a build tells while it goes on, as frozen data handed to a callback; nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from .data import frozen
from .finding import Finding

__all__ = [
    "Event",
    "Message",
    "OnEvent",
    "OpDone",
    "OpStarted",
    "Output",
    "RanBefore",
    "Transferred",
    "Warned",
    "ignore",
]


@frozen
class OpStarted:
    """A step of the plan begins.

    :param number: from 1, of ``total``.
    """

    name: str
    number: int
    total: int


@frozen
class OpDone:
    """It ended well.

    :param seconds: as the builder tells; where it does not, since the step before it ended, waiting included.
    :param cached: whether the builder had it from before; None where it does not say.
    """

    name: str
    number: int
    total: int
    seconds: float
    cached: bool | None = None


@frozen
class Transferred:
    """Bytes have moved: first none, then more and more.

    :param kind: ``sent`` to the engine, ``pushed`` to a registry, ``loaded`` into a store of this machine,
        ``written`` to a file, ``fetched`` of a wheel.
    :param name: the step whose files are sent, the reference, the file.
    :param done: bytes so far.
    :param total: bytes that there are to move; None where that is not known. The last event of a push, a load or a
        file has as many as ``done``, and so has that of a wheel, whose others may tell the total too.
    """

    kind: Literal["sent", "pushed", "loaded", "written", "fetched"]
    name: str
    done: int
    total: int | None = None


@frozen
class RanBefore:
    """What the commands of an image made was found, as they ran before.

    :param place: where, for a person: an image, or the cache of this machine.
    :param made: when they ran, seconds since 1970.
    :param age_seconds: how long ago that was.
    :param taken: whether it is used; where it is too old they run again.
    :param limit_seconds: for how long it is used; None without end.
    """

    place: str
    made: float
    age_seconds: float
    taken: bool
    limit_seconds: float | None = None


@frozen
class Message:
    """Something worth a line: which builder is used, what is being pulled, exported or pushed."""

    text: str


@frozen
class Warned:
    """Something that the user should know, found when the base had answered."""

    finding: Finding


@frozen
class Output:
    """A line that a builder printed."""

    text: str


Event = OpStarted | OpDone | RanBefore | Transferred | Message | Warned | Output
OnEvent = Callable[[Event], None]


def ignore(_: Event) -> None:
    """The callback of those who do not want to know."""
