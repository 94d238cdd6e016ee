"""From a graph to its plan: assumed, or asked of the real bases."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from ..backends.base import Builder, Format
from ..backends.dockerfile.context import Dockerfile
from ..backends.dockerfile.render import render
from ..base import catalog
from ..base.facts import BaseFacts
from ..check.run import check_plan
from ..graph.base import From
from ..graph.graph import Graph
from ..graph.stages import bases, pin
from ..plan.make import plan
from ..plan.model import Plan
from ..plan.resolve import probed_paths


def make_plan(graph: Graph, facts: Mapping[From, BaseFacts] | None = None) -> Plan:
    """Resolve and schedule a graph without touching network or engine.

    :param facts: of its bases; what is not given is assumed from the catalog.
    :raises BaseError: the base lacks what the graph needs.
    :raises GraphError: a destination that builders treat differently.
    :raises FindingsError: a rule found what cannot work.
    """
    known = {base: catalog.assumed(base) for base in bases(graph)}
    return check_plan(plan(graph, {**known, **(facts or {})}), graph)


def dockerfile(graph: Graph, *, format: Format = "classic", title: str = "") -> Dockerfile:
    """A graph as a Dockerfile: ``dockerfile(graph).save("imagefiles")``. Touches neither network nor engine.

    :raises BaseError, GraphError: as :func:`make_plan`.
    """
    return render(make_plan(graph), format=format, title=title)


async def probe(graph: Graph, builder: Builder) -> Plan:
    """Ask the real bases, pin them, and plan on what they answered; raises as :func:`make_plan`."""
    facts: dict[From, BaseFacts] = {}
    digests: dict[From, str | None] = {}
    paths = probed_paths(graph)
    for base in bases(graph):
        digests[base], facts[base] = await builder.probe(base, paths)
        linked = {path for path, fact in facts[base].paths.items() if fact.type == "link" and fact.target}
        if linked:
            more = {
                facts[base].paths[link].target + each[len(link) :]
                for link in linked
                for each in paths
                if each == link or each.startswith(link + "/")
            }
            _, facts[base] = await builder.probe(base, sorted({*paths, *more}))
    pinned = {evolve(base, digest=digests[base] or base.digest): known for base, known in facts.items()}
    return check_plan(plan(pin(graph, digests), {**facts, **pinned}), graph)
