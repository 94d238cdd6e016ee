"""The words in which a person is told of steps, transfers and layers."""

from __future__ import annotations

from collections.abc import Iterator

from ...backends.result import Result
from ...events import OpDone, OpStarted, RanBefore, Transferred
from ...plan.making import summed
from ...text import age_text, human_size


def titled(event: OpStarted) -> str:
    """``[2/5] pip requirements.txt``."""
    return f"[{event.number}/{event.total}] {event.name}"


def took(event: OpDone) -> str:
    """How long a step took, or that it was there already."""
    return "CACHED" if event.cached else f"{event.seconds:.1f} s"


def is_over(event: Transferred) -> bool:
    """Whether nothing follows. A step goes on after its files have been sent."""
    if event.kind == "fetched":
        return event.done == event.total
    return event.kind != "sent" and event.total is not None


def moved(event: Transferred) -> str:
    """How much has been moved so far."""
    if is_over(event) and event.kind == "pushed" and not event.done:
        return "nothing to push, the registry has every layer"
    if not event.done:
        return "preparing"
    of = f" of {human_size(event.total)}" if event.total and not is_over(event) else ""
    return f"{human_size(event.done)}{of} {event.kind}"


def ran_before(event: RanBefore) -> str:
    """What is told of what ran before."""
    age = age_text(event.age_seconds)
    if event.taken:
        return f"the commands are not run: what they made {age} ago is in {event.place}"
    limit = age_text(event.limit_seconds or 0)
    return f"the commands run again: what they made {age} ago is in {event.place}, and too old after {limit}"


def summary(result: Result, ops: list[OpDone]) -> list[str]:
    """The steps, with seconds and bytes as far as they are known: the base, what ran, what was written."""
    by_builder = all(each.way == "builder" for each in result.makings)
    if not ops and by_builder:
        return []
    made = [layer for layer in result.layers if layer.op]
    base = [layer.size for layer in result.layers if not layer.op] if made else []
    rows = [("base", f"{len(base)} layer{'s' if len(base) > 1 else ''}", human_size(sum(base)))] if base else []
    for name, how in _steps(result, ops):
        layer = next((each for each in made if each.op == name), None)
        if layer:
            made.remove(layer)
        rows.append((name, how, human_size(layer.size) if layer else ""))
    rows += [] if by_builder else [(layer.op, "", human_size(layer.size)) for layer in made]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"  {name:{first}}  {took:>{second}}  {size:>9}".rstrip() for name, took, size in rows]
    return [_head(result, ops, by_builder=by_builder), *lines]


def _head(result: Result, ops: list[OpDone], *, by_builder: bool) -> str:
    known = [op.cached for op in ops if op.cached is not None]
    if by_builder:
        reused = f", {sum(known)} of them reused" if known else ""
        return f"{_count(len(ops))}{reused}:"
    ran = {each.op for each in result.makings if each.way == "runs"}
    cached = [op.cached for op in ops if op.name in ran and op.cached is not None]
    return f"{_count(len(result.makings))}: {summed(result.makings, sum(cached) if cached else None)}"


def _count(steps: int) -> str:
    return f"{steps} step{'s' if steps != 1 else ''}"


def _steps(result: Result, ops: list[OpDone]) -> Iterator[tuple[str, str]]:
    """Each step and how long it took: what was done, as it was done, and before it what was found."""
    done = {op.name for op in ops}
    for each in result.makings:
        if each.way == "found" and each.op not in done:
            yield each.op, "found"
    for op in ops:
        yield op.name, took(op)
    for each in result.makings:
        if each.way in ("written", "runs") and each.op not in done:
            yield each.op, "written" if each.way == "written" else ""
