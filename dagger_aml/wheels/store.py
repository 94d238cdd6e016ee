"""Makes the trees of wheels: looks into the cache, fetches, unpacks, compiles, and lays together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from anyio import CapacityLimiter, from_thread, to_thread
from anyio.abc import TaskGroup

from ..data import define, frozen
from ..errors import BuildError, DaggerAmlError, ProjectError, UsageError, first_of
from ..events import Message, OnEvent, Transferred
from ..fs.digest import digest
from ..graph.access import Access
from ..graph.wheel_files import Wheel
from ..graph.wheels import Wheels
from ..policy import Policy, retry
from ..process import processors, run
from ..tasks import looking
from ..text import human_size, named
from .archive import Contents
from .cache import Tree, WheelCache, file_sha256
from .fetch import Fetcher
from .manifest import TreeFile
from .paths import check_paths
from .unpack import compile_argv, compiled, finish, lay_together, opened, tree_key, unpack

_AT_ONCE = 4
"""Wheels that are fetched or unpacked at the same time."""


@define
class _Told:
    """Tells how much of a wheel has been fetched, of one that takes longer than a moment; of a hundred small ones it
    would be a hundred lines.

    :param place: where it is written.
    """

    wheel: Wheel
    on_event: OnEvent
    place: Path | None = None
    _seen: int = 0

    def look(self) -> None:
        """Tell what has come since the last time."""
        size = 0
        with contextlib.suppress(OSError):
            size = self.place.stat().st_size if self.place else 0
        total = self.wheel.file.size
        if size <= self._seen or (total and size >= total):
            return  # Of the whole it is told once its digest is right.
        if not self._seen:
            self._tell(0, total)
        self._seen = size
        self._tell(size, total)

    def ended(self, path: Path) -> None:
        """Tell that it is there."""
        if self._seen:
            size = path.stat().st_size
            self._tell(size, size)

    def _tell(self, done: int, total: int | None) -> None:
        self.on_event(Transferred("fetched", self.wheel.file.filename, done, total))


@frozen
class TreeStore:
    """What makes trees.

    :param fetch: whether the network may be used.
    """

    cache: WheelCache
    access: Access
    fetch: bool
    on_event: OnEvent
    policy: Policy

    async def trees(self, sources: Sequence[Wheels]) -> Mapping[Wheels, Tree]:
        """A tree of each."""
        made: dict[Wheels, Tree] = {}
        single: dict[str, tuple[Wheel, Wheels]] = {}
        for source in sources:
            found = await to_thread.run_sync(self.cache.tree, _key(source))
            if found:
                made[source] = found
            else:
                single.update({tree_key(each, bytecode=source.bytecode): (each, source) for each in source.wheels})
        trees = await self._single(single)
        for source in sources:
            if source not in made:
                parts = [trees[tree_key(each, bytecode=source.bytecode)] for each in source.wheels]
                made[source] = parts[0] if len(parts) == 1 else await self._together(source, parts)
        return made

    async def _single(self, wanted: Mapping[str, tuple[Wheel, Wheels]]) -> Mapping[str, Tree]:
        made: dict[str, Tree] = {}
        missing: dict[str, tuple[Wheel, Wheels]] = {}
        for key, (wheel, source) in wanted.items():
            found = await to_thread.run_sync(self.cache.tree, key)
            if found:
                made[key] = found
            else:
                missing[key] = (wheel, source)
        archives = await self._archives([wheel for wheel, _ in missing.values()])
        if missing:
            compiled_too = any(source.bytecode for _, source in missing.values())
            self.on_event(
                Message(f"unpacking {_wheels(len(missing))}{', and compiling their modules' if compiled_too else ''}")
            )
        limit, compilers = CapacityLimiter(_AT_ONCE), CapacityLimiter(processors())

        async def one(key: str, wheel: Wheel, source: Wheels) -> None:
            async with limit:
                made[key] = await self._unpacked(archives[wheel.file.sha256], wheel, source, key, compilers)

        await _all([partial(one, key, *each) for key, each in missing.items()])
        return made

    async def _archives(self, wheels: Sequence[Wheel]) -> Mapping[str, Path]:
        """The file of each wheel, its digest compared."""
        found: dict[str, Path] = {}
        missing: dict[str, Wheel] = {}
        for wheel in wheels:
            path = await to_thread.run_sync(self._here, wheel)
            if path:
                found[wheel.file.sha256] = path
            else:
                missing[wheel.file.sha256] = wheel
        if not missing:
            return found
        if not self.fetch:
            raise _not_cached(list(missing.values()))
        size = sum(each.file.size or 0 for each in missing.values())
        self.on_event(Message(f"fetching {_wheels(len(missing))}{f', {human_size(size)}' if size else ''}"))
        fetcher = await to_thread.run_sync(Fetcher, self.access, self.policy, from_thread.check_cancelled)
        limit = CapacityLimiter(_AT_ONCE)

        async def one(wheel: Wheel) -> None:
            told = _Told(wheel, self.on_event)
            async with limit, looking(told.look):
                path = await retry(
                    lambda: to_thread.run_sync(self._fetched, fetcher, wheel, told, abandon_on_cancel=True),
                    self.on_event,
                    self.policy,
                )
            told.ended(path)
            found[wheel.file.sha256] = path

        await _all([partial(one, each) for each in missing.values()])
        return found

    def _here(self, wheel: Wheel) -> Path | None:
        """A wheel of the cache or of the project."""
        if not wheel.file.path:
            return self.cache.wheel(wheel.file.sha256)
        path = Path(wheel.file.path)
        try:
            is_now = file_sha256(path)
        except OSError as error:
            raise ProjectError(f"cannot be read ({error.strerror})", location=str(path)) from None
        if is_now != wheel.file.sha256:
            raise ProjectError(
                f"has another SHA-256 than the lock says: {is_now}", location=str(path), hint="Lock again."
            )
        return path

    def _fetched(self, fetcher: Fetcher, wheel: Wheel, told: _Told) -> Path:
        with self.cache.work() as work:
            told.place = work / "wheel"
            fetcher.fetch(wheel, work / "wheel")
            return self.cache.keep_wheel(work / "wheel", wheel.file.sha256)

    async def _unpacked(
        self, archive: Path, wheel: Wheel, source: Wheels, key: str, compilers: CapacityLimiter
    ) -> Tree:
        """The tree of one wheel; its modules are compiled while others of it are unpacked."""
        with self.cache.work() as work:
            root, files = work / "tree", list[TreeFile]()
            root.mkdir()

            async def compile_(part: tuple[str, ...]) -> None:
                await _compiled(wheel, root, part, compilers)
                files.extend(await to_thread.run_sync(compiled, root, part))

            def unpack_(tasks: TaskGroup) -> Contents:
                def begin(part: tuple[str, ...]) -> None:
                    if source.bytecode:
                        from_thread.run_sync(tasks.start_soon, compile_, part)

                with opened(archive, wheel, source.lock) as (members, contents):
                    files.extend(unpack(members, contents, root, wheel.file.filename, source.lock, begin))
                    return contents

            try:
                async with anyio.create_task_group() as tasks:
                    contents = await to_thread.run_sync(unpack_, tasks)
            except ExceptionGroup as group:
                # The latter is the cache's to tell of, such as a full disk.
                raise first_of(group, DaggerAmlError) or first_of(group, OSError) or group from None
            manifest = await to_thread.run_sync(finish, work, contents, files)
            return await to_thread.run_sync(self.cache.keep_tree, work, key, manifest)

    async def _together(self, source: Wheels, trees: Sequence[Tree]) -> Tree:
        check_paths([each.manifest for each in trees])

        def make() -> Tree:
            with self.cache.work() as work:
                manifest = lay_together([(each.path, each.manifest) for each in trees], work)
                return self.cache.keep_tree(work, _key(source), manifest)

        return await to_thread.run_sync(make)


def _wheels(number: int) -> str:
    return f"{number} wheel{'s' if number != 1 else ''}"


def _key(source: Wheels) -> str:
    """What the tree of a source is kept by."""
    first = tree_key(source.wheels[0], bytecode=source.bytecode)
    if len(source.wheels) == 1:
        return first
    # Its own digest does not tell by which release of Python the modules were compiled.
    return f"{digest(source).removeprefix('sha256:')}{first.partition(source.wheels[0].file.sha256)[2]}"


async def _compiled(wheel: Wheel, tree: Path, paths: Sequence[str], compilers: CapacityLimiter) -> None:
    """Compile some modules of an unpacked wheel.

    :param compilers: how many processes do so at the same time.
    """
    async with compilers:
        done = await run(compile_argv(tree), stdin="\0".join(paths))
    if done.code:
        text = f"the modules of {wheel.file.filename} cannot be compiled"
        raise BuildError(text, output=f"{done.out}\n{done.err}")


async def _all(calls: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Wait for several at once; the first error that one of them raises ends the others."""
    try:
        async with anyio.create_task_group() as tasks:
            for call in calls:
                tasks.start_soon(call)
    except ExceptionGroup as group:
        raise first_of(group, DaggerAmlError) or group from None


def _not_cached(wheels: Sequence[Wheel]) -> UsageError:
    more = len(wheels) - 1
    others = f" and {more} other wheel{'s' if more > 1 else ''}" if more else ""
    return UsageError(
        f"{wheels[0].file.filename}{others} must be fetched first, and this command uses no network",
        hint=f"Add {named('pin')}, which fetches them, or run `dagger-aml build` once.",
    )
