"""From a graph to a plan: resolve, then schedule. Pure functions, with the reasons that they found.

    graph ── resolve (facts of the base) ──▶ literals only ── schedule ──▶ Plan

The plan is the only thing that back ends, the ``plan`` command and the runtime key see.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from ..base.facts import BaseFacts
from ..graph.base import From
from ..graph.graph import Graph
from ..graph.stages import map_stages
from .model import Plan
from .resolve import resolve
from .schedule import schedule


def plan(graph: Graph, facts: Mapping[From, BaseFacts]) -> Plan:
    """Resolve and schedule a graph. Raises what :func:`resolve` raises."""

    def scheduled(stage: Graph) -> Graph:
        return evolve(stage, layers=[op.layer for op in schedule(stage, facts[stage.from_])])

    resolved = map_stages(resolve(graph, facts), scheduled)
    base = resolved.from_
    ops = schedule(resolved, facts[base])
    return Plan(
        base, facts[base], ops, resolved.config, resolved.warnings, access=resolved.access, unconfirmed=resolved.needs
    )
