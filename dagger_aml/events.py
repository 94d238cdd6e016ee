"""What a build tells while it goes on, as frozen data handed to a callback; nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen


@frozen
class StepStarted:
    """A step of the plan begins.

    :param number: from 1, of ``total``.
    """

    name: str
    number: int
    total: int


@frozen
class StepDone:
    """It ended well.

    :param seconds: wall time since it began, waiting for the engine included.
    """

    name: str
    number: int
    total: int
    seconds: float


@frozen
class Said:
    """Something worth a line: which builder is used, what is being pulled, exported or pushed."""

    text: str


@frozen
class Output:
    """A line that a builder printed."""

    text: str


Event = StepStarted | StepDone | Said | Output
OnEvent = Callable[[Event], None]


def ignore(_: Event) -> None:
    """The callback of those who do not want to know."""
