"""From a graph to a plan: resolve, then schedule. Pure functions, with the reasons that they found.

    graph ── resolve (facts of the base) ──▶ literals only ── schedule ──▶ Plan

The plan is the only thing that back ends, the ``plan`` command and the fingerprint see.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from ..base.facts import BaseFacts
from ..graph.base import From
from ..graph.graph import Built, Copy, Graph, Layer
from .keys import ENCODING, step_key
from .label import PLAN_LABEL, fits
from .model import Plan
from .resolve import resolve
from .schedule import schedule


def plan(graph: Graph, facts: Mapping[From, BaseFacts]) -> Plan:
    """Resolve and schedule a graph. Raises what :func:`resolve` raises."""
    resolved = _with_stages_scheduled(resolve(graph, facts), facts)
    base = resolved.from_
    steps = schedule(resolved, facts[base])
    notes = resolved.notes
    if not fits((step_key(step.layer, "") for step in steps), ENCODING):
        notes += (f"the image bears no label {PLAN_LABEL}: what tells of its {len(steps)} steps is too long for it",)
    return Plan(base, facts[base], steps, resolved.config, notes, resolved.access)


def _with_stages_scheduled(graph: Graph, facts: Mapping[From, BaseFacts]) -> Graph:
    """The graph with the layers of its stages in the order in which they are made."""
    layers: list[Layer] = []
    for layer in graph.layers:
        if isinstance(layer, Copy) and isinstance(layer.source, Built):
            inner = _with_stages_scheduled(layer.source.graph, facts)
            inner = evolve(inner, layers=[step.layer for step in schedule(inner, facts[inner.from_])])
            layer = evolve(layer, source=evolve(layer.source, graph=inner))
        layers.append(layer)
    return evolve(graph, layers=layers)
