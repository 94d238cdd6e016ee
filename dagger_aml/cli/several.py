"""``build`` of several projects: one session, some at once, and a table of what came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import anyio
import click

from ..backends.base import Builder, Opening
from ..backends.builders import kind_of
from ..backends.outputs import STDOUT
from ..backends.result import Result
from ..building.many import Outcome, build_all
from ..building.metadata import metadata, write_json
from ..building.placeholders import placeholders
from ..building.request import BuildRequest
from ..building.target import BuildTarget
from ..errors import DaggerAmlError, EngineGone, EngineNotFound, TransientError, UsageError, own_error
from ..events import Message
from ..text import named
from .build_target import goes_nowhere
from .common import policy_of_call
from .progress import Progress
from .progress.overall import first_named
from .several_read import ReadProject, by_shown_name, check_all, read_all, shared_file
from .table import table
from .told import OnOutcome, ToldAs, entry, failed_entry, report_text
from .unchanged import Made, note

AT_ONCE = 4
"""Builds at once unless said otherwise: two took longer, and eight were no faster, on two cores with an engine beside
them (docs/howto-many-models.md)."""

_BETWEEN_TRIES = 1.0
"""Seconds between two tries to find an engine that went away."""


def build_several(
    folders: Sequence[str],
    request: BuildRequest,
    given: dict[str, Any],
    opening: Callable[[], AbstractAsyncContextManager[Builder]],
    progress: Progress,
    *,
    jobs: int | None,
    keep_going: bool = False,
    told_as: ToldAs = ToldAs.TABLE,
    stops: bool = True,
    on_outcome: OnOutcome = lambda *_: None,
    keep_as: Opening | None = None,
) -> None:
    """Build projects and tell what came of each; one whose build fails stops no other.

    :param opening: makes the builder, for all of them.
    :param jobs: how many at once.
    :param keep_going: whether those that are in order are built where others are not.
    :param stops: whether what a rule finds that cannot work ends the command.
    :param on_outcome: told of each in the end.
    :param told_as: a table, a line with name and digest for each that is built, or JSON.
    :param keep_as: how the builder is opened, where a call that changed nothing may be kept; None where it may not.
    :raises UsageError: flags or projects that cannot be; all of them are told, and nothing is built.
    :raises DaggerAmlError: one or more failed, or were refused. :raises EngineGone: it went away, and did not come
        back for those that were not begun.
    """
    _check_flags(request)
    goes_nowhere(request, progress, quiet=told_as is ToldAs.DIGESTS, ways="--push or --load")
    shared, request = shared_file(request)
    read = read_all(folders, request, given, stops=stops)
    check_all(read, keep_going=keep_going)
    targets = [each.target for each in read if each.target]
    shown = by_shown_name(read)
    outcomes = {name: each.outcome for name, each in shown.items()}
    own: dict[str, Progress] = {}
    with progress:
        at_once = 1 if kind_of(request.builder).capabilities.one_at_a_time else jobs or AT_ONCE
        if at_once == 1 and (jobs or 1) > 1:
            progress.warn(
                f"building one project at a time: {request.builder}'s store does not support parallel builds"
            )
        for each in read:
            if each.error:
                progress.warn(f"{each.text.splitlines()[0]}; the others are built (--keep-going)")
        if len(targets) > 1:
            progress.expect([each.name for each in targets])
        try:
            anyio.run(_build_all, targets, opening, progress, own, at_once, outcomes)
        finally:
            progress.stop()
            begun = any(outcomes[each.name].word != "not begun" for each in targets)
            if begun:
                for line in _TOLD[told_as](outcomes, shown):
                    click.echo(line)
            for name, one in shown.items():
                if one.target or begun:
                    on_outcome(one.folder, one.name, outcomes[name].result, outcomes[name].error)
        if shared:
            write_json(shared, {name: _entry(each) for name, each in outcomes.items()})
        failed = {name: str(each.error) for name, each in outcomes.items() if each.error}
        if failed:
            # Where the same call may go through later for each, it may for all of them.
            later = all(isinstance(outcomes[name].error, TransientError) for name in failed)
            failed |= {name: each.text.removeprefix(f"{each.folder}: ") for name, each in shown.items() if each.error}
            raise (TransientError if later else DaggerAmlError)(
                f"{len(failed)} of {len(shown)} projects failed",
                hint="\n".join(f"{first_named(names)}: {text}" for text, names in _by_text(failed).items()),
            )
    if keep_as and not shared and told_as is not ToldAs.JSON:
        made = [
            Made(each.project, each.target, own[each.target.name], result, each.target.name)
            for each in read
            if each.project and each.target and (result := outcomes[each.target.name].result)
        ]
        lines = list(_digests(outcomes, shown)) if told_as is ToldAs.DIGESTS else None
        note(made, keep_as, progress, lines)


def _by_text(failed: Mapping[str, str]) -> dict[str, list[str]]:
    """The names of those that failed by what is to be said of them: what is wrong with all is read once."""
    found: dict[str, list[str]] = {}
    for name, text in failed.items():
        found.setdefault(text, []).append(name)
    return found


def _check_flags(request: BuildRequest) -> None:
    """Refuse what gives several images one name."""
    if any(each.path == STDOUT for each in request.exports):
        raise UsageError(
            "only one image can go to standard output", location="-o -", hint="Build one project, or write files."
        )
    for setting, text in request.texts():
        found = placeholders(text, setting)
        if "name" not in found and (found or setting != "metadata_file"):
            raise UsageError(
                f"{text!r} would be the same for several projects",
                location=named(setting),
                hint="Add {name} to it: each project has its own name.",
            )


async def _build_all(
    targets: Sequence[BuildTarget],
    opening: Callable[[], AbstractAsyncContextManager[Builder]],
    progress: Progress,
    own: dict[str, Progress],
    at_once: int,
    outcomes: dict[str, Outcome],
) -> None:
    def listener(target: BuildTarget) -> Progress:
        own[target.name] = progress.of(target.name)
        return own[target.name]

    rest: Sequence[BuildTarget] = targets
    gone: EngineGone | None = None
    while rest:
        begun = rest
        try:
            async with AsyncExitStack() as stack:
                builder = await _opened(stack, opening, gone)
                await build_all(begun, builder, jobs=at_once, listener=listener, outcomes=outcomes)
            return
        except (DaggerAmlError, ExceptionGroup) as error:
            ours = own_error(error)
            rest = [each for each in begun if outcomes[each.name].word == "not begun"]
            if not isinstance(ours, EngineGone) or len(rest) == len(begun):
                raise
            gone = ours
            if rest:
                progress.on_event(Message(f"{gone.message}; connecting again for {_projects(len(rest))}"))


async def _opened(
    stack: AsyncExitStack, opening: Callable[[], AbstractAsyncContextManager[Builder]], gone: EngineGone | None
) -> Builder:
    """The builder.

    :param gone: an engine went away before: it may be coming back, and this is raised if it does not.
    """
    if not gone:
        return await stack.enter_async_context(opening())
    deadline = time.monotonic() + policy_of_call().engine_return_deadline_seconds
    while True:
        try:
            return await stack.enter_async_context(opening())
        except EngineNotFound:
            if time.monotonic() > deadline:
                raise gone from None
        await anyio.sleep(_BETWEEN_TRIES)


def _projects(number: int) -> str:
    return "1 project" if number == 1 else f"{number} projects"


def _document(outcomes: dict[str, Outcome], shown: Mapping[str, ReadProject]) -> Iterator[str]:
    yield report_text([_told(shown[name], each) for name, each in outcomes.items()])


def _told(read: ReadProject, outcome: Outcome) -> dict[str, Any]:
    if outcome.result:
        return entry(read.folder, read.name, outcome.result)
    took = round(outcome.seconds, 3) if outcome.error and read.target else None
    return failed_entry(read.folder, read.name, outcome.error, took)


def _digests(outcomes: dict[str, Outcome], _: object) -> Iterator[str]:
    for name, each in outcomes.items():
        if each.result:
            yield f"{name} {_digest(each.result)}".rstrip()


def _table(outcomes: dict[str, Outcome], _: object) -> Iterator[str]:
    rows: list[tuple[str, str, float | None, str]] = []
    for name, each in outcomes.items():
        said = _digest(each.result) if each.result else ""
        if each.error:
            said = str(each.error).splitlines()[0]
        took = each.seconds if each.result or each.word == "FAILED" else None
        rows.append((name, each.word, took, said))
    return table(rows)


_TOLD = {ToldAs.TABLE: _table, ToldAs.DIGESTS: _digests, ToldAs.JSON: _document}


def _digest(result: Result) -> str:
    return result.digest or result.image_id or ""


def _entry(outcome: Outcome) -> dict[str, Any]:
    """What the metadata file says of one project."""
    return {"dagger-aml.error": str(outcome.error)} if outcome.error else metadata(outcome.result or Result(None))
