"""A picture in DOT, the language of Graphviz: ``dot -Tsvg`` draws it."""

from __future__ import annotations

from collections.abc import Iterator

from .picture import Box, Group, Kind, Picture, outline

_LOOKS: dict[Kind, str] = {
    "base": 'shape=cylinder, fillcolor="#f6f8fa", color="#57606a"',
    "runs": 'shape=box, peripheries=2, fillcolor="#fff8c5", color="#9a6700"',
    "files": 'shape=box, fillcolor="#ddf4ff", color="#0969da"',
    "kept": 'shape=box, style="filled,dashed", fillcolor="#dafbe1", color="#1a7f37"',
    "image": 'shape=box, style="filled,rounded", fillcolor="#f6f8fa", color="#57606a"',
}

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;"})


def dot(picture: Picture) -> str:
    """The picture as a ``digraph``, a statement a line."""
    return "\n".join(_statements(picture)) + "\n"


def _statements(picture: Picture) -> Iterator[str]:
    yield "digraph plan {"
    yield '    node [style=filled, fontname="Helvetica", fontsize=10]'
    yield '    edge [fontname="Helvetica", fontsize=9, color="#57606a"]'
    yield '    graph [fontname="Helvetica", fontsize=11, color="#57606a"]'
    yield from (f"    {each}" for each in outline(picture, _box, _frame))
    for arrow in picture.arrows:
        label = f" [style=dashed, label={quoted(arrow.label)}]" if arrow.label else ""
        yield f"    {arrow.start} -> {arrow.end}{label}"
    yield "}"


def _frame(group: Group) -> tuple[str, ...]:
    return f"subgraph cluster_{group.id} {{", f"label={quoted(group.title)}", "}"


def _box(box: Box) -> str:
    return f"{box.id} [label={quoted(*box.lines)}, {_LOOKS[box.kind]}]"


def quoted(*lines: str) -> str:
    """Lines as a string, which Graphviz shows as they are."""
    return '"' + "\\n".join(each.translate(_ESCAPES) for each in lines) + '"'
