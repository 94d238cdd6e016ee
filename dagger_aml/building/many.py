"""Building targets on one builder, some at once. One is many with one in it."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Literal, Protocol

import anyio
from attrs import evolve

from ..backends.base import Builder, Image
from ..backends.result import Result
from ..data import frozen
from ..errors import DaggerAmlError, EngineGone, own_error
from ..events import Event, Message, Warned
from ..finding import Finding, ordered
from ..fs.stamps import Stamps, stamps
from ..graph.graph import Graph
from ..oci.file_digests import FileDigests
from ..plan.keys import runtime_key
from ..plan.making import Making, makings
from ..plan.model import Plan
from .metadata import write_files
from .plans import carried, probe
from .record import Record
from .target import BuildTarget

_LITTLE = 1 << 20
"""Bytes that are hashed before threads are begun for it."""


@frozen
class Outcome:
    """What came of one target.

    :param word: ``REFUSED`` where it is not in order, so that it has no turn.
    :param seconds: from its turn to its end.
    """

    word: Literal["ok", "FAILED", "stopped", "not begun", "REFUSED"] = "not begun"
    seconds: float = 0.0
    result: Result | None = None
    error: DaggerAmlError | None = None


class Listener(Protocol):
    """Who is told of one target among several."""

    def on_event(self, event: Event) -> None:
        """Something happened."""
        ...

    def warn(self, found: Finding | str) -> None:
        """Something that the user should know."""
        ...

    def failed(self, error: DaggerAmlError, seconds: float) -> None:
        """It failed."""
        ...

    def finish(self, result: Result) -> None:
        """It is made."""
        ...

    def stop(self) -> None:
        """Nothing more comes."""
        ...


async def build(target: BuildTarget, builder: Builder) -> Result:
    """Make a target that was checked, and send it everywhere it is to go. Its files are the caller's to write.

    :raises BaseError: a platform that the builder's machine cannot run; before anything is built.
    :raises BuildError: a step failed.
    """
    record = Record(builder.on_event)
    before = stamps(layer for graph in target.graphs for layer in graph.layers)
    builder = builder.with_events(record.hear).for_tags(target.tags if target.pushes else ())
    plans = [await probe(each, builder) for each in target.graphs]
    tell_warnings(plans, target.graphs, builder)
    images = []
    for planned in plans:
        if len(plans) > 1:
            builder.on_event(Message(f"for {planned.base.platform}"))
        images.append(await builder.image(await carried(planned, builder), title=target.name))
    for planned, each in zip(plans, images, strict=True):
        if target.gate:
            from .gate import held

            await held(target, planned, each, builder)
    made = images[0] if len(images) == 1 else builder.index(images)
    result = Result(None, made.id)
    for output in target.outputs:
        for written in await output.write(made, target.tags):
            result = _merged(written, result)
    result = evolve(
        result,
        base=",".join(dict.fromkeys(each.base.pinned for each in plans)),
        runtime_key=",".join(map(runtime_key, plans)),
        makings=tuple(each for plan, image in zip(plans, images, strict=True) for each in _makings(plan, image)),
        tags=tuple(map(str, target.tags)),
        warnings=ordered((*target.warnings, *(found for each in plans for found in each.warnings))),
    )
    return await _recorded(record, result, plans, images, before)


async def _recorded(
    record: Record, result: Result, plans: Sequence[Plan], images: Sequence[Image], before: Stamps
) -> Result:
    """The result with what was heard; files that lie as they did when they were hashed are not read again."""
    told = {path for image in images for path in image.files}
    others = {path: stamp for path, stamp in before.items() if path not in told}
    with FileDigests.kept() as kept:
        if sum(stamp[0] for stamp in others.values() if stamp) > _LITTLE:
            from .hashing import Hashing

            files = Hashing(kept)
            files.add(others)
            await files.ended()
        return record.told(result, plans, images, kept, others)


def _makings(plan: Plan, image: Image) -> tuple[Making, ...]:
    return image.makings or makings(plan, "builder")


async def build_all(
    targets: Sequence[BuildTarget],
    builder: Builder,
    *,
    jobs: int = 1,
    listener: Callable[[BuildTarget], Listener] | None = None,
    outcomes: MutableMapping[str, Outcome] | None = None,
) -> list[Result]:
    """Make targets that were checked; of several, one that fails stops no other.

    :param jobs: how many at once.
    :param listener: gives who is told of a target, of which no other is then told; and each target's files are
        written. Without it there can be one target alone, whose error is raised.
    :param outcomes: gets what came of each, by its name, as it comes.
    :returns: of those that were made, in their order.
    :raises EngineGone: the engine went away, alone or in a group: those that it was at work on have failed, and no
        other was begun.
    """
    if listener is None:
        (target,) = targets
        return [await build(target, builder)]
    turns = anyio.Semaphore(jobs)
    told: MutableMapping[str, Outcome] = {} if outcomes is None else outcomes
    told.update({each.name: Outcome() for each in targets})
    gone: list[EngineGone] = []

    async def one(target: BuildTarget) -> None:
        async with turns:
            if gone:
                return
            own, begun = listener(target), time.monotonic()
            told[target.name] = Outcome("stopped")
            try:
                told[target.name] = await _told(target, builder, own, begun)
            except BaseException as error:
                ours = own_error(error) if isinstance(error, (DaggerAmlError, ExceptionGroup)) else None
                if isinstance(ours, EngineGone):
                    gone.append(ours)
                if gone:
                    # Those that are cancelled then, too, were in the engine that went away.
                    told[target.name] = _failed(own, gone[0], begun)
                raise
            finally:
                own.stop()

    async with anyio.create_task_group() as tasks:
        for target in targets:
            tasks.start_soon(one, target)
    return [result for each in targets if (result := told[each.name].result)]


async def _told(target: BuildTarget, builder: Builder, own: Listener, begun: float) -> Outcome:
    for warning in target.warnings:
        own.warn(warning)
    try:
        result = await build(target, builder.with_events(own.on_event))
        write_files(target, result)
    except (DaggerAmlError, ExceptionGroup) as error:
        ours = own_error(error)
        if ours is None or isinstance(ours, EngineGone):
            raise
        return _failed(own, ours, begun)
    own.stop()
    own.finish(result)
    return Outcome("ok", time.monotonic() - begun, result)


def _failed(own: Listener, error: DaggerAmlError, begun: float) -> Outcome:
    seconds = time.monotonic() - begun
    own.failed(error, seconds)
    return Outcome("FAILED", seconds, error=error)


def tell_warnings(plans: Sequence[Plan], graphs: Sequence[Graph], builder: Builder) -> None:
    """Tell the warnings that came of what the bases answered; a graph's own are its maker's to tell."""
    known = {warning for graph in graphs for warning in graph.warnings}
    for warning in dict.fromkeys(warning for each in plans for warning in each.warnings):
        if warning not in known:
            builder.on_event(Warned(warning))


def _merged(new: Result, old: Result) -> Result:
    config = new.config_digest or old.config_digest
    told = [each.changed for each in (old, new) if each.pushed]
    ids = [each for each in (new.image_id, old.image_id) if each]
    # An ID that is not the config's digest is that of a local store, which takes no other for `docker run`.
    return evolve(
        new,
        digest=new.digest or old.digest,
        image_id=next((each for each in ids if each != config), ids[0] if ids else None),
        config_digest=config,
        layers=new.layers or old.layers,
        outputs=(*old.outputs, *new.outputs),
        pushed=old.pushed or new.pushed,
        changed=True if True in told else None if None in told or not told else False,
    )
