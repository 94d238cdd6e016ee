"""How ``run --watch`` starts servers: a temporary environment, or containers of one image."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
from attrs import evolve

from ..backends.base import Opening
from ..backends.local.containers import follow
from ..errors import BuildError
from ..serving.cause import Cause
from ..serving.causes import why_not_started
from ..serving.changes import Changes
from ..serving.failure import StartFailed
from ..serving.local import free_port, moved, prepared
from ..serving.log import Line, Log
from ..serving.places import Locate
from ..serving.renew import Renewal
from ..serving.serve import ready, serve
from ..tasks import background_task
from .progress import Progress
from .target import connected
from .watch import Watching, check_loads_anew, keep_serving

if TYPE_CHECKING:
    from ..backends.runtime import Published
    from ..serving.endpoint import Endpoint

_ENDS_SECONDS = 3.0
"""In which a container tells that it ended, after its server did."""

_GRACE_SECONDS = 0.2
"""That a server of this machine has to end when it is started anew; gunicorn takes up to two to end by itself."""

OnLine = Callable[[Line], None]
OnReady = Callable[["Endpoint"], None]


async def watch_locally(
    watch: Watching, progress: Progress, on_line: OnLine, on_ready: OnReady, published: Published
) -> None:
    """Serve without an image; each change starts the server anew, with the packages that are there."""
    project = watch.target.project
    assert project
    async with prepared(project, watch.graph, published=published, on_event=progress.on_event) as here:

        @asynccontextmanager
        async def life(_: bool) -> AsyncIterator[Endpoint]:
            graph = watch.graph
            try:
                await anyio.to_thread.run_sync(here.lay_out, graph)
            except OSError as error:
                raise BuildError(f"the code went away while it was taken ({error.strerror or error})") from None
            async with here.served(graph, Log(on_line), grace_seconds=_GRACE_SECONDS) as endpoint:
                await ready(endpoint, time.monotonic(), watch.ready_timeout, moved(watch.locate, here.app))
                yield endpoint

        def why(endpoint: Endpoint) -> str:
            return str(_cause(endpoint, moved(watch.locate, here.app)))

        await keep_serving(watch, life, None, on_ready, why)


async def watch_container(
    watch: Watching,
    progress: Progress,
    on_line: OnLine,
    on_ready: OnReady,
    published: Published,
    *,
    by: str,
    opening: Opening,
    name: str | None,
) -> None:
    """Build an image, and serve it by docker or podman; each change is put into the container."""
    from ..building.build import image

    async with connected(by, progress, watch.target, opening) as builder:
        assert not isinstance(builder, str)
        plan, made = await image(watch.graph, builder)
        check_loads_anew({**plan.facts.env, **{name: str(value) for name, value in plan.config.env.items()}})
        port = published if published.port else evolve(published, port=free_port())
        async with serve(
            made,
            builder,
            published=port,
            ready_timeout=watch.ready_timeout,
            name=name,
            locate=watch.locate,
            on_line=on_line,
        ) as endpoint:
            renewal = Renewal(endpoint.by, endpoint.container)
            await renewal.learn(watch.served)

            @asynccontextmanager
            async def life(first: bool) -> AsyncIterator[Endpoint]:
                if first:
                    yield endpoint
                    return
                since, log, lacks = int(time.time()), Log(on_line), watch.all_since()
                await renewal.revive(lacks)
                again = evolve(endpoint, log=log)
                async with background_task(partial(follow, endpoint.by, endpoint.container, log, since=since)):
                    await ready(again, time.monotonic(), watch.ready_timeout, watch.locate)
                    if lacks.removed:
                        await give(again, evolve(lacks, put=()))
                    yield again

            async def give(endpoint: Endpoint, changes: Changes) -> None:
                since = endpoint.log.count
                try:
                    await renewal.give(changes)
                except BuildError:
                    with anyio.move_on_after(_ENDS_SECONDS):
                        await endpoint.log.ended.wait()
                    if not endpoint.log.ended.is_set():
                        raise
                    cause = _cause(endpoint, watch.locate, since)
                    raise StartFailed(cause, logs=endpoint.logs(), location="the server ended") from None
                await ready(endpoint, time.monotonic(), watch.ready_timeout, watch.locate)

            await keep_serving(watch, life, give, on_ready, lambda ended: str(_cause(ended, watch.locate)))


def _cause(endpoint: Endpoint, locate: Locate, since: int = 0) -> Cause:
    """Why a server has ended, by what it printed since so many lines."""
    return why_not_started(endpoint.log.since(since), endpoint.log.exit_code, locate)
