"""The library for scripts and notebooks that are not async: the same calls, without ``await``.

    from dagger_aml import load_project, sync

    project = load_project("examples/diabetes")
    with sync.connect() as engine:
        result = engine.build(sync.lay_out(project), tags=["diabetes:1"], output="diabetes.tar")

Everything runs in an event loop in a thread of its own, so it works in a notebook cell too, where a loop runs
already. Interrupting the caller cancels the work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import frozen

from . import api, recipe
from .backends.builder import Builder as AsyncBuilder
from .backends.dockerfile import Format
from .events import OnEvent, ignore
from .graph import Graph
from .plan import Plan
from .project import Project
from .result import Result

T = TypeVar("T")


@frozen
class Builder:
    """A Dagger engine or a local builder, driven from outside its event loop."""

    builder: AsyncBuilder
    _portal: BlockingPortal

    def plan(self, graph: Graph) -> Plan:
        """Ask the real bases, pin them, and plan on what they answered; see :func:`dagger_aml.api.ask`."""
        return _call(self._portal, partial(api.ask, graph, self.builder))

    def build(
        self,
        graph: Graph,
        *,
        tags: Iterable[str] = (),
        push: bool = False,
        output: Path | str | None = None,
        load: bool = False,
        title: str = "",
    ) -> Result:
        """Build a graph and send it where it is asked for; see :func:`dagger_aml.build`, which raises the same."""
        work = partial(api.build, graph, self.builder, tags=tags, push=push, output=output, load=load, title=title)
        return _call(self._portal, work)


def lay_out(project: Project) -> Graph:
    """The graph that a project's recipe lays out.

    :raises ProjectError, GraphError: what the recipe's steps refuse.
    """
    with start_blocking_portal() as portal:
        return _call(portal, partial(recipe.lay_out, project))


@contextmanager
def connect(
    *, engine_timeout: float = 300.0, no_cache: bool = False, on_event: OnEvent = ignore
) -> Iterator[Builder]:
    """Connect to a Dagger engine; see :func:`dagger_aml.connect`, which raises the same.

    :param on_event: called in the event loop's thread.
    """
    from .engine import connect

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            connect(engine_timeout=engine_timeout, no_cache=no_cache, on_event=on_event)
        ) as engine,
    ):
        yield Builder(engine, portal)


@contextmanager
def local_builder(
    name: str, *, format: Format | None = None, no_cache: bool = False, on_event: OnEvent = ignore
) -> Iterator[Builder]:
    """``docker``, ``podman`` or ``buildah`` of this machine; see :func:`dagger_aml.backends.local.local_builder`.

    :raises DaggerAmlError: the program is not there.
    """
    from .backends.local import local_builder

    with start_blocking_portal() as portal:
        yield Builder(local_builder(name, format=format, no_cache=no_cache, on_event=on_event), portal)


def _call(portal: BlockingPortal, work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` in the portal's loop; when the caller is interrupted, cancel it and wait for its end."""
    future = portal.start_task_soon(work)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
