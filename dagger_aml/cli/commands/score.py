"""``dagger-aml score``"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import click

from ...backends.base import Layers, Opening
from ...data import frozen
from ...errors import UsageError
from ...events import Message
from ..common import check_engine, no_engine
from ..console import tell
from ..options.build import (
    cache_places,
    engine_option,
    found_options,
    layers_option,
    progress_option,
    ready_option,
    settled,
)
from ..options.call import json_option, quiet_option, verbose_option
from ..options.project import project_options
from ..options.types import Given, Number, Whole
from ..progress import Progress
from ..sections import Sectioned
from ..target import Target, connected, read_target, say, with_option

if TYPE_CHECKING:
    from ...project.model import Project
    from ...serving.answer import Comparison, Tolerance
    from ...serving.endpoint import Endpoint
    from ...serving.http import Scored


@click.command(
    "score",
    cls=Sectioned,
    short_help="Post a request and show, time and check the answer.",
    epilog="Exit code 1 when the status is not 200 or the answer differs from the expected one.",
)
@click.argument("target", default=".", metavar="[PROJECT|IMAGE|TAR|URL]", type=Given())
@partial(project_options, argument=False)
@click.option(
    "--request",
    type=click.Path(readable=False),
    metavar="FILE",
    help="File with the request to post.  [default: the project's sample request]",
)
@click.option(
    "--expect",
    type=click.Path(readable=False),
    metavar="FILE",
    help="File with the expected answer.  [default: the project's answer.json]",
)
@click.option(
    "--rtol",
    type=Number(0),
    metavar="NUMBER",
    help="How far a number may lie from the expected one, relative to the larger.  [default: the project's, or 1e-6]",
)
@click.option("--atol", type=Number(0), metavar="NUMBER", help="The same, absolute.  [default: the project's, or 0]")
@click.option(
    "-n", "number", type=Whole(1), default=1, metavar="NUMBER", show_default=True, help="How many requests."
)
@click.option(
    "-c",
    "at_once",
    type=Whole(1),
    default=1,
    metavar="NUMBER",
    show_default=True,
    help="How many at a time.",
)
@click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    metavar="NAME:VALUE",
    help="HTTP header to send to a URL, for example with its key. Content-Type, for any target, says what the "
    "request's file holds, if the end of its name does not.",
)
@json_option()
@with_option
@layers_option
@found_options
@engine_option
@ready_option
@progress_option
@quiet_option("Show no progress.")
@verbose_option("Also show everything that the image prints.")
@settled
def command(
    target: str,
    request: str | None,
    expect: str | None,
    rtol: float | None,
    atol: float | None,
    number: int,
    at_once: int,
    headers: tuple[str, ...],
    as_json: bool,
    builder: str,
    layers: Layers,
    cache_from: str | None,
    max_age: float | None,
    engine: str | None,
    ready_timeout: float,
    mode: str,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Post a request to PROJECT's image, an image, or a server that runs, and compare the answer.

    A project is built, an image started, and both are stopped again; a URL is asked as it is. Numbers must be
    the expected ones, but for their last digits: that, too, is said.

    \b
    dagger-aml score examples/diabetes
    dagger-aml score diabetes:1 --with docker --request request.json -n 100 -c 4
    dagger-aml score http://127.0.0.1:6789 --request request.json --expect answer.json
    """
    found = read_target(target, given, url=True)
    engine = check_engine(
        engine, "a request to a URL does not use a Dagger engine" if found.url else no_engine(builder)
    )
    looked_in, _ = cache_places(layers, cache_from)
    opening = Opening(engine=engine, layers=layers, cache_from=looked_in, max_age_days=max_age)
    sent = dict(_header(each) for each in headers)
    types = [sent.pop(name) for name in list(sent) if name.lower() == "content-type"]
    if sent and not found.url:
        hint = "Remove them; only Content-Type can be set for an image."
        raise UsageError("headers can be sent only to a URL", location="--header", hint=hint)
    tolerance = _tolerance(found, rtol, atol)
    asked = _Asked.of(found, request, expect, number, at_once, types[-1] if types else None, tolerance)
    with Progress(mode, quiet=quiet or as_json, verbose=verbose) as progress:
        for warning in found.graph.warnings if found.graph else ():
            progress.warn(warning)
        ok = anyio.run(
            partial(_score, found, asked, builder, opening, progress, sent, ready_timeout, as_json, verbose)
        )
    if not ok:
        sys.exit(1)


def _hint(project: Project | None) -> str:
    """What to do where there is no request to post."""
    if project is None:
        return "Name a file: --request FILE."
    saved = ", or save its model with an input" if project.mlflow else ""
    return f"Name a file by --request, or put a sample request, such as request.json, into the project{saved}."


@frozen
class _Asked:
    """What is posted and what must come back."""

    body: bytes
    content_type: str
    shown: str
    expected: Path | None
    number: int
    at_once: int
    tolerance: Tolerance

    @classmethod
    def of(
        cls, target: Target, request: str | None, expect: str | None, number: int, at_once: int, kind: str | None,
        tolerance: Tolerance,
    ) -> _Asked:  # fmt: skip
        from ...serving.http import content_type

        project = target.project
        path = Path(request) if request else project.request if project else None
        sample = project.mlflow if path is None and project else None
        if path is None and (sample is None or sample.sample is None):
            raise UsageError("there is no request to post", hint=_hint(project))
        answer = Path(expect) if expect else project.answer if project and not request else None
        for each, flag in ((path, "--request"), (answer, "--expect")):
            if each and not each.is_file():
                raise UsageError(f"there is no file {each}", location=flag)
        if answer:
            try:
                json.loads(answer.read_text(encoding="utf-8"))
            except ValueError as error:
                raise UsageError(f"the expected answer is not JSON: {error}", location=str(answer)) from None
        if path is None:
            assert sample and sample.sample and sample.sample_file
            shown = str(sample.sample_file)
            return cls(sample.sample, kind or "application/json", shown, answer, number, at_once, tolerance)
        kind = kind or content_type(path)
        return cls(path.read_bytes(), kind, str(path), answer, number, at_once, tolerance)


def _tolerance(target: Target, rtol: float | None, atol: float | None) -> Tolerance:
    """What the flags say, else the project."""
    from ...project.file_keys import ATOL, RTOL
    from ...serving.answer import Tolerance

    project = target.project
    return Tolerance(
        (project.rtol if project else RTOL) if rtol is None else rtol,
        (project.atol if project else ATOL) if atol is None else atol,
    )


async def _score(
    target: Target, asked: _Asked, name: str, opening: Opening, progress: Progress,
    headers: dict[str, str], within: float, as_json: bool, verbose: bool,
) -> bool:  # fmt: skip
    from ...serving.http import Http
    from ...serving.places import located
    from ...serving.serve import serve

    locate = located(target.graph.layers if target.graph else ())
    async with AsyncExitStack() as stack:
        endpoint: Endpoint | None = None
        if target.url:
            base, path = _split(target.url)
            request: Callable[..., Awaitable[Scored]] = partial(
                await stack.enter_async_context(Http(base, headers=headers)), "POST", path
            )
        else:
            builder = await stack.enter_async_context(connected(name, progress, target, opening))
            what = target.graph or target.image
            assert what is not None
            endpoint = await stack.enter_async_context(serve(what, builder, ready_timeout=within))
            progress.on_event(Message(f"ready after {endpoint.ready_seconds:.1f} s, served by {endpoint.by}"))
            request = endpoint.score
        begun = time.monotonic()
        answers = await _ask_all(partial(request, asked.body, content_type=asked.content_type), asked)
        seconds = time.monotonic() - begun
        first = next((each for each in answers if each.status != 200), answers[0])
        from ...serving.smoke import compared_with, not_200

        compared = _worst(
            compared_with(each, asked.expected, asked.tolerance) for each in answers if first.status == 200
        )
        cause = await not_200(first, endpoint, locate) if first.status != 200 else None
        if verbose and endpoint:
            click.echo("\n".join(await endpoint.settled()), err=True)
    if as_json:
        click.echo(json.dumps(_as_json(first, answers, seconds, asked, compared, cause), indent=2))
    else:
        _report(first, answers, seconds, asked, compared)
    if cause and not as_json:
        from ...serving.failure import ScoreFailed

        tell(f"error: {ScoreFailed(cause)}")
    return not (cause or (compared and compared.difference))


def _worst(compared: Iterable[Comparison | None]) -> Comparison | None:
    """The first that differs, else the one with the most numbers that are not exactly equal."""
    found = [each for each in compared if each]
    return max(found, key=lambda each: (each.difference is not None, each.inexact), default=None)


async def _ask_all(request: Any, asked: _Asked) -> list[Scored]:
    """All answers; one request alone first where there are several, so that the first connection is not counted."""
    answers: list[Scored] = []
    left = asked.number

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            answers.append(await request())

    if asked.number > 1:
        await request()
    async with anyio.create_task_group() as tasks:
        for _ in range(min(asked.at_once, asked.number)):
            tasks.start_soon(worker)
    return answers


def _report(first: Scored, answers: list[Scored], seconds: float, asked: _Asked, compared: Comparison | None) -> None:
    from ...serving.http import RUN_FAILED, RUN_MILLISECONDS, SERVER_VERSION
    from ...serving.places import near
    from ...serving.smoke import as_expected

    said = [f"{first.seconds * 1000:.1f} ms"]
    if RUN_MILLISECONDS in first.headers:
        said.append(f"run() {first.headers[RUN_MILLISECONDS]} ms")
    if first.run_failed:
        said.append(f"{RUN_FAILED}: True")
    if SERVER_VERSION in first.headers:
        said.append(first.headers[SERVER_VERSION])
    say(f"status {first.status or 'none'}  ({', '.join(said)})")
    if first.status:
        say(first.body.rstrip("\n"))
    if len(answers) > 1:
        times = _latency(answers, seconds)
        good = sum(each.status == 200 for each in answers)
        say(
            f"{len(answers)} requests, {asked.at_once} at a time: median {times['median_ms']:.1f} ms, "
            f"p95 {times['p95_ms']:.1f} ms, {times['per_second']:.0f} a second; {good} of {len(answers)} gave 200"
        )
    if compared and asked.expected:
        file = near(asked.expected)
        if compared.difference:
            say(f"the answer differs from the expected one ({file}): {compared.difference}")
        else:
            say(as_expected(compared, asked.tolerance, f" ({file})"))


def _latency(answers: list[Scored], seconds: float) -> dict[str, float]:
    times = sorted(each.seconds * 1000 for each in answers)
    return {
        "median_ms": statistics.median(times),
        "p95_ms": times[min(len(times) - 1, int(0.95 * len(times)))],
        "min_ms": times[0],
        "max_ms": times[-1],
        "per_second": len(answers) / seconds,
    }


def _as_json(
    first: Scored, answers: list[Scored], seconds: float, asked: _Asked, compared: Comparison | None, cause: Any
) -> dict[str, Any]:
    try:
        body: Any = first.json
    except ValueError:
        body = first.body
    statuses = [each.status for each in answers]
    return {
        "status": first.status,
        "body": body,
        "headers": dict(first.headers),
        "seconds": first.seconds,
        "request": asked.shown,
        "expected": str(asked.expected) if asked.expected else None,
        "as_expected": compared.difference is None if compared else None,
        "difference": compared.difference if compared else None,
        "tolerance": {"rtol": asked.tolerance.rtol, "atol": asked.tolerance.atol},
        "inexact": {"numbers": compared.inexact, "furthest": compared.furthest or None} if compared else None,
        "error": None
        if cause is None
        else {"message": cause.message, "location": cause.location, "hint": cause.hint or None},
        "latency": {
            "requests": len(answers),
            "at_once": asked.at_once,
            **_latency(answers, seconds),
            "statuses": {str(status): statuses.count(status) for status in sorted(set(statuses))},
        },
    }


def _split(url: str) -> tuple[str, str]:
    """A server's address and the path to post to: ``/score`` unless the URL has one."""
    parts = urlsplit(url)
    path = parts.path if parts.path not in ("", "/") else "/score"
    return f"{parts.scheme}://{parts.netloc}", path + (f"?{parts.query}" if parts.query else "")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text or "\r" in text:
        raise UsageError(f"not NAME:VALUE: {text!r}", location="--header")
    return name.strip(), value.strip()
