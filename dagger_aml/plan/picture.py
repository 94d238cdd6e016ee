"""A plan as a picture: boxes, groups of them and arrows, which :mod:`.mermaid` and :mod:`.dot` write down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from attrs import Factory, field

from ..data import define, frozen
from ..graph.base import From
from ..graph.graph import Built, Copy, LayerOp, Run
from ..text import human_size, visible
from .compare import Comparison, Outcome, Verdict, copied_bytes
from .making import Making
from .model import Plan
from .render import mount_text, source_text
from .verdict import Standing

Kind = Literal["base", "runs", "files", "kept", "image"]
"""Of a box: what it begins with, what is run, what is copied, what is there already, and what comes of it."""

LONGEST = 72
"""Characters of a line of a box; what is longer is cut."""


@frozen
class Box:
    """:param id: letters and digits that no other box or group has.
    :param lines: of its text, each printable and of one line.
    """

    id: str
    kind: Kind
    lines: tuple[str, ...]


@frozen
class Arrow:
    """:param label: what is taken from where it begins; empty for a layer that lies on another."""

    start: str
    end: str
    label: str = ""


@frozen
class Group:
    """The boxes of a project, or of a stage, beneath a title; a title that is empty frames nothing."""

    id: str
    title: str
    boxes: tuple[Box, ...]
    groups: tuple[Group, ...] = ()


@frozen
class Picture:
    """:param bases: which several groups may begin with."""

    bases: tuple[Box, ...]
    groups: tuple[Group, ...]
    arrows: tuple[Arrow, ...]


@frozen
class Drawn:
    """What a picture shows of one project.

    :param how: the layer of each op would be made, in the order of the ops; empty where that is not told.
    :param held: what would become of each op where something else was built.
    :param standing: how the project stands to that.
    :param why: whether the reason of each op's place is told too.
    """

    name: str
    plan: Plan
    how: Sequence[Making] = ()
    held: Comparison | None = None
    standing: Standing | None = None
    why: bool = field(default=False, kw_only=True)


def outline(picture: Picture, box: Callable[[Box], str], frame: Callable[[Group], Sequence[str]]) -> list[str]:
    """The statements of all boxes, those within a frame indented.

    :param box: of one. :param frame: of a group that has a title; the last of them ends it.
    """

    def of_group(group: Group) -> list[str]:
        held = [*(line for each in group.groups for line in of_group(each)), *map(box, group.boxes)]
        if not group.title:
            return held
        begin, *more, end = frame(group)
        return [begin, *(f"    {line}" for line in (*more, *held)), end]

    return [*map(box, picture.bases), *(line for each in picture.groups for line in of_group(each))]


def picture(projects: Sequence[Drawn]) -> Picture:
    """The picture of one project, or of several, each in a frame with its name."""
    drawing = _Drawing()
    groups = [drawing.project(each, number, len(projects) > 1) for number, each in enumerate(projects, 1)]
    bases = tuple(
        Box(id, "base", _lines(base.pinned, base.platform + facts)) for base, (id, facts) in drawing.bases.items()
    )
    return Picture(bases, tuple(groups), tuple(drawing.arrows))


@define
class _Drawing:
    """The bases met so far, and the arrows drawn."""

    bases: dict[From, tuple[str, str]] = Factory(dict)
    arrows: list[Arrow] = Factory(list)

    def project(self, drawn: Drawn, number: int, framed: bool) -> Group:
        plan, prefix = drawn.plan, f"p{number}" if framed else ""
        boxes, groups = list[Box](), list[Group]()
        facts = "probed" if plan.facts.source == "probed" else "assumed"
        before = self._base(plan.base, f", facts {facts}")
        for place, op in enumerate(plan.ops):
            id = f"{prefix}op{place + 1}"
            groups += self._stage(op.layer, id)
            boxes.append(Box(id, _kind(op.layer, drawn, place), _lines(*_op_lines(drawn, place))))
            self.arrows.append(Arrow(before, id))
            before = id
        id = f"{prefix}image"
        boxes.append(Box(id, "image", _lines(*_image_lines(drawn))))
        self.arrows.append(Arrow(before, id))
        title = f"{drawn.name} ({plan.base.platform})" if framed else ""
        return Group(prefix, _line(title), tuple(boxes), tuple(groups))

    def _base(self, base: From, facts: str = "") -> str:
        id, known = self.bases.get(base, (f"base{len(self.bases) + 1}", ""))
        self.bases[base] = id, known or facts
        return id

    def _stage(self, layer: LayerOp, user: str) -> Iterator[Group]:
        """The stage that an op copies from, its own stages within.

        :param user: the box of that op.
        """
        if not isinstance(layer, Copy) or not isinstance(layer.source, Built):
            return
        boxes, groups = list[Box](), list[Group]()
        graph = layer.source.graph
        before = self._base(graph.from_)
        for number, inner in enumerate(graph.layers, 1):
            id = f"{user}stage{number}"
            groups += self._stage(inner, id)
            kind: Kind = "runs" if isinstance(inner, Run) else "files"
            boxes.append(Box(id, kind, _lines(inner.name, *_what(inner))))
            self.arrows.append(Arrow(before, id))
            before = id
        self.arrows.append(Arrow(before, user, _line(layer.source.path)))
        yield Group(f"{user}stage", _line(f"stage of {layer.name}"), tuple(boxes), tuple(groups))


_KINDS: dict[Outcome, Kind] = {"reused": "kept", "runs": "runs", "new layer": "files", "same bytes": "files"}


def _kind(layer: LayerOp, drawn: Drawn, place: int) -> Kind:
    if drawn.held:
        return _KINDS[drawn.held.ops[place].dagger]
    if drawn.how and drawn.how[place].way == "found":
        return "kept"
    return "runs" if isinstance(layer, Run) else "files"


def _op_lines(drawn: Drawn, place: int) -> Iterator[str]:
    op = drawn.plan.ops[place]
    yield op.name
    yield from _what(op.layer)
    if drawn.held:
        yield _outcome(drawn.held.ops[place])
    elif drawn.how and drawn.how[place].way != "builder":
        yield drawn.how[place].text()
    if drawn.why:
        yield f"why here: {op.why}"


def _what(layer: LayerOp) -> Iterator[str]:
    if isinstance(layer, Run):
        yield f"as {layer.user}" + "".join(f", sees {mount_text(each)}" for each in layer.mounts)
        return
    yield f"to {layer.dest}{'/' if layer.kind == 'tree' else ''}"
    if isinstance(layer.source, Built):
        yield "original owners"
    else:
        yield f"owner {layer.uid or 0}:{layer.gid or 0}, {source_text(layer)}"


_OUTCOMES: dict[Outcome, str] = {
    "reused": "reused",
    "runs": "runs again",
    "new layer": "new layer",
    "same bytes": "copied again, probably the same bytes",
}


def _outcome(verdict: Verdict) -> str:
    said = "runs" if verdict.is_new and verdict.dagger == "runs" else _OUTCOMES[verdict.dagger]
    return f"{said}: {verdict.why}" if verdict.why else said


def _image_lines(drawn: Drawn) -> Iterator[str]:
    plan = drawn.plan
    yield f"image of {drawn.name}"
    files = human_size(sum(copied_bytes(each) or 0 for each in plan.layers))
    count = len(plan.ops)
    yield f"{count} layer{'' if count == 1 else 's'} on the base, {files} copied"
    if drawn.standing:
        yield f"up to date: {drawn.standing.word}"
        yield from drawn.standing.reasons[:1]


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(map(_line, lines))


def _line(text: str) -> str:
    """A text as a box shows it: what prints nothing, or breaks a line, by its escape; cut where too long."""
    line = visible(text)
    return line if len(line) <= LONGEST else f"{line[: LONGEST * 2 // 3]}…{line[-(LONGEST // 3 - 1) :]}"
