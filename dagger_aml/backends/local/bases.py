"""Bases as the builders of this machine call them, and what it means that one cannot be asked."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from ...errors import DaggerAmlError
from ...graph.base import From
from ...graph.graph import Graph
from ...graph.stages import based_on, bases
from ...plan.keys import labels
from ...plan.model import Plan
from ...process import CompletedProcess
from ..base import cannot_run, has_no_shell
from .program import failed


def own_name(base: From) -> From:
    """What a store calls an image of this machine: never a name of the user's, and the image's ID tells it."""
    assert base.archive
    return From(f"localhost/dagger-aml-base:{base.archive.image_id.removeprefix('sha256:')}", None, base.platform)


def in_store(plan: Plan, stored: Mapping[From, From]) -> Plan:
    """The plan with the store's names for its bases, and the labels that it had without."""
    config = evolve(plan.config, labels=labels(plan))
    graph = Graph(plan.base, plan.layers)
    for base in bases(graph):
        if base.archive or base in stored:
            graph = based_on(graph, own_name(base) if base.archive else stored[base], old=base)
    ops = [evolve(op, layer=layer) for op, layer in zip(plan.ops, graph.layers, strict=True)]
    return evolve(plan, base=graph.from_, ops=tuple(ops), config=config)


def not_probed(base: From, done: CompletedProcess, name: str, *, takes_isolation: bool = False) -> DaggerAmlError:
    """The error for a base in which a builder could not run the probe.

    :param name: of the builder.
    :param takes_isolation: see :attr:`~dagger_aml.backends.local.program.ContainerCli.takes_isolation`.
    """
    said = (done.err or done.out).lower()
    if "exec format error" in said:
        return cannot_run(base)
    if "/bin/sh" in said and ("no such file" in said or "not found" in said):
        return has_no_shell(base)
    return failed(done, f"base {base.pinned}", [name, "run"], takes_isolation=takes_isolation)
