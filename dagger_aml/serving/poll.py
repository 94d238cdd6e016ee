"""Waiting until files of a project change, by looking at them now and then.

No library and no service of the system is needed for that: what is looked at is the code, some hundred files, whose
sizes and times take a few milliseconds. It works alike on network drives, in containers and on every system, where
notices of changes do not come or are missed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import anyio

from ..fs.stamps import local_files
from ..graph.graph import Copy, Graph
from ..graph.source import Local

PAUSE = 0.1
"""Seconds between two looks."""

_SETTLED, _MOST_PAUSES = 0.05, 20
"""Seconds for which nothing must change any more before that counts, since several files are saved one after another,
and some editors write a file by another's name; and how often that is waited for."""

_MOST_FILES = 5000
"""Of models and the like that are looked at; of more, those that come first."""

Picture = dict[str, tuple[int, ...]]


class Poll:
    """Looks at what a project is made of.

    :param root: the project's folder, in which its own files lie.
    """

    def __init__(self, root: Path, graph: Graph) -> None:
        self._root = root
        self._seen: Picture = {}
        self._folders: tuple[str, ...] = ()
        self._files: tuple[str, ...] = ()
        self.follow(graph)

    def follow(self, graph: Graph) -> None:
        """Look from now on at what this is made of. What was looked at already, and changed since, still counts."""
        self._folders = tuple(dict.fromkeys((str(self._root), *_folders(graph))))
        self._files = tuple(islice(local_files(graph.layers), _MOST_FILES))
        now = self._picture()
        self._seen = {path: self._seen[path] for path in now if path in self._seen} if self._seen else now

    async def changed(self) -> None:
        """Wait until something has changed, and then for a moment until nothing does any more."""
        now = await self._other()
        for _ in range(_MOST_PAUSES):
            await anyio.sleep(_SETTLED)
            before, now = now, self._picture()
            if now == before:
                break
        self._seen = now

    async def changes_within(self, seconds: float) -> bool:
        """Whether something changes in so many seconds; that then counts as a change still."""
        with anyio.move_on_after(seconds):
            await self._other()
            return True
        return False

    async def _other(self) -> Picture:
        """Wait until something looks otherwise; how it then looks."""
        while (now := self._picture()) == self._seen:  # noqa: ASYNC110 - nothing tells of a change
            await anyio.sleep(PAUSE)
        return now

    def _picture(self) -> Picture:
        found: Picture = {}
        for folder in self._folders:
            found.update(_names(folder))
        for file in self._files:
            if file not in found:
                found[file] = _stamp(file)
        return found


def _folders(graph: Graph) -> Iterator[str]:
    """The folders of code, in which new files may come."""
    for layer in graph.layers:
        if isinstance(layer, Copy) and isinstance(layer.source, Local) and layer.changes == "often":
            root = Path(layer.source.path)
            if not root.is_dir() or layer.source.partial:
                continue
            yield str(root)
            yield from (str(root / each.path) for each in layer.source.entries if each.type == "dir")


def _names(folder: str) -> Iterable[tuple[str, tuple[int, ...]]]:
    """What lies in a folder; of folders in it only that they are there."""
    try:
        with os.scandir(folder) as entries:
            return [(each.path, () if each.is_dir(follow_symlinks=False) else _stamp(each.path)) for each in entries]
    except OSError:
        return [(folder, (-1,))]


def _stamp(path: str) -> tuple[int, ...]:
    try:
        info = os.lstat(path)
    except OSError:
        return (-1,)
    return info.st_size, info.st_mtime_ns, info.st_ino, info.st_mode
