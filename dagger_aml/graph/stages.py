"""A graph and the graphs of its stages: the one recursion through what is copied from another image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import evolve

from ..data import frozen
from .base import From
from .graph import Built, Copy, Graph, LayerOp, Run
from .source import Local, Text
from .wheels import Wheels


@frozen
class StagedOp:
    """A layer op and where it stands.

    :param layer: the op itself.
    :param stage: the graph of the stage that it is part of; None for an op of the image itself.
    :param depth: 0 in the image itself, 1 in a stage of it, 2 in a stage of that.
    """

    layer: LayerOp
    stage: Graph | None = None
    depth: int = 0


def stage_of(layer: LayerOp) -> Graph | None:
    """The graph of the stage that an op copies from; None for a run and for what is copied from elsewhere."""
    return layer.source.graph if isinstance(layer, Copy) and isinstance(layer.source, Built) else None


def walk(layers: Iterable[LayerOp], stage: Graph | None = None, depth: int = 0) -> Iterator[StagedOp]:
    """Every op, those of stages included; the ops of a stage follow the copy from it.

    :param stage: what the layers are part of.
    :param depth: how many stages deep they stand.
    """
    for layer in layers:
        yield StagedOp(layer, stage, depth)
        inner = stage_of(layer)
        if inner is not None:
            yield from walk(inner.layers, inner, depth + 1)


def stages(layers: Iterable[LayerOp]) -> Iterator[Graph]:
    """The graph of each stage, those of stages of stages included, as often as it is copied from."""
    for op in walk(layers):
        inner = stage_of(op.layer)
        if inner is not None:
            yield inner


def with_stage(layer: LayerOp, change: Callable[[Graph], Graph]) -> LayerOp:
    """The op, copying from the changed stage; an op that copies from none is given back as it is.

    :param change: gives the graph that takes the place of the stage's.
    """
    if isinstance(layer, Copy) and isinstance(layer.source, Built):
        return evolve(layer, source=evolve(layer.source, graph=change(layer.source.graph)))
    return layer


def map_stages(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """The graph with every stage in it changed, the innermost first; its own base and ops stay.

    :param change: gives the graph that takes the place of a stage's, whose own stages are changed already.
    """
    layers = [with_stage(layer, lambda stage: change(map_stages(stage, change))) for layer in graph.layers]
    return evolve(graph, layers=layers)


def bases(graph: Graph) -> tuple[From, ...]:
    """Every base of a graph: its own and those of its stages."""
    return tuple(dict.fromkeys((graph.from_, *(stage.from_ for stage in stages(graph.layers)))))


def secret_ids(graph: Graph) -> frozenset[str]:
    """The ids of the secrets that a graph's commands see, those of its stages included."""
    runs = (op.layer for op in walk(graph.layers) if isinstance(op.layer, Run))
    return frozenset(id for run in runs for mount in run.mounts for id in mount.secrets)


def has_wheels(layers: Iterable[LayerOp]) -> bool:
    """Whether something is copied out of wheels, which must be unpacked before."""
    return any(isinstance(op.layer, Copy) and isinstance(op.layer.source, Wheels) for op in walk(layers))


def copied_files(graph: Graph) -> frozenset[str]:
    """The paths in the image of the files and links that are copied from this machine; those of stages not."""
    found: set[str] = set()
    for layer in graph.layers:
        if isinstance(layer, Copy) and isinstance(layer.source, Local):
            single = layer.kind == "file"
            entries = (each for each in layer.source.entries if each.type != "dir")
            found.update(layer.dest if single else f"{layer.dest}/{each.path}" for each in entries)
        elif isinstance(layer, Copy) and isinstance(layer.source, Text):
            found.add(layer.dest)
    return frozenset(found)


def based_on(graph: Graph, base: From, *, old: From | None = None) -> Graph:
    """The graph on another base, in place of its own or of none; stages on its own base move with it.

    :param old: the base that is replaced wherever it stands, if that is not the graph's own.
    """
    replaced = old or graph.base

    def moved(graph: Graph) -> Graph:
        return evolve(graph, base=base) if graph.base == replaced else graph

    return moved(map_stages(graph, moved))


def pin(graph: Graph, digests: Mapping[From, str | None]) -> Graph:
    """The graph with its base, and those of its stages, pinned to the digests given."""

    def pinned(graph: Graph) -> Graph:
        digest = digests.get(graph.from_)
        return evolve(graph, base=evolve(graph.from_, digest=digest)) if digest else graph

    return pinned(map_stages(graph, pinned))
