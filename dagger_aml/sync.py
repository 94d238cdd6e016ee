"""The library for scripts and notebooks that are not async: the same calls, without ``await``.

    from dagger_aml import load_project, sync

    project = load_project("examples/diabetes")
    with sync.connect() as engine:
        result = engine.build(sync.lay_out(project), tags=["diabetes:1"], output="diabetes.tar")

Everything runs in an event loop in a thread of its own, so it works in a notebook cell too, where a loop runs
already; callbacks are called in that thread. Interrupting the caller cancels the work. What needs no ``await`` has no
twin here: ``load_project``, ``dockerfile`` and ``make_plan`` are the same for all. Nor has ``container``, whose
client has a loop of its own.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from .backends.base import Builder as AsyncBuilder
from .backends.base import Format, Layers
from .backends.base import Image as AsyncImage
from .backends.outputs import Export
from .backends.result import Result
from .building.build import Outputs, build, image
from .building.graphs import lay_out as _lay_out
from .building.graphs import lay_out_each as _lay_out_each
from .building.plans import probe
from .data import frozen
from .events import OnEvent, ignore
from .graph.base import DEFAULT_PLATFORM
from .graph.graph import Graph
from .plan.making import Making
from .plan.model import Plan
from .policy import DEFAULT, Policy
from .project.model import Project

if TYPE_CHECKING:
    from .backends.runtime import Published
    from .inspection.model import Inspection
    from .serving.endpoint import Endpoint as AsyncEndpoint
    from .serving.http import Scored
    from .serving.log import Line
    from .serving.places import Locate

__all__ = [
    "Builder",
    "Endpoint",
    "Image",
    "connect",
    "inspect",
    "lay_out",
    "lay_out_each",
    "local_builder",
    "open_builder",
]

T = TypeVar("T")


@frozen
class Image:
    """An image that a builder made and holds; see :class:`dagger_aml.Image`, whose methods raise the same.

    :param plan: what it was made by.
    """

    plan: Plan
    image: AsyncImage
    _portal: BlockingPortal

    @property
    def id(self) -> str | None:
        """Digest of the config; None where it is only known once the image is written somewhere."""
        return self.image.id

    def publish(self, reference: str) -> Result:
        """Push to a registry."""
        return _call(self._portal, partial(self.image.publish, reference))

    def export(self, output: Export | Path | str, references: Sequence[str] = ()) -> Result:
        """Write a tar or a layout, named by every reference; atomically."""
        return _call(self._portal, partial(self.image.export, output, references))

    def load(self, reference: str) -> Result:
        """Put it into the local image store under ``reference``; no index."""
        return _call(self._portal, partial(self.image.load, reference))


@frozen
class Endpoint:
    """A served image that answers; see :class:`dagger_aml.Endpoint`.

    :param endpoint: has what needs no waiting for: ``url``, ``ready_seconds``, ``uid``, ``container``.
    """

    endpoint: AsyncEndpoint
    _portal: BlockingPortal

    @property
    def url(self) -> str:
        """Where it answers, without a trailing slash."""
        return self.endpoint.url

    def score(self, data: Any, *, content_type: str = "application/json", within: float = 60) -> Scored:
        """``POST /score``: bytes or text as they are, anything else as JSON."""
        return _call(self._portal, partial(self.endpoint.score, data, content_type=content_type, within=within))

    def healthy(self, *, within: float = 10) -> bool:
        """Whether ``GET /`` answers 200."""
        return _call(self._portal, partial(self.endpoint.healthy, within=within))

    def logs(self) -> str:
        """All that the image printed so far (its last 50,000 lines)."""
        return self.endpoint.logs()


@frozen
class Builder:
    """A Dagger engine or a local builder, driven from outside its event loop."""

    builder: AsyncBuilder
    _portal: BlockingPortal

    def probe(self, graph: Graph) -> Plan:
        """Ask the real bases, pin them, and plan on what they answered; see :func:`dagger_aml.probe`."""
        return _call(self._portal, partial(probe, graph, self.builder))

    def makings(self, plan: Plan) -> tuple[Making, ...]:
        """How the layer of each of a plan's ops would be made now."""
        return _call(self._portal, partial(self.builder.makings, plan))

    def build(
        self,
        graph: Graph | Sequence[Graph],
        *,
        tags: Iterable[str] = (),
        push: bool = False,
        output: Outputs = None,
        load: bool = False,
        title: str = "",
        check: Callable[[Plan, AsyncImage, AsyncBuilder], Awaitable[None]] | None = None,
    ) -> Result:
        """Build a graph and send it where it is asked for; see :func:`dagger_aml.build`, which raises the same.

        :param check: runs in the event loop, as ``Smoke(…).check`` does.
        """
        work = partial(
            build, graph, self.builder, tags=tags, push=push, output=output, load=load, title=title, check=check
        )
        return _call(self._portal, work)

    def image(self, graph: Graph, *, title: str = "") -> Image:
        """Make the image of a graph, publish it nowhere; see :func:`dagger_aml.image`, which raises the same."""
        plan, made = _call(self._portal, partial(image, graph, self.builder, title=title))
        return Image(plan, made, self._portal)

    @contextmanager
    def serve(
        self,
        what: Graph | Image | str | Path,
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
    ) -> Iterator[Endpoint]:
        """Start an image, wait until it is ready, remove it with the block; see :func:`dagger_aml.serve`."""
        from .serving.serve import serve

        served = serve(
            what.image if isinstance(what, Image) else what,
            self.builder,
            published=published,
            env=env,
            offline=offline,
            restricted=restricted,
            ready_timeout=ready_timeout,
            platform=platform,
            name=name,
            keep=keep,
            locate=locate,
            debug=debug,
            on_line=on_line,
        )
        with self._portal.wrap_async_context_manager(served) as endpoint:
            yield Endpoint(endpoint, self._portal)


def lay_out(project: Project) -> Graph:
    """The graph that a project's recipe lays out.

    :raises ProjectError, GraphError: what the recipe's steps refuse.
    :raises FindingsError: a rule found what cannot work.
    """
    with start_blocking_portal() as portal:
        return _call(portal, partial(_lay_out, project))


def lay_out_each(project: Project, *, stops: bool = True) -> tuple[Graph, ...]:
    """The graphs that a project's recipe lays out, one for each of its platforms.

    :param stops: whether what a rule finds that cannot work is raised; otherwise it is told, as warnings are.
    :raises ProjectError, GraphError: what the recipe's steps refuse.
    :raises FindingsError: a rule found what cannot work.
    """
    with start_blocking_portal() as portal:
        return _call(portal, partial(_lay_out_each, project, stops=stops))


def inspect(
    image: str | os.PathLike[str],
    *,
    platform: str = DEFAULT_PLATFORM,
    store: str | None = None,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> Inspection:
    """Look into a finished image; see :func:`dagger_aml.inspect`, which raises the same."""
    from .inspection.sources import inspect

    work = partial(inspect, image, platform=platform, store=store, on_event=on_event, policy=policy)
    with start_blocking_portal() as portal:
        return _call(portal, work)


@contextmanager
def connect(
    *,
    engine: str | None = None,
    engine_timeout: float | None = None,
    no_cache: bool = False,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> Iterator[Builder]:
    """Connect to a Dagger engine; see :func:`dagger_aml.connect`, which raises the same.

    :param on_event: called in the event loop's thread.
    """
    from .backends.dagger.connect import connect

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            connect(engine=engine, engine_timeout=engine_timeout, no_cache=no_cache, on_event=on_event, policy=policy)
        ) as connected,
    ):
        yield Builder(connected, portal)


@contextmanager
def local_builder(
    name: str,
    *,
    format: Format | None = None,
    no_cache: bool = False,
    pull: bool = False,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> Iterator[Builder]:
    """``docker``, ``podman`` or ``buildah`` of this machine; see :func:`dagger_aml.local_builder`.

    :raises DaggerAmlError: the program is not there.
    """
    from .backends.local.find import local_builder

    with start_blocking_portal() as portal:
        builder = local_builder(name, format=format, no_cache=no_cache, pull=pull, on_event=on_event, policy=policy)
        yield Builder(builder, portal)


@contextmanager
def open_builder(
    name: str = "dagger",
    *,
    layers: Layers = "direct",
    format: Format | None = None,
    no_cache: bool = False,
    pull: bool = False,
    engine: str | None = None,
    engine_timeout: float | None = None,
    cache_from: str | None = None,
    cache_to: str | None = None,
    max_age_days: float | None = None,
    instance: str | None = None,
    provenance: str | None = None,
    sbom: str | None = None,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> Iterator[Builder]:
    """What ``build --with NAME`` builds by; see :func:`dagger_aml.open_builder`, which raises the same.

    :param on_event: called in the event loop's thread.
    """
    from .backends.open import open_builder

    opening = open_builder(
        name,
        layers=layers,
        format=format,
        no_cache=no_cache,
        pull=pull,
        engine=engine,
        engine_timeout=engine_timeout,
        cache_from=cache_from,
        cache_to=cache_to,
        max_age_days=max_age_days,
        instance=instance,
        provenance=provenance,
        sbom=sbom,
        on_event=on_event,
        policy=policy,
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opening) as builder:
        yield Builder(builder, portal)


def _call(portal: BlockingPortal, work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` in the portal's loop; when the caller is interrupted, cancel it and wait for its end."""
    future = portal.start_task_soon(work)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
