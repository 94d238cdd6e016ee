"""A plan as the instructions of a Dockerfile: data, which :mod:`~dagger_aml.backends.dockerfile.render` writes down.

Copies are keeping copies (docs/builder-cases.md): an empty folder first makes missing parents as 0:0, then a
folder that holds exactly what is copied goes onto the destination. So every builder keeps the owner and mode of what
exists, replaces links by files, and gives parents the same owner.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from attrs import evolve, field

from ...data import frozen
from ...graph.graph import Built, Copy, Graph, LayerOp, Run
from ...graph.mount import Mount, mount_ids
from ...graph.source import Local
from ...plan.keys import labels
from ...plan.model import Plan
from ...text import pattern
from . import encoder

NUMBERED = "context/"
"""How the folders of a context begin that are named by a number."""

EMPTY = "context/empty"
"""The folder of a context that holds nothing but an empty folder."""

_PLAIN = pattern(r"[A-Za-z0-9._/-]+")
"""Names that no builder takes for a pattern."""

_ROOT = "0:0"


@frozen
class Instruction:
    """One instruction of a Dockerfile, and the op that it belongs to.

    :param keyword: ``FROM``, ``RUN`` and so on.
    :param argv: what it is given, as it was before it was quoted: of FROM the reference, of RUN the command without
        the variables before it, of COPY the source and the destination, of ENV and LABEL the name and the value.
    :param text: as it stands in the Dockerfile.
    :param op: name of the one that it belongs to; empty for FROM and for what the image says of itself.
    :param number: of that op in the plan, or in its stage, from 1; 0 where there is no op.
    :param stage: name of the stage that it is in; empty in the last one, which is the image.
    """

    keyword: str
    argv: tuple[str, ...]
    text: str = field(repr=False)
    op: str = ""
    number: int = 0
    stage: str = ""

    @property
    def line(self) -> str:
        """Its text as builders show it, on one line."""
        return self.text.replace("\\\n", "")

    @property
    def makes_vertex(self) -> bool:
        """Whether BuildKit numbers it."""
        return self.keyword in ("FROM", "RUN", "COPY") or (self.keyword == "WORKDIR" and self.argv != ("/",))


@frozen
class Script:
    """What a Dockerfile is written of.

    :param instructions: of every stage and of the image, in order.
    :param copies: folders of the context, and the copies whose sources fill them.
    """

    instructions: tuple[Instruction, ...]
    copies: tuple[tuple[str, Copy], ...] = field(repr=False)

    @property
    def stages(self) -> tuple[tuple[Instruction, ...], ...]:
        """The instructions of each stage, FROM first, and last those of the image."""
        return tuple(tuple(every) for _, every in groupby(self.instructions, lambda each: each.stage))


def script(plan: Plan, folders: Mapping[str, str] | None = None) -> Script:
    """The instructions that make a plan's image. Reads every byte that is copied, unless the plan is labelled.

    :param folders: names in the context for folders of the image.
    """
    walk = _Walk(mount_ids(mounts(plan.layers)), folders or {})
    walk.stages(plan.layers)
    walk.add([_from(plan.base.pinned, plan.base.platform)])
    state = walk.layers(plan.layers, (plan.facts.user or _ROOT, plan.facts.workdir))
    walk.add(_config(plan, state))
    return Script(tuple(walk.found), tuple(walk.copies))


def content(name: str) -> str:
    """Where in a folder of the context what is copied lies: of one with a number, in a folder of its own."""
    return f"{name}/k" if name.startswith(NUMBERED) else name


_State = tuple[str, str | None]
"""User and workdir in force; empty and None where they are not known."""


def mounts(layers: tuple[LayerOp, ...]) -> dict[Mount, str]:
    """The mounts of all commands, those of stages included, each with the first step that sees it."""
    found: dict[Mount, str] = {}
    for layer in layers:
        if isinstance(layer, Run):
            for mount in layer.mounts:
                found.setdefault(mount, layer.name)
        elif isinstance(layer.source, Built):
            found = {**mounts(layer.source.graph.layers), **found}
    return found


class _Walk:
    """Collects instructions and the context's folders while a plan is walked."""

    def __init__(self, ids: Mapping[Mount, str], folders: Mapping[str, str]) -> None:
        self.ids = ids
        self.folders = folders
        self.found: list[Instruction] = []
        self.copies: list[tuple[str, Copy]] = []
        self.built: list[tuple[Graph, str]] = []

    def add(self, made: Iterable[Instruction], op: str = "", number: int = 0, stage: str = "") -> None:
        self.found += [evolve(each, op=op, number=number, stage=stage) for each in made]

    def stages(self, layers: tuple[LayerOp, ...]) -> None:
        """Every stage once, after those that it needs itself."""
        for layer in layers:
            if isinstance(layer, Run) or not isinstance(layer.source, Built):
                continue
            graph = layer.source.graph
            if self.stage_of(graph):
                continue
            self.stages(graph.layers)
            name = f"stage-{len(self.built) + 1}"
            self.built.append((graph, name))
            base = graph.from_
            self.add([_from(base.pinned, base.platform, name)], stage=name)
            self.layers(graph.layers, ("", None), name)

    def stage_of(self, graph: Graph) -> str | None:
        return next((name for known, name in self.built if known == graph), None)

    def layers(self, layers: tuple[LayerOp, ...], state: _State, stage: str = "") -> _State:
        """Add the ops; returns the state after them."""
        for number, layer in enumerate(layers, 1):
            if isinstance(layer, Run):
                self.add(_run(layer, state, self.ids), layer.name, number, stage)
                state = str(layer.user), layer.workdir
            else:
                self.add(self.copy(layer), layer.name, number, stage)
        return state

    def copy(self, copy: Copy) -> Iterator[Instruction]:
        owner = None if copy.uid is None or copy.gid is None else (int(str(copy.uid)), int(str(copy.gid)))
        into = posixpath.dirname(copy.dest) if copy.kind == "file" else copy.dest
        parent = posixpath.dirname(copy.dest)
        if owner and parent != "/":
            yield _copy(f"{EMPTY}/e", parent)
        name = self.named(copy, into) or f"{NUMBERED}{len(self.copies) + 1}"
        if copy.root is not None or not isinstance(copy.source, Built):
            self.copies.append((name, copy))
        if isinstance(copy.source, Built):
            yield _copy(copy.source.path, into, owner=owner, stage=self.stage_of(copy.source.graph))
        else:
            yield _copy(content(name), into, owner=owner)
        if copy.root is not None:
            yield _copy(f"{name}/root", parent, owner=(copy.root.uid, copy.root.gid))

    def named(self, copy: Copy, into: str) -> str | None:
        """The folder of the context that is named for a place in the image; None where there is none, or another
        copy's lies in it or around it."""
        for place, name in self.folders.items():
            if copy.root is not None or not isinstance(copy.source, Local) or not f"{into}/".startswith(f"{place}/"):
                continue
            found = name + into[len(place) :]
            taken = [
                other
                for other, _ in self.copies
                if other.startswith(f"{found}/") or f"{found}/".startswith(f"{other}/")
            ]
            if not taken and _PLAIN.fullmatch(found):
                return found
        return None


def _run(run: Run, state: _State, ids: Mapping[Mount, str]) -> Iterator[Instruction]:
    user, workdir = str(run.user), run.workdir
    if user != state[0]:
        yield _user(user)
    if workdir != state[1]:
        yield _workdir(workdir)
    seen = [_secret_mount(each, ids[each], user) for each in run.mounts]
    text = encoder.run([str(word) for word in run.command], seen)
    yield Instruction("RUN", tuple(str(word) for word in run.argv), text)


def _config(plan: Plan, state: _State) -> Iterator[Instruction]:
    """What the image says of itself."""
    config, facts = plan.config, plan.facts
    for name, value in config.env.items():
        yield Instruction("ENV", (name, str(value)), encoder.env(name, str(value)))
    for name, value in sorted(labels(plan).items()):
        yield Instruction("LABEL", (name, value), encoder.label(name, value))
    for port in config.ports:
        yield Instruction("EXPOSE", (str(port),), encoder.expose(port))
    workdir = config.workdir or facts.workdir
    if workdir != state[1]:
        yield _workdir(workdir)
    user = (facts.user if config.user is None else str(config.user)) or _ROOT
    if user != state[0]:
        yield _user(user)
    if config.entrypoint is not None:
        yield Instruction("ENTRYPOINT", tuple(config.entrypoint), encoder.entrypoint(config.entrypoint))
    if config.cmd is not None:
        yield Instruction("CMD", tuple(config.cmd), encoder.cmd(config.cmd))
    elif config.entrypoint is not None and facts.cmd:
        yield Instruction("CMD", tuple(facts.cmd), encoder.cmd(facts.cmd))


def _from(reference: str, platform: str, stage: str | None = None) -> Instruction:
    return Instruction("FROM", (reference,), encoder.from_(reference, platform, stage))


def _user(name: str) -> Instruction:
    return Instruction("USER", (name,), encoder.user(name))


def _workdir(path: str) -> Instruction:
    return Instruction("WORKDIR", (path,), encoder.workdir(path))


def _copy(source: str, dest: str, *, owner: tuple[int, int] | None = None, stage: str | None = None) -> Instruction:
    return Instruction("COPY", (source, dest), encoder.copy(source, dest, owner=owner, stage=stage))


def _secret_mount(mount: Mount, id: str, user: str) -> str:
    uid, _, gid = user.partition(":")
    return encoder.secret_mount(id, mount.path, (int(uid), int(gid)), mount.mode)
