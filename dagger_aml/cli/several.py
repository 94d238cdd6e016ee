"""``build`` of several projects: one session, some at once, and a table of what came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import click
from attrs import evolve

from ..backends.base import Builder, Opening
from ..backends.builders import kind_of
from ..backends.outputs import STDOUT, check_file
from ..backends.result import Result
from ..building.many import Outcome, build_all
from ..building.metadata import metadata, write_json
from ..building.placeholders import placeholders
from ..building.request import BuildRequest
from ..building.target import BuildTarget
from ..errors import DaggerAmlError, EngineGone, EngineNotFound, TransientError, UsageError, own_error
from ..events import Message
from ..project.model import Project
from ..text import named
from .build_target import checked, read_build
from .common import policy_of_call
from .progress import Progress
from .progress.overall import first_named
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
    told_as: ToldAs = ToldAs.TABLE,
    stops: bool = True,
    on_outcome: OnOutcome = lambda *_: None,
    keep_as: Opening | None = None,
) -> None:
    """Build projects and tell what came of each; one that fails stops no other.

    :param opening: makes the builder, for all of them.
    :param jobs: how many at once.
    :param stops: whether what a rule finds that cannot work ends the command.
    :param on_outcome: told of each in the end.
    :param told_as: a table, a line with name and digest for each that is built, or JSON.
    :param keep_as: how the builder is opened, where a call that changed nothing may be kept; None where it may not.
    :raises UsageError: flags or projects that cannot be; all of them are told, and nothing is built.
    :raises DaggerAmlError: one or more failed. :raises EngineGone: it went away, and did not come back for those
        that were not begun.
    """
    _check_flags(request)
    shared, read = _targets(folders, request, given, stops=stops)
    targets = [target for _, target in read]
    outcomes = {each.name: Outcome() for each in targets}
    own: dict[str, Progress] = {}
    with progress:
        at_once = 1 if kind_of(request.builder).capabilities.one_at_a_time else jobs or AT_ONCE
        if at_once == 1 and (jobs or 1) > 1:
            progress.warn(
                f"building one project at a time: {request.builder}'s store does not support parallel builds"
            )
        if not request.outputs:
            where = "no image is written" if request.layers == "direct" else "the images stay in the builder"
            progress.warn(f"no output was requested, so {where}; add --push or --load")
        if len(targets) > 1:
            progress.expect([each.name for each in targets])
        try:
            anyio.run(_build_all, targets, opening, progress, own, at_once, outcomes)
        finally:
            progress.stop()
            if any(each.word != "not begun" for each in outcomes.values()):
                for line in _TOLD[told_as](outcomes, targets):
                    click.echo(line)
            for target in targets:
                outcome = outcomes[target.name]
                on_outcome(target.folder, target.name, outcome.result, outcome.error)
        if shared:
            write_json(shared, {name: _entry(each) for name, each in outcomes.items()})
        failed = {name: each.error for name, each in outcomes.items() if each.error}
        if failed:
            # Where the same call may go through later for each, it may for all of them.
            later = all(isinstance(error, TransientError) for error in failed.values())
            raise (TransientError if later else DaggerAmlError)(
                f"{len(failed)} of {len(targets)} projects failed",
                hint="\n".join(f"{first_named(names)}: {text}" for text, names in _by_text(failed).items()),
            )
    if keep_as and not shared and told_as is not ToldAs.JSON:
        made = [
            Made(project, target, own[target.name], result, target.name)
            for project, target in read
            if (result := outcomes[target.name].result)
        ]
        lines = list(_digests(outcomes, targets)) if told_as is ToldAs.DIGESTS else None
        note(made, keep_as, progress, lines)


def _by_text(failed: dict[str, DaggerAmlError]) -> dict[str, list[str]]:
    """The names of those that failed by what is to be said of them: what is wrong with all is read once."""
    found: dict[str, list[str]] = {}
    for name, error in failed.items():
        found.setdefault(str(error), []).append(name)
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


def _targets(
    folders: Sequence[str], request: BuildRequest, given: dict[str, Any], *, stops: bool
) -> tuple[Path | None, list[tuple[Project, BuildTarget]]]:
    """The file for the metadata of all, if there is to be one, and what is to be made of each project.

    :raises UsageError: projects that are not in order, or are in each other's way; all of them are named.
    """
    shared = None
    if request.metadata_file and not placeholders(request.metadata_file, "metadata_file"):
        shared = Path(request.metadata_file)
        check_file(shared)
        request = evolve(request, metadata_file=None)
    read: list[tuple[Project, BuildTarget]] = []
    wrong: list[str] = []
    for folder in folders:
        try:
            project, target = read_build(folder, request, given, stops=stops)
            read.append((project, checked(target, project, request)))
        except DaggerAmlError as error:
            text = str(error)
            wrong.append(text if text.startswith(f"{folder}: ") else f"{folder}: {text}")
    wrong += _collisions([target for _, target in read])
    if wrong:
        raise UsageError(
            f"{len(wrong)} problem{'s' if len(wrong) > 1 else ''} to fix first; nothing is built",
            hint="\n".join(wrong),
        )
    return shared, read


def _collisions(targets: Sequence[BuildTarget]) -> Iterator[str]:
    """What two projects would both be or write."""
    owners: dict[str, BuildTarget] = {}
    for target in targets:
        files = [each.path for each in target.exports] + [target.metadata_file, target.iidfile]
        names = [f"are both named {target.name}", *(f"would both be tagged {tag}" for tag in target.tags)]
        names += [f"would both be written to {path.absolute()}" for path in files if path]
        for name in dict.fromkeys(names):
            other = owners.setdefault(name, target)
            if other is not target:
                yield f"{other.folder} and {target.folder} {name}; set another name in one project's dagger-aml.toml"
                break


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


def _document(outcomes: dict[str, Outcome], targets: Sequence[BuildTarget]) -> Iterator[str]:
    folders = {each.name: each.folder for each in targets}
    yield report_text(
        [
            entry(folders[name], name, each.result)
            if each.result
            else failed_entry(folders[name], name, each.error, round(each.seconds, 3) if each.error else None)
            for name, each in outcomes.items()
        ]
    )


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
        rows.append((name, each.word, each.seconds if each.result or each.error else None, said))
    return table(rows)


_TOLD = {ToldAs.TABLE: _table, ToldAs.DIGESTS: _digests, ToldAs.JSON: _document}


def _digest(result: Result) -> str:
    return result.digest or result.image_id or ""


def _entry(outcome: Outcome) -> dict[str, Any]:
    """What the metadata file says of one project."""
    return {"dagger-aml.error": str(outcome.error)} if outcome.error else metadata(outcome.result or Result(None))
