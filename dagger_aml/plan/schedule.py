"""The order of a plan's ops, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from ..base.facts import BaseFacts, PathFact
from ..graph.graph import Copy, Graph, LayerOp, Run
from ..graph.source import Empty
from .conflicts import conflict_of
from .links import links_of
from .model import Op


def schedule(graph: Graph, facts: BaseFacts) -> tuple[Op, ...]:
    """Order the layers of a resolved graph: runs, then what changes rarely, then what changes often.

    Two ops change places only if neither writes what the other reads or writes; a run without ``touches`` changes
    places with nothing. The image is the same in any order this gives (docs/design.md, law 4).
    """
    layers = graph.layers
    links = links_of(layers, facts)
    known = _known_before(layers, facts)
    before: list[dict[int, str]] = [
        {
            earlier: why
            for earlier in range(index)
            if (why := conflict_of(layers[earlier], layers[index], known[earlier], links))
        }
        for index in range(len(layers))
    ]
    order: list[int] = []
    reasons: dict[int, str] = {}

    def emit(index: int, reason: str) -> None:
        for earlier, why in before[index].items():
            if earlier not in reasons:
                emit(earlier, f"before {layers[index].name!r}: {why}")
        reasons[index] = reason
        order.append(index)

    for index, layer in enumerate(layers):
        if isinstance(layer, Run) and index not in reasons:
            emit(index, "runs a command: placed before files that are only copied")
    copies = [index for index in range(len(layers)) if index not in reasons]
    for index in sorted(copies, key=lambda index: (_often(layers[index]), index)):
        if index not in reasons:
            kept = [f"after {layers[earlier].name!r}: {why}" for earlier, why in before[index].items()]
            often = "changes often: placed last, so that a change does not repeat other steps"
            rarely = "changes rarely: placed before files that change often"
            emit(index, "; ".join([often if _often(layers[index]) else rarely, *kept]))
    return tuple(Op(layers[index], reasons[index]) for index in order)


def _known_before(layers: Sequence[LayerOp], facts: BaseFacts) -> list[BaseFacts]:
    """What is there before each op: the base, and the empty folders that earlier ops make.

    Whatever writes such a folder or beneath it stays behind the op that makes it, and finds it there.
    """
    found = []
    for layer in layers:
        found.append(facts)
        if isinstance(layer, Copy) and isinstance(layer.source, Empty) and facts.path(layer.dest) is None:
            facts = evolve(facts, paths={**facts.paths, layer.dest: PathFact("dir")})
    return found


def _often(layer: LayerOp) -> bool:
    return isinstance(layer, Copy) and layer.changes == "often"
