"""How far several projects are: which have ended, which are being built, which wait for their turn."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from ...data import frozen

_MOST_NAMED = 3


@frozen
class Standing:
    """How far several projects are.

    :param done: names of those that have ended, well or not; ``failed`` of those that did not.
    :param running: of those that are being built, and ``waiting`` of those whose turn is to come, in their order.
    :param seconds: since the first began.
    """

    done: tuple[str, ...]
    failed: tuple[str, ...]
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    seconds: float

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.done) + len(self.running) + len(self.waiting)

    @property
    def text(self) -> str:
        """``7 of 12 done, 1 failed; waiting: a, b, c and 2 more``."""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        waiting = f"; waiting: {first_named(self.waiting)}" if self.waiting else ""
        return f"{len(self.done)} of {self.total} done{failed}{waiting}"


class Overall:
    """Notes what begins and what ends.

    :param names: of all projects, in their order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._waiting, self._running = list(names), list[str]()
        self._done, self._failed = list[str](), list[str]()
        self._begun = time.monotonic()

    def begins(self, name: str) -> None:
        """It is its turn."""
        if name in self._waiting:
            self._waiting.remove(name)
            self._running.append(name)

    def ends(self, name: str, *, failed: bool = False) -> None:
        """It has ended."""
        if name in self._running:
            self._running.remove(name)
            self._done.append(name)
            if failed:
                self._failed.append(name)

    @property
    def standing(self) -> Standing:
        """How far they are now."""
        return Standing(
            tuple(self._done),
            tuple(self._failed),
            tuple(self._running),
            tuple(self._waiting),
            time.monotonic() - self._begun,
        )


def first_named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
