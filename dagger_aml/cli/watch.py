"""``--watch`` of ``run``: what somebody saves is served, in the server that runs."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import anyio
from attrs import field

from .. import contract
from ..base import catalog
from ..building.graphs import lay_out_first
from ..check.values import is_true
from ..data import define
from ..errors import DaggerAmlError, UsageError
from ..graph.graph import Graph
from ..pysource.versions import version_of
from ..serving.changes import Changes, CodeFile, State, changes, state_of, unsound
from ..serving.local import GUNICORN_ARGS
from ..serving.places import Locate, located
from ..serving.poll import Poll
from ..text import named
from .console import tell
from .target import Target

if TYPE_CHECKING:
    from ..serving.endpoint import Endpoint

_TOLD = 5
"""Files that are named."""

_EMPTY = 0.5
"""Seconds in which a file that was emptied is written to, if somebody just saves it."""


@define(eq=False)
class Watching:
    """A project that is served and looked at.

    :param command: that makes and serves it anew.
    :param read: gives the project's graph as it lies there now.
    :param ready_timeout: seconds in which the new code must answer.
    :param noticed: when the latest change was.
    """

    target: Target
    command: str
    read: Callable[[], Awaitable[Graph]]
    ready_timeout: float
    graph: Graph
    before: State
    served: Mapping[str, CodeFile]
    poll: Poll
    noticed: float = math.nan
    _others: tuple[str, ...] = ()
    _ever: set[str] = field(factory=set)

    @property
    def locate(self) -> Locate:
        """What knows where files of the image are on this machine."""
        return located(self.graph.layers)

    async def next(self) -> Changes:
        """Wait until somebody saves code that can be served; what cannot be is told."""
        while True:
            await self.poll.changed()
            self.noticed = time.monotonic()
            try:
                self.graph = await self.read()
                now = state_of(self.graph)
                emptied = any(self._is_emptied(each) for each in now.code.values())
                if emptied and await self.poll.changes_within(_EMPTY):
                    continue
            except OSError:
                continue  # It has gone while it was looked at, which is another change.
            except DaggerAmlError as error:
                tell(f"not served, since it cannot work: {error}")
                continue
            self.poll.follow(self.graph)
            found = changes(self.before, self.served, now)
            self._tell_others(found.others)
            if wrong := unsound(found, version_of(catalog.python(self.graph.base) if self.graph.base else None)):
                tell(f"not served, since it cannot be loaded: {wrong}")
            elif found.put or found.removed:
                return found

    def taken(self, given: Changes) -> None:
        """Note what is there now."""
        there = {path: each for path, each in self.served.items() if path not in given.removed}
        self.served = {**there, **{each.path: each for each in given.put}}
        self._ever.update(each.path for each in given.put)

    def all_since(self) -> Changes:
        """What has changed since the image was made, files that came and went again too."""
        ever = {**dict.fromkeys(self._ever), **self.before.code}
        return changes(self.before, ever, State(self.served, self.before.others))

    def _is_emptied(self, each: CodeFile) -> bool:
        """Whether a file has nothing in it any more, as one has for a moment that is written in its place."""
        before = self.served.get(each.path)
        return each.type == "file" and not each.data and not each.large and bool(before and before.data)

    def _tell_others(self, others: tuple[str, ...]) -> None:
        if others and others != self._others:
            tell(f"changed, and not served: {', '.join(others)}; stop with Ctrl-C and make it anew: {self.command}")
        self._others = others


def watching(target: Target, command: str, given: dict[str, Any], folder: str, ready_timeout: float) -> Watching:
    """What is watched of a project, as it lies there now.

    :param given: the flags of the call.
    """
    from .common import project_of

    assert target.project and target.graph

    async def read() -> Graph:
        return await lay_out_first(project_of(folder, given))

    now = state_of(target.graph)
    poll = Poll(target.project.root, target.graph)
    return Watching(target, command, read, ready_timeout, target.graph, now, now.code, poll)


def check_watch(target: Target, *, local: bool, containers: bool, others: Mapping[str, bool]) -> None:
    """Refuse what cannot be watched.

    :param containers: whether what serves it is a container of this machine.
    :param others: flags that go with it badly, and whether they are given.
    :raises UsageError: one of them is, or there is no project, or nothing that could be given new code.
    """
    if not target.project or not target.graph:
        raise UsageError("--watch works only with a project", location="--watch", hint="Name a project's folder.")
    for flag, is_said in others.items():
        if is_said:
            raise UsageError(f"--watch does not work with {flag}", location=flag, hint="Remove one of them.")
    if not local and not containers:
        raise UsageError(
            "a Dagger engine cannot give what it serves new code",
            location="--watch",
            hint="Add --local, --with docker or --with podman.",
        )
    if not local:
        check_loads_anew({name: str(value) for name, value in target.graph.config.env.items()})


def check_loads_anew(env: Mapping[str, str]) -> None:
    """Refuse a server that loads the code before it starts its workers: those that it starts later have it of then.

    :param env: variables of the image.
    :raises UsageError: one of them asks for that.
    """
    for name, asks, without in (
        (contract.WORKER_PRELOAD, is_true, lambda _: "false"),
        (GUNICORN_ARGS, _preloads, _without_preload),
    ):
        if asks(env.get(name, "")):
            raise UsageError(
                f"with {name}={env[name]} the server loads the code once for all",
                location="--watch",
                hint=f"Add --local, or {named('env', f'{name}={without(env[name])}')}",
            )


def _preloads(args: str) -> bool:
    """Whether gunicorn, given these words, loads the code once."""
    try:
        words = shlex.split(args)
    except ValueError:
        return False  # Gunicorn does not start.
    return any(map(_is_preload, words))


def _without_preload(args: str) -> str:
    """The other words for gunicorn, split again as these were."""
    return shlex.join(word for word in shlex.split(args) if not _is_preload(word))


def _is_preload(word: str) -> bool:
    """Whether a word is the flag; gunicorn takes the beginning of a flag for the flag."""
    return len(word) >= len("--pre") and "--preload".startswith(word)


async def changed_or_ended(watch: Watching, endpoint: Endpoint) -> Changes | None:
    """Wait for code to be served; None where the server ends before."""
    found: Changes | None = None
    async with anyio.create_task_group() as tasks:

        async def look() -> None:
            nonlocal found
            found = await watch.next()
            tasks.cancel_scope.cancel()

        async def end() -> None:
            await endpoint.log.ended.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(look)
        tasks.start_soon(end)
    return found


def told(given: Changes, seconds: float) -> None:
    """Say what is served now."""
    names = [each.path for each in given.put if each.type != "dir"] + [f"{path} (removed)" for path in given.removed]
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    tell(f"served after {seconds:.1f} s: {', '.join(names[:_TOLD]) or 'a folder'}{more}")


Life = Callable[[bool], AbstractAsyncContextManager["Endpoint"]]
"""Starts a server, waits until it answers, and ends it with the block. Told whether it is the first."""

Give = Callable[["Endpoint", Changes], Awaitable[None]]
"""Gives a server that runs what has changed, and waits until that answers."""


async def keep_serving(
    watch: Watching,
    life: Life,
    give: Give | None,
    on_ready: Callable[[Endpoint], None],
    why: Callable[[Endpoint], str],
) -> None:
    """Serve until somebody ends it. A server that does not bear the new code is told of, and starts again with what
    is saved next.

    :param give: gives a server that runs new code; None where it is started anew each time.
    :param on_ready: told of the first that answers. :param why: why one has ended.
    :raises StartFailed: the first does not answer.
    """
    waiting: Changes | None = None
    first = True
    while True:
        try:
            async with life(first) as endpoint:
                if first:
                    first = False
                    on_ready(endpoint)
                if waiting:
                    told(waiting, time.monotonic() - watch.noticed)
                waiting = await _until_anew(watch, endpoint, give)
                if waiting is None:
                    tell(f"the server ended: {why(endpoint)}")
        except DaggerAmlError as error:
            if first:
                raise
            tell(f"not served: {error}")
            waiting = None
        if waiting is None:
            tell("save the code again to start the server")
            waiting = await watch.next()
            watch.taken(waiting)


async def _until_anew(watch: Watching, endpoint: Endpoint, give: Give | None) -> Changes | None:
    """Give a server what is saved as long as it bears that; what it is to start anew for, or None where it ended.

    :raises DaggerAmlError: it does not bear it.
    """
    while found := await changed_or_ended(watch, endpoint):
        watch.taken(found)
        if give is None:
            return found
        await give(endpoint, found)
        told(found, time.monotonic() - watch.noticed)
    return None
