"""``--pin`` and ``--probe``: what commands that build nothing may ask of a registry or of the base itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import click

from ..building.plans import ask, make_plan
from ..errors import UsageError
from ..graph.graph import Graph
from ..graph.stages import bases, pin
from ..plan.model import Plan
from .common import BUILDERS, check_engine, engine_option, not_dagger, opened
from .progress import Progress

Command = Callable[..., Any]


def asking_options(function: Command) -> Command:
    """Add ``--pin``, ``--probe``, ``--with`` and ``--engine``."""
    for option in (
        engine_option,
        click.option(
            "--with", "builder", type=click.Choice(BUILDERS), help="What asks for --probe; dagger unless given."
        ),
        click.option(
            "--probe", is_flag=True, help="Pull the base, pin it and ask it, as build does, in place of assuming."
        ),
        click.option("--pin", is_flag=True, help="Ask the registry for the base's digest."),
    ):
        function = option(function)
    return function


def planned(graph: Graph, *, pin: bool, probe: bool, builder: str | None, engine: str | None) -> Plan:
    """The plan of a graph, on what is assumed of its bases or, with ``probe``, on what they answer.

    :raises UsageError: a builder is named and nothing is asked of it.
    """
    check_engine(engine, not_dagger(builder or "dagger") if probe else "only --probe asks a builder")
    if builder and not probe:
        raise UsageError("only --probe asks a builder", where="--with", do="Add --probe, or leave --with out.")
    if probe:
        with Progress() as progress:
            return anyio.run(_probed, graph, builder or "dagger", engine, progress)
    if pin:
        with Progress() as progress:
            graph = anyio.run(_pinned, graph, progress)
    return make_plan(graph)


async def _probed(graph: Graph, name: str, engine: str | None, progress: Progress) -> Plan:
    async with opened(name, progress, engine=engine) as builder:
        return await ask(graph, builder)


async def _pinned(graph: Graph, progress: Progress) -> Graph:
    from ..oci.registry import resolve_digest

    return pin(graph, {base: await resolve_digest(base, progress.on_event) for base in bases(graph)})
