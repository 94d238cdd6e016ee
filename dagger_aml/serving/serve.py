"""Serving an image as Azure ML would, asking it, and stopping it again.

async with connect() as engine, serve(graph, engine) as endpoint:
    scored = await endpoint.score({"data": [[1, 2, 3]]})
    assert scored.status == 200, endpoint.logs()
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..backends.base import Builder, Image, Runtime
from ..backends.local.find import local_kind
from ..backends.runtime import Published, Start
from ..base.python import python_argv
from ..errors import UsageError
from ..graph.base import DEFAULT_PLATFORM
from ..graph.graph import Graph
from ..policy import DEFAULT
from .causes import why_not_ready, why_not_started
from .debug import ENVIRONMENT, PORT, debugged
from .endpoint import Endpoint, wait_until_ready
from .failure import ScoreFailed, ServeError, StartFailed
from .http import Ask, Http, Scored
from .inside import Inside
from .log import Line, Log
from .places import Locate, in_image, located
from .restricted import limited

if TYPE_CHECKING:
    import dagger

__all__ = ["Endpoint", "ScoreFailed", "Scored", "ServeError", "StartFailed", "serve"]


@asynccontextmanager
async def serve(
    what: Graph | Image | dagger.Container | str | Path,
    builder: Builder | str,
    *,
    published: Published | None = None,
    env: Mapping[str, str] | None = None,
    offline: bool = False,
    restricted: bool = False,
    ready_timeout: float = DEFAULT.ready_timeout_seconds,
    platform: str = DEFAULT_PLATFORM,
    name: str | None = None,
    keep: bool = False,
    locate: Locate | None = None,
    debug: Published | None = None,
    on_line: Callable[[Line], None] | None = None,
) -> AsyncIterator[Endpoint]:
    """Start an image's own command as its own user, wait until it is ready, and stop and remove it afterwards.

    :param what: a graph, which is built first; an image that a builder made; a reference; or a tar of an image.
    :param builder: a connected Dagger engine serves by a service and a tunnel; a local builder by docker or podman
        (buildah cannot serve: podman, which shares its images, does). References and tars need no more than a name.
    :param published: the port of this machine; by default any free one, on 127.0.0.1. A Dagger engine's tunnel
        listens on every address of this machine.
    :param env: variables set for this run only.
    :param offline: without network. docker and podman give the container none, and it is asked from inside; in an
        engine, which has no such switch, the package index and the proxies point nowhere.
    :param restricted: within the limits of a cluster's restricted pod (docs/serve.md); docker and podman can.
    :param ready_timeout: seconds until ``GET /`` must have given 200.
    :param name: of the container, with docker and podman.
    :param keep: leave that container running when the block ends well.
    :param locate: where the files of the image are on this machine; known of a graph.
    :param debug: the port for a debugger, which debugpy in the image lets in (``inner`` is the container's). The
        server waits for it before it loads the entry script, and so does this, for ``ready_timeout`` at most.
    :param on_line: called with each line of output as it comes; :data:`~dagger_aml.serving.debug.WAITS` is one.
    :raises StartFailed: it ended before it was ready, or was not ready in time; the cause is named.
    :raises BuildError: it cannot be built, found or started.
    """
    log, begun = Log(on_line), time.monotonic()
    if debug and offline:
        raise UsageError("a debugger cannot attach to a container without network", hint="Remove `offline`.")
    async with AsyncExitStack() as stack:
        if isinstance(what, Graph):
            if isinstance(builder, str):
                raise UsageError(
                    "a graph must be built before it can be served",
                    hint="Give a builder object, not the name of a container CLI.",
                )
            from ..building.build import image

            locate = locate or located(what.layers)
            _, what = await image(what, builder)
            begun = time.monotonic()
        runtime = runtime_of(builder)
        port = debug.inner if debug else PORT
        start = Start(
            published=published or Published(),
            env={**(ENVIRONMENT if debug else {}), **(env or {})},
            offline=offline,
            restricted=restricted,
            platform=platform,
            name=name,
            keep=keep,
            debug=debug,
            debugged=lambda command: python_argv(*debugged(command, port=port)),
        )
        started = await stack.enter_async_context(runtime.serve(what, start, log))
        request: Ask = (
            Inside(started.inside) if started.inside else await stack.enter_async_context(Http(started.url))
        )
        endpoint = Endpoint(started.url, runtime.name, request, log, started.uid, container=started.container)
        network = runtime.offline if offline else ""
        await ready(endpoint, begun, ready_timeout, locate or in_image, network=network, restricted=restricted)
        yield endpoint


async def ready(
    endpoint: Endpoint, begun: float, within: float, locate: Locate, *, network: str = "", restricted: bool = False
) -> None:
    """Wait until a started endpoint answers.

    :param network: how it was started where it has no network, such as ``without network``.
    :param restricted: whether it was started within the limits of a restricted pod.
    :raises StartFailed: it does not; the cause is named.
    """
    if await wait_until_ready(endpoint, begun, within):
        return
    lines = list(endpoint.log.lines)
    if endpoint.log.ended.is_set():
        cause = why_not_started(lines, endpoint.log.exit_code, locate, network=network)
    else:
        cause = why_not_ready(lines, within, locate, network=network)
    raise StartFailed(limited(cause, lines) if restricted else cause, logs=endpoint.logs())


def runtime_of(builder: Builder | str) -> Runtime:
    """What starts what a builder made; of a local one its name will do.

    :raises UsageError: nothing that is installed can.
    """
    return local_kind(builder).runtime() if isinstance(builder, str) else builder.runtime()
