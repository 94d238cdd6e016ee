"""Serving an image as Azure ML would, asking it, and stopping it again.

async with connect() as engine, serve(graph, engine) as endpoint:
    scored = await endpoint.score({"data": [[1, 2, 3]]})
    assert scored.status == 200, endpoint.logs()
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from ..backends.base import Builder, Image
from ..errors import BuildError, DaggerAmlError, UsageError
from ..graph.base import DEFAULT_PLATFORM
from ..graph.graph import Graph
from .causes import why_not_ready, why_not_started
from .debug import ENVIRONMENT
from .endpoint import READY_TIMEOUT, Endpoint, wait_until_ready
from .failure import ScoreFailed, ServeError, StartFailed
from .http import Scored
from .log import Line, Log
from .places import Locate, in_image, located

if TYPE_CHECKING:
    import dagger

    from .container import Published, Runtime

__all__ = ["Endpoint", "ScoreFailed", "Scored", "ServeError", "StartFailed", "serve"]

NOWHERE = "http://127.0.0.1:9"
"""An address at which nothing listens (the discard port)."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY")
POINTS_NOWHERE: Mapping[str, str] = {
    "PIP_INDEX_URL": NOWHERE,
    "PIP_EXTRA_INDEX_URL": NOWHERE,
    "PIP_RETRIES": "0",
    **{name: NOWHERE for name in _PROXIES},
    **{name.lower(): NOWHERE for name in _PROXIES},
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "no_proxy": "localhost,127.0.0.1,::1",
}
"""What stands in for a missing network in a Dagger engine, which has no such switch: set for one run only."""


@asynccontextmanager
async def serve(
    what: Graph | Image | dagger.Container | str | Path,
    builder: Builder | Literal["docker", "podman"],
    *,
    published: Published | None = None,
    env: Mapping[str, str] | None = None,
    offline: bool = False,
    ready_timeout: float = READY_TIMEOUT,
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
        engine, which has no such switch, the package index and the proxies point nowhere (:data:`POINTS_NOWHERE`).
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
    from .container import Published, in_container

    log, begun = Log(on_line), time.monotonic()
    if debug and offline:
        raise UsageError("a debugger cannot attach to a container without network", do="Leave `offline` out.")
    env = {**(ENVIRONMENT if debug else {}), **(env or {})}
    published = published or Published()
    async with AsyncExitStack() as stack:
        if isinstance(what, Graph):
            if isinstance(builder, str):
                raise UsageError("a graph is built before it is served", do="Give a builder, not a program's name.")
            from ..building.build import image

            locate = locate or located(what.layers)
            _, what = await image(what, builder)
            begun = time.monotonic()
        engine = _engine(builder)
        if engine is not None:
            from .in_engine import as_container, in_engine

            container = await as_container(cast(Any, what), engine, platform)
            running = in_engine(
                container,
                engine,
                log,
                published=published,
                env={**env, **(POINTS_NOWHERE if offline else {})},
                debug=debug,
            )
        else:
            runtime = runtime_of(builder)
            running = in_container(
                runtime,
                await _in_store(what, runtime, platform, stack, keep=keep),
                log,
                published=None if offline else published,
                env=env,
                name=name,
                keep=keep,
                debug=debug,
            )
        endpoint = await stack.enter_async_context(running)
        await ready(endpoint, begun, ready_timeout, locate or in_image)
        yield endpoint


async def ready(endpoint: Endpoint, begun: float, within: float, locate: Locate) -> None:
    """Wait until a started endpoint answers.

    :raises StartFailed: it does not; the cause is named.
    """
    if await wait_until_ready(endpoint, begun, within):
        return
    lines = list(endpoint.log.lines)
    if endpoint.log.ended.is_set():
        cause = why_not_started(lines, endpoint.log.exit_code, locate)
    else:
        cause = why_not_ready(lines, within, locate)
    raise StartFailed(cause, logs=endpoint.logs())


def _engine(builder: Builder | str) -> Any:
    """The builder, if it is a Dagger engine."""
    return builder if not isinstance(builder, str) and builder.name == "dagger" else None


def runtime_of(builder: Builder | str) -> Runtime:
    """The program that serves what a local builder made.

    :raises UsageError: buildah made it, and podman is not installed.
    """
    name = builder if isinstance(builder, str) else builder.name
    if name == "buildah":
        import shutil

        if not shutil.which("podman"):
            raise UsageError(
                "buildah cannot serve an image, and podman, which shares its images, is not installed",
                do="Install podman, or build with another.",
            )
        name = "podman"
    return cast("Runtime", name)


async def _in_store(what: Any, runtime: Runtime, platform: str, stack: AsyncExitStack, *, keep: bool) -> str:
    """What ``docker run`` or ``podman run`` calls an image, loaded or pulled if need be."""
    from .container import loaded

    if isinstance(what, Path):
        return await stack.enter_async_context(loaded(runtime, what, keep=keep))
    if isinstance(what, str):
        return what if re.fullmatch(r"(sha256:)?[0-9a-f]{12,64}", what) else await _pulled(what, runtime, platform)
    made: str | None = getattr(what, "id", None)
    if made is None:
        raise DaggerAmlError(f"{runtime} cannot serve an image that another builder made")
    return made


async def _pulled(reference: str, runtime: Runtime, platform: str) -> str:
    from ..backends.local.find import local_builder
    from ..backends.local.program import refused

    tool = local_builder(runtime).tool
    found = await tool.inspect(reference)
    if found is None:
        done = await tool.pull(reference, platform)
        if done.code:
            raise refused(done, reference, f"image {reference}", [runtime, "pull", reference])
        found = await tool.inspect(reference)
    if found is None:
        raise BuildError(f"{runtime} does not have it", step=f"image {reference}")
    return found.id
