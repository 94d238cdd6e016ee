"""Whether a project must be built again: what comparisons with what was built come to (docs/changed.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from attrs import evolve

from ..data import frozen
from ..text import human_size
from .compare import Comparison

BaseState = Literal["same", "changed", "not asked", "unknown"]
"""Of a base: whether it is the one of before; ``not asked`` of its registry, where only its name is compared;
``unknown`` where the registry, or what was built, does not tell."""

_CONFIG_UNTOLD = "the image does not tell all that it was to say, such as a variable that is gone since"

_CONFIG_CHANGED = "image config: something that was set is not set any more"


@frozen
class Standing:
    """How a project stands to what was built of it.

    :param name: what it is held against.
    :param up_to_date: whether a build would give the same; None where that cannot be told.
    :param reasons: why it is not, or why that cannot be told.
    :param base: how its base stands to that of before.
    :param bytes: of files that would be sent at most, before they are compressed; None where that is not known before
        something runs, or what is beneath changes.
    """

    name: str
    up_to_date: bool | None
    reasons: tuple[str, ...] = ()
    base: BaseState = "unknown"
    bytes: int | None = None

    @property
    def needs_doing(self) -> bool:
        """Whether it is to be built; so it is where nothing is known."""
        return not self.up_to_date

    @property
    def word(self) -> str:
        """Whether it is up to date, as a person reads it."""
        return {True: "yes", False: "no", None: "unknown"}[self.up_to_date]

    @property
    def size(self) -> str:
        """What would be sent at most, as a person reads it; empty where nothing would, or that is not known."""
        return "" if self.up_to_date or self.bytes is None else human_size(self.bytes)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "up_to_date": self.up_to_date,
            "reasons": list(self.reasons),
            "base": self.base,
            "bytes": self.bytes,
        }

    def text(self) -> str:
        """In a line or more, as a person reads it."""
        size = f", {self.size} to send at most" if self.size else ""
        asked = f" (base: {self.base})" if self.base == "not asked" else ""
        return "\n".join((f"Up to date: {self.word}{asked}{size}", *(f"  {each}" for each in self.reasons)))


def nothing_there(name: str) -> Standing:
    """Of a project of which nothing was built yet."""
    return Standing(name, up_to_date=False, reasons=("there is no such image yet",))


def not_told(name: str, why: str) -> Standing:
    """Where it cannot be told.

    :param why: in whole words.
    """
    return Standing(name, up_to_date=None, reasons=(why,))


def standing(held: Comparison, *, asked: bool, base_error: str = "", too_old: str = "") -> Standing:
    """How a plan stands to an earlier one or to an image.

    :param asked: whether the base's registry was asked.
    :param base_error: why that told nothing.
    :param too_old: why what ran before is not taken any more.
    """
    reasons = tuple(_reasons(held, too_old))
    if base_error:  # What is assumed of a base in its place may be all that differs.
        why = f"the base could not be asked: {base_error}"
        return Standing(held.name, up_to_date=None, reasons=(why, *reasons))
    unknown = () if reasons else tuple(_unknown(held, asked=asked))
    base: BaseState = "changed" if held.base else "same" if held.base_known else "unknown" if asked else "not asked"
    up_to_date = False if reasons else None if unknown else True
    return Standing(held.name, up_to_date, reasons or unknown, base, _bytes(held, up_to_date, too_old))


def together(each: Sequence[Standing], platforms: Sequence[str]) -> Standing:
    """Of an image for several platforms: what is true of all of them."""
    if len(each) == 1:
        return each[0]
    states = [one.up_to_date for one in each]
    up_to_date = False if False in states else None if None in states else True
    reasons = [f"{name}: {why}" for name, one in zip(platforms, each, strict=True) for why in one.reasons]
    bases = [one.base for one in each]
    worst: Sequence[BaseState] = ("changed", "unknown", "not asked", "same")
    sizes = [one.bytes for one in each]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    return Standing(each[0].name, up_to_date, tuple(reasons), next(one for one in worst if one in bases), total)


def narrowed(standing: Standing, what: str, platforms: Sequence[str]) -> Standing:
    """Of an image, or a plan, that is for more platforms than the project is.

    :param platforms: those that are too many.
    """
    if not platforms:
        return standing
    why = f"the {what} is for {', '.join(platforms)} too, and the project is not"
    return evolve(standing, up_to_date=False, reasons=(why, *standing.reasons))


def _reasons(held: Comparison, too_old: str) -> Iterator[str]:
    if held.base:
        yield held.base
    elif held.base_name:
        yield f"the base has another name now, and was {held.base_name}"
    for each in held.ops:
        if each.own:
            yield f"{each.name}: {each.why}"
    yield from (f"step {each!r} was removed" for each in held.gone)
    if held.counts:
        yield f"image config: {', '.join(held.counts)}"
    elif held.config_same is False:
        yield _CONFIG_CHANGED
    if too_old:
        yield too_old


def _unknown(held: Comparison, *, asked: bool) -> Iterator[str]:
    if asked and not held.base_known:
        yield "the image does not tell the digest of its base"
    if held.config_same is None:
        yield _CONFIG_UNTOLD


def _bytes(held: Comparison, up_to_date: bool | None, too_old: str) -> int | None:
    if up_to_date:
        return 0
    if held.base or too_old or any(each.dagger == "runs" for each in held.ops):
        return None
    sizes = [each.size for each in held.ops if each.dagger == "new layer"]
    return None if None in sizes else sum(size or 0 for size in sizes)
