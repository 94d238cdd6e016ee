"""A graph and the graphs of its stages: their bases, and other bases in their place."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from .base import From
from .graph import Built, Copy, Graph


def bases(graph: Graph) -> tuple[From, ...]:
    """Every base of a graph: its own and those of its stages."""
    found = [graph.from_]
    for layer in graph.layers:
        if isinstance(layer, Copy) and isinstance(layer.source, Built):
            found += bases(layer.source.graph)
    return tuple(dict.fromkeys(found))


def based_on(graph: Graph, base: From, *, old: From | None = None) -> Graph:
    """The graph on another base, in place of its own or of none; stages on its own base move with it.

    :param old: the base that is replaced wherever it stands, if that is not the graph's own.
    """
    return _moved(graph, old or graph.base, base)


def _moved(graph: Graph, old: From | None, new: From) -> Graph:
    layers = [
        evolve(layer, source=evolve(layer.source, graph=_moved(layer.source.graph, old, new)))
        if isinstance(layer, Copy) and isinstance(layer.source, Built)
        else layer
        for layer in graph.layers
    ]
    return evolve(graph, base=new if graph.base == old else graph.base, layers=layers)


def pin(graph: Graph, digests: Mapping[From, str | None]) -> Graph:
    """The graph with its base, and those of its stages, pinned to the digests given."""
    base = graph.from_
    digest_ = digests.get(base)
    layers = [
        evolve(layer, source=evolve(layer.source, graph=pin(layer.source.graph, digests)))
        if isinstance(layer, Copy) and isinstance(layer.source, Built)
        else layer
        for layer in graph.layers
    ]
    return evolve(graph, base=evolve(base, digest=digest_) if digest_ else base, layers=layers)
