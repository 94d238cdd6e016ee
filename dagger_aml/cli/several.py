"""``build`` of several projects: one session, some at once, and a table of what came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal

import anyio
import click
from attrs import evolve, frozen

from ..backends.base import Builder
from ..backends.outputs import STDOUT, check_file
from ..backends.result import Result
from ..errors import DaggerAmlError, EngineGone, UsageError
from .main import first_of
from .order import Order, Wanted, metadata, write_json
from .placeholders import placeholders
from .progress import Progress

AT_ONCE = 4
"""Builds at once unless said otherwise: two took longer, and eight were no faster, on two cores with an engine beside
them (docs/howto-many-models.md)."""

_ONE_BY_ONE = ("podman", "buildah")
"""Builders whose store is not safe from two builds at once."""


@frozen
class Outcome:
    """What came of one project.

    :param seconds: from its turn to its end.
    """

    word: Literal["ok", "FAILED", "stopped", "not begun"] = "not begun"
    seconds: float = 0.0
    result: Result | None = None
    error: DaggerAmlError | None = None


def build_several(
    folders: Sequence[str],
    wanted: Wanted,
    given: dict[str, Any],
    opening: Callable[[], AbstractAsyncContextManager[Builder]],
    progress: Progress,
    *,
    jobs: int | None,
    quiet: bool,
) -> None:
    """Build projects and tell what came of each; one that fails stops no other.

    :param opening: makes the builder, for all of them.
    :param jobs: how many at once.
    :param quiet: a line with name and digest for each that is built, in place of the table.
    :raises UsageError: flags or projects that cannot be; all of them are told, and nothing is built.
    :raises DaggerAmlError: one or more failed. :raises EngineGone: with the engine, all that were not done.
    """
    _check_flags(wanted)
    shared, orders = _orders(folders, wanted, given)
    outcomes = {each.project.name: Outcome() for each in orders}
    with progress:
        at_once = 1 if wanted.builder in _ONE_BY_ONE else jobs or AT_ONCE
        if at_once == 1 and (jobs or 1) > 1:
            progress.note(f"one build at a time: {wanted.builder}'s store is not safe from two at once")
        if not (wanted.push or wanted.load or wanted.exports):
            progress.note("nothing was asked for, so the images stay with the builder; add --push or --load")
        try:
            anyio.run(_build_all, orders, opening, progress, at_once, outcomes)
        finally:
            progress.stop()
            if any(each.word != "not begun" for each in outcomes.values()):
                for line in _digests(outcomes) if quiet else _table(outcomes):
                    click.echo(line)
        if shared:
            write_json(shared, {name: _entry(each) for name, each in outcomes.items()})
        failed = {name: each.error for name, each in outcomes.items() if each.error}
        if failed:
            raise DaggerAmlError(
                f"{len(failed)} of {len(orders)} projects failed",
                do="\n".join(f"{name}: {error}" for name, error in failed.items()),
            )


def _check_flags(wanted: Wanted) -> None:
    """Refuse what gives several images one name."""
    if any(each.path == STDOUT for each in wanted.exports):
        raise UsageError("standard output takes one image", where="-o -", do="Build one project, or write files.")
    for flag, text in wanted.texts():
        found = placeholders(text, flag)
        if "name" not in found and (found or flag != "--metadata-file"):
            raise UsageError(
                f"{text!r} would be the same for several projects",
                where=flag,
                do="Put {name} into it, which is each project's own.",
            )


def _orders(folders: Sequence[str], wanted: Wanted, given: dict[str, Any]) -> tuple[Path | None, list[Order]]:
    """The file for the metadata of all, if there is to be one, and what is to be made of each project.

    :raises UsageError: projects that are not in order, or are in each other's way; all of them are named.
    """
    shared = None
    if wanted.metadata_file and not placeholders(wanted.metadata_file, "--metadata-file"):
        shared = Path(wanted.metadata_file)
        check_file(shared)
        wanted = evolve(wanted, metadata_file=None)
    orders: list[Order] = []
    wrong: list[str] = []
    for folder in folders:
        try:
            orders.append(Order.of(folder, wanted, given).checked(wanted))
        except DaggerAmlError as error:
            text = str(error)
            wrong.append(text if text.startswith(f"{folder}: ") else f"{folder}: {text}")
    wrong += _collisions(orders)
    if wrong:
        raise UsageError(
            f"{len(wrong)} thing{'s' if len(wrong) > 1 else ''} to put in order first; nothing is built",
            do="\n".join(wrong),
        )
    return shared, orders


def _collisions(orders: Sequence[Order]) -> Iterator[str]:
    """What two projects would both be or write."""
    owners: dict[str, Order] = {}
    for order in orders:
        files = [each.path for each in order.exports] + [order.metadata_file, order.iidfile]
        names = [f"are called {order.project.name}", *(f"would be {tag}" for tag in order.tags)]
        names += [f"would be written to {path.absolute()}" for path in files if path]
        for name in dict.fromkeys(names):
            other = owners.setdefault(name, order)
            if other is not order:
                yield f"{other.folder} and {order.folder} {name}; say another name in one's dagger-aml.toml"
                break


async def _build_all(
    orders: Sequence[Order],
    opening: Callable[[], AbstractAsyncContextManager[Builder]],
    progress: Progress,
    at_once: int,
    outcomes: dict[str, Outcome],
) -> None:
    turns = anyio.Semaphore(at_once)

    async def one(order: Order, builder: Builder) -> None:
        async with turns:
            outcomes[order.project.name] = Outcome("stopped")
            outcomes[order.project.name] = await _built(order, builder, progress)

    async with opening() as builder, anyio.create_task_group() as tasks:
        for order in orders:
            tasks.start_soon(one, order, builder)


async def _built(order: Order, builder: Builder, progress: Progress) -> Outcome:
    own, begun = progress.of(order.project.name), time.monotonic()
    for note in order.notes:
        own.note(note)
    try:
        result = await order.carried_out(builder.with_events(own.on_event))
        order.write_files(result)
    except (DaggerAmlError, ExceptionGroup) as error:
        ours = error if isinstance(error, DaggerAmlError) else first_of(error, DaggerAmlError)
        if not isinstance(ours, DaggerAmlError) or isinstance(ours, EngineGone):
            raise
        seconds = time.monotonic() - begun
        own.failed(ours, seconds)
        return Outcome("FAILED", seconds, error=ours)
    finally:
        own.stop()
    own.finish(result)
    return Outcome("ok", time.monotonic() - begun, result)


def _digests(outcomes: dict[str, Outcome]) -> Iterator[str]:
    for name, each in outcomes.items():
        if each.result:
            yield f"{name} {_digest(each.result)}".rstrip()


def _table(outcomes: dict[str, Outcome]) -> Iterator[str]:
    rows = [("project", "result", "seconds", "digest")]
    for name, each in outcomes.items():
        said = _digest(each.result) if each.result else ""
        if each.error:
            said = str(each.error).splitlines()[0]
        rows.append((name, each.word, f"{each.seconds:.1f}" if each.result or each.error else "", said))
    first, second, third = (max(len(row[column]) for row in rows) for column in range(3))
    for name, word, seconds, said in rows:
        yield f"{name:{first}}  {word:{second}}  {seconds:>{third}}  {said}".rstrip()


def _digest(result: Result) -> str:
    return result.digest or result.image_id or ""


def _entry(outcome: Outcome) -> dict[str, Any]:
    """What the metadata file says of one project."""
    return {"dagger-aml.error": str(outcome.error)} if outcome.error else metadata(outcome.result or Result(None))
