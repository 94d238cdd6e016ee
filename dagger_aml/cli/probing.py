"""``--pin`` and ``--probe``: what commands that build nothing may ask of a registry or of the base itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from attrs import evolve

from ..backends.base import Layers, Opening
from ..backends.builders import BUILDERS, DEFAULT
from ..building.plans import Probes, make_plan, probe
from ..data import frozen
from ..errors import DaggerAmlError, UsageError
from ..graph.graph import Graph
from ..graph.stages import bases, pin
from ..oci.reference import Reference
from ..plan.making import Making
from ..plan.model import Plan
from .common import by_flag, check_engine, no_engine, opened, policy_of_call
from .options.build import engine_option, setting_option

if TYPE_CHECKING:
    from .progress import Progress

Command = Callable[..., Any]

T = TypeVar("T")


def probe_options(function: Command) -> Command:
    """Add ``--pin``, ``--probe``, ``--with`` and ``--engine``."""
    for option in (
        engine_option,
        setting_option(
            "builder",
            choices=BUILDERS,
            help=f"Builder that runs the probe for --probe (default: {DEFAULT}).",
            default=None,
        ),
        click.option(
            "--probe",
            is_flag=True,
            help="Pull, pin and probe the base image, as build does, instead of assuming its properties.",
        ),
        click.option("--pin", is_flag=True, help="Get the base image's digest from the registry, and pin it."),
    ):
        function = option(function)
    return function


def with_probes(work: Callable[[Probes], Awaitable[T]], *, builder: str | None, engine: str | None) -> T:
    """What comes of work that asks bases, by a builder, which is opened where files alone cannot answer.

    :raises UsageError: the engine's address is none.
    """
    import anyio

    from .progress import Progress

    name = builder or DEFAULT
    opening = Opening(engine=check_engine(engine, no_engine(name)))

    async def asking(progress: Progress) -> T:
        async with opened(name, progress, opening) as found:
            return await work(found)

    with Progress() as progress:
        return anyio.run(asking, progress)


@frozen
class Asks:
    """What is asked of the base of one project, and how.

    :param builder: that is asked; None for what is usual.
    """

    pin: bool
    probe: bool
    builder: str | None
    engine: str | None
    layers: Layers


@frozen
class Planned:
    """A plan, and how its layers would be made; nothing of that where no base was asked."""

    plan: Plan
    makings: tuple[Making, ...] = ()


def planned(
    graph: Graph,
    *,
    pin: bool,
    probe: bool,
    builder: str | None,
    engine: str | None,
    opening: Opening,
    image: str | None = None,
) -> Planned:
    """The plan of a graph, on what is assumed of its bases or, with ``probe``, on what they answer.

    :param opening: of what is asked.
    :param image: what it is held against: if it is one of a registry, what ran may be in it.
    :raises UsageError: a builder is named and nothing is asked of it.
    """
    how = Asks(pin, probe, builder, engine, opening.layers)
    (made,) = planned_each([graph], how, opening, image)
    assert isinstance(made, Planned)
    return made


def planned_each(
    graphs: Sequence[Graph], how: Asks, opening: Opening, image: str | None = None
) -> list[Planned | DaggerAmlError]:
    """As :func:`planned`, of the graphs for several platforms.

    :returns: one for each; of those after the first why there is no plan, where their bases do not answer.
    """
    pin, probe, builder, engine = how.pin, how.probe, how.builder, how.engine
    engine = check_engine(engine, no_engine(builder or DEFAULT) if probe else "only --probe uses a builder")
    if builder and not probe and by_flag("builder"):
        raise UsageError("only --probe uses a builder", location="--with", hint="Add --probe, or remove --with.")
    if not probe and not pin:
        return [Planned(make_plan(graph)) for graph in graphs]
    import anyio

    from .progress import Progress

    if probe:
        with Progress() as progress:
            opening = evolve(opening, engine=engine)
            return anyio.run(_probed, graphs, builder or DEFAULT, opening, _tags(image), progress)
    with Progress() as progress:
        return [Planned(make_plan(anyio.run(_pinned, graph, progress))) for graph in graphs]


async def _probed(
    graphs: Sequence[Graph], name: str, opening: Opening, tags: tuple[Reference, ...], progress: Progress
) -> list[Planned | DaggerAmlError]:
    made: list[Planned | DaggerAmlError] = []
    async with opened(name, progress, opening) as builder:
        builder = builder.for_tags(tags)
        for graph in graphs:
            try:
                plan = await probe(graph, builder)
                made.append(Planned(plan, await builder.makings(plan)))
            except DaggerAmlError as error:
                if not made:
                    raise
                made.append(error)
    return made


def _tags(image: str | None) -> tuple[Reference, ...]:
    """The reference of an image that may be in a registry."""
    from ..building.earlier import is_image

    return (Reference.parse(image, "--against"),) if image and is_image(image) else ()


async def _pinned(graph: Graph, progress: Progress) -> Graph:
    from ..oci.registry import resolve_digest

    return pin(
        graph, {base: await resolve_digest(base, progress.on_event, policy_of_call()) for base in bases(graph)}
    )
