"""The words in which a person is told of steps, transfers and layers."""

from __future__ import annotations

from ...backends.result import Result
from ...events import OpDone, OpStarted, Transferred
from ...text import human_size


def titled(event: OpStarted) -> str:
    """``[2/5] pip requirements.txt``."""
    return f"[{event.number}/{event.total}] {event.name}"


def took(event: OpDone) -> str:
    """How long a step took, or that it was there already."""
    return "CACHED" if event.cached else f"{event.seconds:.1f} s"


def is_over(event: Transferred) -> bool:
    """Whether nothing follows. A step goes on after its files have been sent."""
    return event.kind != "sent" and event.total is not None


def moved(event: Transferred) -> str:
    """How much has been moved so far."""
    if is_over(event) and event.kind == "pushed" and not event.done:
        return "nothing to push, the registry has every layer"
    if not event.done:
        return "preparing"
    of = f" of {human_size(event.total)}" if event.total and event.kind == "sent" else ""
    return f"{human_size(event.done)}{of} {event.kind}"


def summary(result: Result, ops: list[OpDone]) -> list[str]:
    """The steps, with seconds and bytes as far as they are known."""
    if not ops:
        return []
    made = [layer for layer in result.layers if layer.op]
    base = [layer.size for layer in result.layers if not layer.op] if made else []
    rows = [("base", f"{len(base)} layer{'s' if len(base) > 1 else ''}", human_size(sum(base)))] if base else []
    for op in ops:
        layer = next((each for each in made if each.op == op.name), None)
        if layer:
            made.remove(layer)
        rows.append((op.name, took(op), human_size(layer.size) if layer else ""))
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"  {name:{first}}  {took:>{second}}  {size:>9}".rstrip() for name, took, size in rows]
    known = [op.cached for op in ops if op.cached is not None]
    reused = f", {sum(known)} of them reused" if known else ""
    return [f"{len(ops)} step{'s' if len(ops) > 1 else ''}{reused}:", *lines]
