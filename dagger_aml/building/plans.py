"""From a graph to its plan: assumed, or asked of the real bases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self

from attrs import evolve

from ..backends.base import Builder, Format
from ..base import catalog
from ..base.facts import BaseFacts, prefixes
from ..check.run import check_plan
from ..graph.base import From
from ..graph.graph import Copy, Graph
from ..graph.stages import bases, has_wheels, pin, walk
from ..graph.wheels import LockedWheels
from ..plan.make import plan
from ..plan.model import Plan
from ..plan.resolve import probed_paths
from ..policy import DEFAULT, Policy

if TYPE_CHECKING:
    from ..backends.dockerfile.context import Dockerfile
    from ..events import OnEvent


def make_plan(graph: Graph, facts: Mapping[From, BaseFacts] | None = None) -> Plan:
    """Resolve and schedule a graph without touching network or engine.

    :param facts: of its bases; what is not given is assumed from the catalog.
    :raises BaseError: the base lacks what the graph needs.
    :raises GraphError: a destination that builders treat differently.
    :raises FindingsError: a rule found what cannot work.
    """
    plain = any(need.fact == "starts" and need.value is False for need in graph.needs)
    known = {base: catalog.assumed(base, plain=plain) for base in bases(graph)}
    return check_plan(plan(graph, {**known, **(facts or {})}), graph)


def dockerfile(graph: Graph, *, format: Format = "classic", title: str = "") -> Dockerfile:
    """A graph as a Dockerfile: ``dockerfile(graph).save("imagefiles")``. Touches neither network nor engine.

    :raises BaseError, GraphError: as :func:`make_plan`.
    """
    from ..backends.dockerfile.render import render

    return render(with_files(make_plan(graph)), format=format, title=title)


async def carried(plan: Plan, builder: Builder) -> Plan:
    """A plan as builders carry it out: with a tree on this machine in the place of its wheels.

    :raises ProjectError: a wheel cannot work from a folder, or lacks what it requires.
    :raises RegistryDenied, TransientError, DaggerAmlError: one cannot be fetched.
    """
    if not has_wheels(plan.layers):
        return plan
    from ..wheels.trees import with_trees

    return await with_trees(plan, on_event=builder.on_event, policy=builder.policy)


def with_files(plan: Plan, *, fetch: bool = False, on_event: OnEvent | None = None, policy: Policy = DEFAULT) -> Plan:
    """As :func:`carried`, where nothing else is awaited: the wheels that this machine keeps.

    :param fetch: whether others are fetched.
    :raises UsageError: they are not, and there are others.
    """
    if not has_wheels(plan.layers):
        return plan
    from anyio.from_thread import start_blocking_portal

    from ..events import ignore
    from ..wheels.trees import with_trees

    work = partial(with_trees, plan, fetch=fetch, on_event=on_event or ignore, policy=policy)
    with start_blocking_portal() as portal:
        return portal.call(work)


class Probes(Protocol):
    """Who answers what a base has; every builder does."""

    def for_packages(self) -> Self:
        """The same, whose answers tell what the base's Python has installed."""
        ...

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """The digest of a base, and its facts with those of paths."""
        ...


async def probe(graph: Graph, builder: Builder) -> Plan:
    """Ask the real bases, pin them, and plan on what they answered; raises as :func:`make_plan`."""
    return await plan_on(graph, builder)


async def plan_on(graph: Graph, builder: Probes) -> Plan:
    """As :func:`probe`, by whoever knows the bases."""
    if any(isinstance(op.layer, Copy) and isinstance(op.layer.source, LockedWheels) for op in walk(graph.layers)):
        builder = builder.for_packages()
    pinned, facts = await asked(graph, builder)
    return check_plan(plan(pinned, facts), graph)


async def asked(graph: Graph, builder: Probes) -> tuple[Graph, Mapping[From, BaseFacts]]:
    """The graph with its bases pinned, and what they answered, by the bases as they were and as they are pinned."""
    facts: dict[From, BaseFacts] = {}
    digests: dict[From, str | None] = {}
    paths = probed_paths(graph)
    for base in bases(graph):
        digests[base], facts[base] = await builder.probe(base, paths)
        linked = {path for path, fact in facts[base].paths.items() if fact.type == "link" and fact.target}
        if linked:
            # Each folder above where a link leads is beneath the copy, too.
            more = {
                above
                for link in linked
                for each in paths
                if each == link or each.startswith(link + "/")
                for above in prefixes(facts[base].paths[link].target + each[len(link) :])
            }
            _, facts[base] = await builder.probe(base, sorted({*paths, *more}))
    pinned = {evolve(base, digest=digests[base] or base.digest): known for base, known in facts.items()}
    return pin(graph, digests), {**facts, **pinned}
