"""How many bytes have moved, where somebody else moves them: read off the files themselves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from attrs import field

from ..data import define
from ..events import OnEvent, Transferred
from ..tasks import looking


@contextlib.asynccontextmanager
async def growing(file: Path, name: str, on_event: OnEvent) -> AsyncIterator[None]:
    """Tell how large a file that somebody writes is: when the block begins, while it runs, when it has ended well.

    :param name: what the events call it.
    """
    seen = 0

    def look() -> None:
        nonlocal seen
        with contextlib.suppress(OSError):
            size = file.stat().st_size
            if size > seen:
                seen = size
                on_event(Transferred("written", name, size))

    on_event(Transferred("written", name, 0))
    async with looking(look):
        yield
    look()
    on_event(Transferred("written", name, seen, seen))


@define
class ReadPosition:
    """How far a process has read the files at a path, by its open files' positions; on Linux alone.

    Files that are read between two looks are missed, so what is told is what has been sent at least.

    :param pid: the process, this user's own.
    :param total: bytes at the path.
    """

    pid: int
    path: str
    name: str
    total: int
    _positions: dict[str, int] = field(factory=dict, init=False)
    _told: int = field(default=0, init=False)

    def look(self) -> Transferred | None:
        """What has been read so far, if that is more than the last time."""
        root = os.path.realpath(self.path)
        with contextlib.suppress(OSError):
            for opened in Path(f"/proc/{self.pid}/fd").iterdir():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    file = str(opened.readlink())
                    if file == root or file.startswith(root.rstrip("/") + "/"):
                        position = int(Path(f"/proc/{self.pid}/fdinfo/{opened.name}").read_text().split()[1])
                        self._positions[file] = max(position, self._positions.get(file, 0))
        done = min(sum(self._positions.values()), self.total)
        if done <= self._told:
            return None
        self._told = done
        return Transferred("sent", self.name, done, self.total)
