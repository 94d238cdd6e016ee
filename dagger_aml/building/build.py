"""Building a graph and sending the image where it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..backends.base import Builder, Image
from ..backends.outputs import Export, as_export
from ..backends.result import Result
from ..events import OnEvent, ignore
from ..graph.graph import Graph
from ..graph.stages import based_on
from ..plan.model import Plan
from .many import build_all, tell_warnings
from .outputs import outputs_of
from .plans import carried, probe
from .target import BuildTarget, tags_of

if TYPE_CHECKING:
    import dagger


Outputs = Export | Path | str | Iterable[Export | Path | str] | None
"""What is written: a path is a tar that docker and podman load."""


async def container(
    graph: Graph,
    client: dagger.Client,
    *,
    base: dagger.Container | None = None,
    on_event: OnEvent = ignore,
) -> dagger.Container:
    """A graph as a plain ``dagger.Container`` of somebody's own Dagger client; asks the real base first.

    :param base: a container of that client to start from. The graph's own base, if it has one, is then not used, nor
        its platform; the stages on that base start from the container too. What the container is, is asked of itself;
        its ONBUILD triggers and VOLUME paths, which the engine does not tell and heeds in no build, stay as they are.
        It has no digest, so no labels of a base are set.
    :raises BaseError: the base lacks what the graph needs.
    :raises GraphError: neither the graph nor the caller has a base; a destination that builders treat differently.
    :raises BuildError: a step failed.
    """
    from ..backends.dagger.builder import Engine, given_base

    builder = Engine(client, on_event=on_event, given=base)
    if base is not None:
        graph = based_on(graph, await given_base(base))
    made = await probe(graph, builder)
    return await builder.container(await carried(made, builder))


async def image(graph: Graph, builder: Builder, *, title: str = "") -> tuple[Plan, Image]:
    """Make the image of a graph, publish it nowhere."""
    made = await probe(graph, builder)
    tell_warnings([made], [graph], builder)
    return made, await builder.image(await carried(made, builder), title=title)


async def build(
    graph: Graph | Sequence[Graph],
    builder: Builder,
    *,
    tags: Iterable[str] = (),
    push: bool = False,
    output: Outputs = None,
    load: bool = False,
    title: str = "",
    check: Callable[[Plan, Image, Builder], Awaitable[None]] | None = None,
) -> Result:
    """Build a graph and send it where it is asked for.

    :param graph: or several that differ in their base's platform (:func:`dagger_aml.lay_out_each`): one index.
    :param builder: from ``async with connect() as engine``, or a local builder.
    :param tags: references to push, or to name it by in a tar or store; one alone may be given as it is.
    :param push: push every tag.
    :param output: a tar to write, or an :class:`~dagger_aml.backends.outputs.Export`, or several; named by every tag.
    :param load: put it into the local store under every tag.
    :param check: called with the image before it goes anywhere, such as ``Smoke(…).check``; where it raises, nothing
        is written, loaded or pushed.
    :raises UsageError: nothing to push or load it as; a malformed tag; several platforms where there can be one.
    :raises BaseError: a platform that the builder's machine cannot run; before anything is built.
    :raises BuildError: a step failed.
    """
    target = BuildTarget(
        graphs=(graph,) if isinstance(graph, Graph) else tuple(graph),
        name=title,
        tags=tags_of(tags),
        outputs=outputs_of(_exports(output), push=push, load=load),
        gate=check,
    )
    target.check(builder.capabilities)
    (result,) = await build_all([target], builder)
    return result


def _exports(output: Outputs) -> tuple[Export, ...]:
    if output is None:
        return ()
    several = [output] if isinstance(output, Export | Path | str) else output
    return tuple(as_export(each) for each in several)
