"""How the layers of a plan come to be: written by ourselves, run by a builder, or taken from what ran before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..data import frozen
from ..text import age_text

if TYPE_CHECKING:
    from .model import Plan

Way = Literal["written", "runs", "found", "runs or found", "builder"]
"""``written``: by ourselves. ``runs``: by the builder, once more. ``found``: taken from what ran before. ``builder``:
by the builder like all else, which may have it from before."""


@frozen
class Making:
    """How the layer of an op comes to be, or came to be.

    :param op: its name.
    :param place: where what ran before was found, for a person.
    :param made: when that ran, seconds since 1970.
    """

    op: str
    way: Way
    place: str = ""
    made: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As plain data, the time in UTC."""
        from datetime import UTC, datetime

        found: dict[str, Any] = {"op": self.op, "way": self.way}
        if self.place:
            found["place"] = self.place
        if self.made is not None:
            found["made"] = datetime.fromtimestamp(self.made, UTC).isoformat(timespec="seconds")
        return found

    def text(self) -> str:
        """As a person reads it in a plan."""
        if self.way == "found":
            return f"does not run again: it is in {self.place}, made {self.age} ago"
        return {
            "written": "written directly",
            "runs": "runs",
            "runs or found": "runs (or a runtime image, if one is found)",
            "builder": "made by the builder",
        }[self.way]

    @property
    def age(self) -> str:
        """How long ago it ran."""
        return "" if self.made is None else age_text(max(time.time() - self.made, 0))


def makings(plan: Plan, way: Way = "runs or found", place: str = "", made: float | None = None) -> tuple[Making, ...]:
    """How each op's layer comes to be.

    :param way: of what runs; ``builder`` is of all.
    :param place: where what ran before was found, and ``made``, when it ran.
    """
    files = {id(layer) for layer in plan.file_layers} if way != "builder" else set()
    return tuple(
        Making(op.name, "written") if id(op.layer) in files else Making(op.name, way, place, made) for op in plan.ops
    )


TOGETHER = "another image of this call"
"""The place where what ran is found by an image that is made with the one for which it ran."""


def makings_after(plan: Plan, place: str, made: float) -> tuple[Making, ...]:
    """How the layers came to be of a plan of which a part runs.

    :param place: where what ran was found; empty where it ran for this plan, at the time ``made``.
    """
    return makings(plan, "found", place, made) if place else makings(plan, "runs", made=made)


def summed(made: Sequence[Making], reused: int | None) -> str:
    """What became of all, in one line: ``2 written directly, 2 from registry.example/app:1, made 3 days ago``.

    :param reused: of those that ran, how many the builder had from before; None where it does not tell.
    """
    return ", ".join(_parts(made, reused))


def _parts(made: Sequence[Making], reused: int | None) -> Iterator[str]:
    ran = sum(each.way == "runs" for each in made)
    if ran:
        yield f"{ran} run by the builder" + (f" ({reused} of them reused)" if reused is not None else "")
    found = [each for each in made if each.way == "found"]
    if found:
        yield f"{len(found)} not run again (from {found[0].place}, made {found[0].age} ago)"
    written = sum(each.way == "written" for each in made)
    if written:
        yield f"{written} written directly"
