"""What came of a build as Markdown: a table of the projects, and of the layers of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...backends.result import Result
from ...data import frozen
from ...errors import DaggerAmlError
from ...text import human_size


@frozen
class Built:
    """What came of one project.

    :param folder: as it was named.
    :param name: None where the project could not be read.
    :param result: None where it was not built, which ``error`` says unless it was not its turn yet.
    """

    folder: str
    name: str | None = None
    result: Result | None = None
    error: DaggerAmlError | None = None


def summary(built: Sequence[Built]) -> str:
    """The Markdown of a build."""
    return "\n".join(_lines(built)) + "\n"


def _lines(built: Sequence[Built]) -> Iterator[str]:
    yield from ("## dagger-aml", "", "| project | | image |", "|---|---|---|")
    for each in built:
        yield f"| {_plain(each.name or each.folder)} | {_word(each)} | {_said(each)} |"
    for each in built:
        if each.result and each.result.layers:
            yield from ("", f"### {_plain(each.name or each.folder)}", "", "| layer | how | size |", "|---|---|---:|")
            yield from (f"| {_plain(name)} | {_plain(how)} | {size} |" for name, how, size in _layers(each.result))


def _word(each: Built) -> str:
    if each.error:
        return "failed"
    if not each.result:
        return "not built"
    return "unchanged" if each.result.changed is False else "built"


def _said(each: Built) -> str:
    if each.error:
        return _plain(str(each.error))
    if not each.result:
        return ""
    name = next(iter((*each.result.refs, *each.result.tags, each.result.digest or "")), "")
    return f"`{name}`" if name else ""


def _layers(result: Result) -> Iterator[tuple[str, str, str]]:
    """The base's layers together, then each of ours: what of it, how it was made, its compressed size."""
    base = [layer.size for layer in result.layers if not layer.op]
    if base:
        yield f"base: {len(base)} layer{'s' if len(base) > 1 else ''}", "", human_size(sum(base))
    ways = {each.op: each for each in result.makings}
    cached = {each.name for each in result.ops if each.cached}
    for layer in result.layers:
        if layer.op:
            how = ways[layer.op].way if layer.op in ways else ""
            said = {"found": "had run before", "runs": "ran", "builder": "by the builder"}.get(how, how)
            yield (
                layer.op,
                f"{said}, was there" if layer.op in cached and how != "found" else said,
                human_size(layer.size),
            )


_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def _plain(text: str) -> str:
    """Text that Markdown takes as it is, in one line."""
    return " ".join(_MARKS.sub(r"\\\1", text).split())
