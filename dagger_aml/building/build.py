"""Building a graph and sending the image where it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from ..backends.base import Builder, Image
from ..backends.outputs import Export, as_export, check_exports
from ..backends.result import Result
from ..errors import UsageError
from ..events import OnEvent, Said, ignore
from ..graph.checks import parse_reference
from ..graph.graph import Graph
from ..graph.stages import based_on
from ..plan.keys import fingerprint
from ..plan.model import Plan
from .plans import ask

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
    return await builder.container(await ask(graph, builder))


async def image(graph: Graph, builder: Builder, *, title: str = "") -> tuple[Plan, Image]:
    """Make the image of a graph, publish it nowhere."""
    made = await ask(graph, builder)
    _tell([made], [graph], builder)
    return made, await builder.image(made, title=title)


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
    :param tags: references to push, or to name it by in a tar or store.
    :param push: push every tag.
    :param output: a tar to write, or an :class:`~dagger_aml.backends.outputs.Export`, or several; named by every tag.
    :param load: put it into the local store under every tag.
    :param check: called with the image before it goes anywhere, such as ``Smoke(…).check``; where it raises, nothing
        is written, loaded or pushed.
    :raises UsageError: nothing to push or load it as; a malformed tag; several platforms where there can be one.
    :raises BaseError: a platform that the builder's machine cannot run; before anything is built.
    :raises BuildError: a step failed.
    """
    graphs = [graph] if isinstance(graph, Graph) else list(graph)
    names = check_tags(tags)
    exports = _exports(output)
    check_asked(names, exports, push=push, load=load, platforms=len(graphs), builder=builder.name)
    plans = [await ask(each, builder) for each in graphs]
    _tell(plans, graphs, builder)
    images = []
    for planned in plans:
        if len(plans) > 1:
            builder.on_event(Said(f"for {planned.base.platform}"))
        images.append(await builder.image(planned, title=title))
    for planned, each in zip(plans, images, strict=True):
        if check:
            await check(planned, each, builder)
    made = images[0] if len(images) == 1 else builder.index(images)
    result = Result(None, made.id)
    for export in exports:
        result = _merged(await made.export(export, names), result)
    if load:
        for name in names:
            result = _merged(await made.load(name), result)
    if push:
        for name in names:
            result = _merged(await made.publish(name), result)
    return evolve(
        result,
        base=",".join(dict.fromkeys(each.base.pinned for each in plans)),
        fingerprint=",".join(map(fingerprint, plans)),
        tags=names,
    )


def _tell(plans: Sequence[Plan], graphs: Sequence[Graph], builder: Builder) -> None:
    """Tell the notes that came of what the bases answered; a graph's own are its maker's to tell."""
    known = {note for graph in graphs for note in graph.notes}
    for note in dict.fromkeys(note for each in plans for note in each.notes):
        if note not in known:
            builder.on_event(Said(f"note: {note}"))


def check_asked(
    tags: Sequence[str], exports: Sequence[Export], *, push: bool, load: bool, platforms: int, builder: str
) -> None:
    """Refuse what cannot be done with an image, before anything is built.

    :param platforms: how many it is for.
    :raises UsageError: nothing to push or load it as; an output that cannot be; several platforms where one can be.
    """
    if (push or load) and not tags:
        raise UsageError(f"{'--push' if push else '--load'} needs a tag", do="Name the image: -t NAME[:TAG].")
    check_exports(exports, platforms)
    if platforms > 1 and load:
        raise UsageError(
            "a local store takes one platform", where="--load", do="Push, or build one --platform at a time."
        )
    if platforms > 1 and push and builder == "docker":
        raise UsageError(
            "docker cannot push several platforms as one index", where="--push",
            do="Take --with buildah or podman, or a Dagger engine; or write -o type=oci,dest=FILE.",
        )  # fmt: skip


def _exports(output: Outputs) -> tuple[Export, ...]:
    if output is None:
        return ()
    several = [output] if isinstance(output, Export | Path | str) else output
    return tuple(as_export(each) for each in several)


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """References to name an image by; a name without a tag is ``:latest``.

    :raises GraphError: one is not a reference, or has a digest.
    """
    found = []
    for text in tags:
        name, tag, digest = parse_reference(text, "tag")
        if digest:
            raise UsageError(f"a tag cannot have a digest: {text}", where="-t")
        found.append(f"{name}:{tag or 'latest'}")
    return tuple(dict.fromkeys(found))


def _merged(new: Result, old: Result) -> Result:
    return evolve(
        new,
        digest=new.digest or old.digest,
        image_id=new.image_id or old.image_id,
        layers=new.layers or old.layers,
        outputs=(*old.outputs, *new.outputs),
    )
