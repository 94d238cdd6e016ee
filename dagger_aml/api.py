"""The verbs of the library: plan, Dockerfile, container, build."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from . import catalog
from .backends.builder import Builder, Image
from .backends.dockerfile import Dockerfile, Format, render
from .errors import UsageError
from .facts import BaseFacts
from .graph import From, Graph, parse_reference
from .plan import Plan, asked_paths, bases, fingerprint, pin, plan
from .result import Result

if TYPE_CHECKING:
    import dagger


def make_plan(graph: Graph, facts: Mapping[From, BaseFacts] | None = None) -> Plan:
    """Resolve and schedule a graph without touching network or engine.

    :param facts: of its bases; what is not given is assumed from the catalog.
    :raises BaseError: the base lacks what the graph needs.
    :raises GraphError: a destination that builders treat differently.
    """
    known = {base: catalog.assumed(base) for base in bases(graph)}
    return plan(graph, {**known, **(facts or {})})


def dockerfile(graph: Graph, *, format: Format = "classic", title: str = "") -> Dockerfile:
    """A graph as a Dockerfile: ``dockerfile(graph).save("imagefiles")``. Touches neither network nor engine.

    :raises BaseError, GraphError: as :func:`make_plan`.
    """
    return render(make_plan(graph), format=format, title=title)


async def ask(graph: Graph, builder: Builder) -> Plan:
    """Ask the real bases, pin them, and plan on what they answered."""
    facts: dict[From, BaseFacts] = {}
    digests: dict[From, str | None] = {}
    paths = asked_paths(graph)
    for base in bases(graph):
        digests[base], facts[base] = await builder.ask(base, paths)
        linked = {
            path
            for path, fact in facts[base].paths.items()
            if fact.type == "link" and fact.target and any(each.startswith(path + "/") for each in paths)
        }
        if linked:
            more = {
                facts[base].paths[link].target + each[len(link) :]
                for link in linked
                for each in paths
                if each == link or each.startswith(link + "/")
            }
            _, facts[base] = await builder.ask(base, sorted({*paths, *more}))
    pinned = {evolve(base, digest=digests[base] or base.digest): known for base, known in facts.items()}
    return plan(pin(graph, digests), {**facts, **pinned})


async def container(graph: Graph, client: dagger.Client) -> dagger.Container:
    """A graph as a plain ``dagger.Container`` of somebody's own Dagger client; asks the real base first.

    :raises BuildError: a step failed.
    """
    from .backends.dagger import DaggerBuilder

    builder = DaggerBuilder(client)
    return await builder.container(await ask(graph, builder))


async def image(graph: Graph, builder: Builder, *, title: str = "") -> tuple[Plan, Image]:
    """Make the image of a graph, publish it nowhere."""
    made = await ask(graph, builder)
    return made, await builder.image(made, title=title)


async def build(
    graph: Graph,
    builder: Builder,
    *,
    tags: Iterable[str] = (),
    push: bool = False,
    output: Path | str | None = None,
    load: bool = False,
    title: str = "",
    check: Callable[[Plan, Image, Builder], Awaitable[None]] | None = None,
) -> Result:
    """Build a graph and send it where it is asked for.

    :param builder: from ``async with connect() as engine``, or a local builder.
    :param tags: references to push, or to name it by in a tar or store.
    :param push: push every tag.
    :param output: a tar to write, named by every tag.
    :param load: put it into the local store under every tag.
    :param check: called with the image before it goes anywhere, such as ``Smoke(…).check``; where it raises, nothing
        is written, loaded or pushed.
    :raises UsageError: nothing to push or load it as; a malformed tag.
    :raises BuildError: a step failed.
    """
    names = check_tags(tags)
    if (push or load) and not names:
        raise UsageError(f"{'--push' if push else '--load'} needs a tag", do="Name the image: -t NAME[:TAG].")
    if output is not None:
        check_output(Path(output))
    planned, made = await image(graph, builder, title=title)
    if check:
        await check(planned, made, builder)
    result = Result(None, made.id)
    if output is not None:
        result = await made.export(Path(output), names)
    if load:
        for name in names:
            result = _merged(await made.load(name), result)
    if push:
        for name in names:
            result = _merged(await made.publish(name), result)
    return evolve(result, base=planned.base.pinned, fingerprint=fingerprint(planned), tags=names)


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


def check_output(path: Path) -> None:
    """Refuse an output file that cannot be written, before anything is built.

    :raises UsageError: a folder, or a file in a folder that is not there.
    """
    if path.is_dir():
        raise UsageError("is a folder; the tar needs a file name", where=str(path))
    if not path.absolute().parent.is_dir():
        raise UsageError("lies in a folder that does not exist", where=str(path))


def _merged(new: Result, old: Result) -> Result:
    return evolve(
        new,
        digest=new.digest or old.digest,
        image_id=new.image_id or old.image_id,
        layers=new.layers or old.layers,
        output=new.output or old.output,
    )
