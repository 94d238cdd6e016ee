"""``dagger-aml run``"""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import click

from ...backends.base import Layers, Opening
from ...backends.builders import kind_of
from ...data import frozen
from ...errors import DaggerAmlError, EngineNotFound, UsageError
from ...serving.debug import WAITS
from ...text import Named
from ..common import check_engine, no_engine
from ..console import tell
from ..debug import Debugged, debug_option, debug_port, how_to_attach
from ..gate import check_restricts
from ..options.build import (
    cache_places,
    engine_option,
    found_options,
    layers_option,
    progress_option,
    ready_option,
    settled,
)
from ..options.call import quiet_option, verbose_option
from ..options.project import project_options
from ..options.types import Given
from ..progress import Progress
from ..target import Target, connected, read_target, say, with_option

if TYPE_CHECKING:
    from ...backends.runtime import Published
    from ...serving.endpoint import Endpoint
    from ...serving.log import Line


PORT = "6789:5001"
"""As Microsoft's page on packaged models publishes it."""

_LONGEST = 400
"""Characters of a saved input that are shown to be posted."""


@click.command(
    "run",
    cls=Debugged,
    short_help="Serve a project, an image or a tar, until Ctrl-C.",
    epilog="Ctrl-C stops and removes everything. Send a request from another terminal: dagger-aml score "
    "http://127.0.0.1:6789 --request request.json",
)
@click.argument("target", default=".", metavar="[PROJECT|IMAGE|TAR]", type=Given())
@partial(project_options, argument=False)
@click.option(
    "-p",
    "--publish",
    metavar="[ADDRESS:]PORT[:5001]",
    help="Port on this machine (default: 6789, or a free port if 6789 is in use).",
)
@with_option
@layers_option
@found_options
@engine_option
@click.option(
    "--local", is_flag=True, help="Build no image: run the code with the real server in a temporary environment."
)
@click.option(
    "--watch",
    is_flag=True,
    help="Serve what is saved: with --local the server starts anew, with docker and podman changed code is put into "
    "the container. What needs another image is only told.",
)
@debug_option
@click.option(
    "--restricted",
    is_flag=True,
    help="Start it as a cluster's restricted pods are started: as any user, without capabilities, with a read-only "
    "root (docker and podman).",
)
@click.option("-d", "--detach", is_flag=True, help="Leave the container running (docker and podman).")
@click.option("--name", metavar="NAME", help="Name of the container (docker and podman).")
@ready_option
@progress_option
@quiet_option("Print only the URL.")
@verbose_option("Also show what the server and the builder print.")
@settled
def command(
    target: str,
    publish: str | None,
    builder: str,
    layers: Layers,
    cache_from: str | None,
    max_age: float | None,
    engine: str | None,
    local: bool,
    watch: bool,
    debug: str | None,
    restricted: bool,
    detach: bool,
    name: str | None,
    ready_timeout: float,
    mode: str,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Serve PROJECT's image, or an image, as Azure ML would, and show what the entry script logs.

    A project is built first. IMAGE is one in a registry, or with docker and podman also one in their store.

    \b
    dagger-aml run examples/diabetes
    dagger-aml run examples/diabetes --local --watch
    dagger-aml run examples/diabetes --debug --pip debugpy
    dagger-aml run diabetes:1 --with docker -d --name diabetes
    """
    everywhere = not (local or kind_of(builder).capabilities.leaves_containers)
    if (detach or name) and (everywhere or local):
        flag = "--detach" if detach else "--name"
        raise UsageError(
            "--local serves only while this command runs" if local
            else "a Dagger engine stops the server when this command and its session end",
            location=flag, hint="Add --with docker or --with podman." if not local else f"Remove {flag}.",
        )  # fmt: skip
    if restricted and local:
        raise UsageError("--local starts no image", location="--restricted", hint="Remove one of them.")
    if restricted:
        check_restricts(builder, "--restricted")
    engine = check_engine(engine, "--local does not use a Dagger engine" if local else no_engine(builder))
    looked_in, _ = cache_places(layers, cache_from)
    opening = Opening(engine=engine, layers=layers, cache_from=looked_in, max_age_days=max_age)
    found = read_target(target, given)
    if local and not found.project:
        raise UsageError(
            "is not the folder of a project, so it is taken for an image; --local serves projects alone",
            location=target,
            hint="Name a project's folder, or leave --local out.",
        )
    if watch:
        from ..watch import check_watch

        refused = {"--debug": debug is not None, "--restricted": restricted, "--detach": detach}
        check_watch(found, local=local, containers=not everywhere, others=refused)
    attach = debug_port(debug, found, local=local)
    show = _Shown(quiet=quiet, verbose=verbose, everywhere=everywhere)
    if attach:
        ready_timeout = math.inf
        show.attach = how_to_attach(attach, found, everywhere=everywhere)
    with Progress(mode, quiet=quiet, verbose=verbose) as progress:
        for warning in found.graph.warnings if found.graph else ():
            progress.warn(warning)
        how = _How(_published(publish), builder, opening, local, detach, name, ready_timeout, attach, restricted)
        with _or_locally(found, how):
            if watch:
                anyio.run(_watch, target, given, found, how, progress, show)
            else:
                anyio.run(_run, found, how, progress, show)


@frozen
class _How:
    """How it is served.

    :param by: the builder, whose name ``--with`` says.
    :param opening: how that is opened.
    :param name: of the container, and ``detach``: whether it is left running.
    :param debug: the port for a debugger.
    :param restricted: whether it is started within the limits of a restricted pod.
    """

    published: Published
    by: str
    opening: Opening
    local: bool
    detach: bool
    name: str | None
    ready_timeout: float
    debug: Published | None
    restricted: bool


@contextmanager
def _or_locally(target: Target, how: _How) -> Iterator[None]:
    """Name ``--local`` where nothing is there that starts images, and it can do what was asked."""
    try:
        yield
    except DaggerAmlError as error:
        at = error.location
        none = isinstance(error, EngineNotFound) or (isinstance(at, Named) and at.setting == "builder")
        if none and target.project and not (how.local or how.detach or how.name or how.restricted):
            error.hint = "\n".join(filter(None, (error.hint, "Or serve the code without an image: add --local.")))
        raise


async def _run(target: Target, how: _How, progress: Progress, show: _Shown) -> None:
    served = (_local if how.local else _served)(target, how, progress, show)
    async with served as endpoint:
        show.ready(endpoint, target)
        if how.detach:
            container = how.name or endpoint.container
            tell(f"the container is still running; stop and remove it with: {how.by} rm --force {container}")
            return
        await endpoint.log.ended.wait()
    from ...serving.causes import why_not_started
    from ...serving.failure import StartFailed
    from ...serving.places import located

    cause = why_not_started(
        list(endpoint.log.lines), endpoint.log.exit_code, located(target.graph.layers if target.graph else ())
    )
    raise StartFailed(cause, logs=endpoint.logs(), location="the server ended")


async def _watch(
    folder: str, given: dict[str, Any], target: Target, how: _How, progress: Progress, show: _Shown
) -> None:
    from ..watch import watching
    from ..watched_run import watch_container, watch_locally

    words = shlex.join(sys.argv[1:]) if sys.argv[1:2] == ["run"] else f"run {shlex.quote(folder)}"
    watch = watching(target, f"dagger-aml {words}", given, folder, how.ready_timeout)

    def on_ready(endpoint: Endpoint) -> None:
        show.ready(endpoint, target)
        if not show.quiet:
            tell("watching the code; Ctrl-C stops")

    if how.local:
        await watch_locally(watch, progress, show.line, on_ready, how.published)
        return
    await watch_container(
        watch, progress, show.line, on_ready, how.published, by=how.by, opening=how.opening, name=how.name
    )


@asynccontextmanager
async def _served(target: Target, how: _How, progress: Progress, show: _Shown) -> AsyncIterator[Endpoint]:
    from ...serving.serve import serve

    what = target.graph or target.image
    assert what is not None
    async with (
        connected(how.by, progress, target, how.opening) as builder,
        serve(
            what,
            builder,
            published=how.published,
            restricted=how.restricted,
            ready_timeout=how.ready_timeout,
            name=how.name,
            keep=how.detach,
            debug=how.debug,
            on_line=show.line,
        ) as endpoint,
    ):
        yield endpoint


@asynccontextmanager
async def _local(target: Target, how: _How, progress: Progress, show: _Shown) -> AsyncIterator[Endpoint]:
    import time

    from ...serving.local import locally, moved
    from ...serving.log import Log
    from ...serving.places import located
    from ...serving.serve import ready

    assert target.project and target.graph
    log = Log(show.line)
    async with locally(
        target.project, target.graph, log, published=how.published, on_event=progress.on_event, debug=how.debug
    ) as (endpoint, app):
        if how.debug:
            show.attach = how_to_attach(how.debug, target, everywhere=False, app=str(app))
        await ready(endpoint, time.monotonic(), how.ready_timeout, moved(located(target.graph.layers), app))
        yield endpoint


def _published(text: str | None) -> Published:
    """Read ``-p``; unless it is given, the usual port, or any where that is taken."""
    from ...backends.runtime import Published
    from ...serving.local import is_free

    match = re.fullmatch(
        r"(?:(?P<address>\d+(?:\.\d+){3}|\[[0-9a-f:]+\]):)?(?P<port>\d{1,5})(?::(?P<inner>\d{1,5}))?",
        PORT if text is None else text,
    )
    if not match or not 0 < int(match["port"]) < 65536 or not 0 < int(match["inner"] or 5001) < 65536:
        raise UsageError(f"not a port: {text!r}", location="-p", hint="Write PORT, PORT:5001 or ADDRESS:PORT:5001.")
    port = int(match["port"])
    if text is None and not is_free(port):
        tell(f"port {port} is in use; using another")
        port = 0
    return Published(port, match["address"] or "127.0.0.1", int(match["inner"] or 5001))


def _of_saved(sample: bytes | None) -> str:
    """What curl is told to post, of the input that was saved with an MLflow model."""
    text = (sample or b"").decode().strip()
    return shlex.quote(text) if 0 < len(text) <= _LONGEST else "'{\"input_data\": []}'"


class _Shown:
    """What a person sees of a served image: the entry script's own lines; errors once it is ready.

    ``attach`` is shown when a debugger can.

    :param everywhere: whether it answers at every address of this machine.
    """

    def __init__(self, *, quiet: bool, verbose: bool, everywhere: bool) -> None:
        self.quiet, self.verbose, self.everywhere = quiet, verbose, everywhere
        self.attach = ""
        self._ready = False

    def line(self, line: Line) -> None:
        """Show a line, or don't."""
        if self.quiet:
            return
        if self.attach and line.text == WAITS:
            say(self.attach)
            sys.stdout.flush()
        if line.kind == "user" or self.verbose or (self._ready and line.kind in ("error", "request")):
            mark = "server | " if line.kind == "server" else ""
            say(f"  {mark}{line.shown}")

    def ready(self, endpoint: Endpoint, target: Target) -> None:
        """Say where it answers."""
        from ...serving.places import near

        self._ready = True
        if self.quiet:
            click.echo(endpoint.url)
            return
        request = target.project.request if target.project else None
        data = f"@{shlex.quote(str(near(request)))}" if request else "'{\"data\": []}'"
        if request is None and target.project and target.project.mlflow:
            data = _of_saved(target.project.mlflow.sample)
        click.echo(f"ready after {endpoint.ready_seconds:.1f} s: {endpoint.url}")
        click.echo(f"  curl {endpoint.url}/score -H 'Content-Type: application/json' -d {data}")
        if self.everywhere:
            click.echo("  (the engine's tunnel listens on every address of this machine)")
        sys.stdout.flush()
