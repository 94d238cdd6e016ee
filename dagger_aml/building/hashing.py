"""Files hashed beside other work, so that their digests are there when they are asked for."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable

import anyio

from ..errors import DaggerAmlError
from ..oci.file_digests import FileDigests

_THREADS = 2
"""That hash: on two cores, one of which plans, more gain nothing."""

_PAUSE_SECONDS = 0.005


class Hashing:
    """Threads that hash files; they end with the process, whatever they read."""

    def __init__(self, digests: FileDigests) -> None:
        self.digests = digests
        self._waiting: queue.SimpleQueue[Iterable[str] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_THREADS)]
        for each in self._threads:
            each.start()

    def add(self, paths: Iterable[str]) -> None:
        """Hash files at some time; what goes wrong is told to who asks for their digests."""
        self._waiting.put(paths)

    def end(self) -> None:
        """Wait until everything is hashed."""
        self._add_no_more()
        for each in self._threads:
            each.join()

    async def ended(self) -> None:
        """The same, where an event loop runs; a cancel ends the wait, whatever is being read."""
        self._add_no_more()
        while any(each.is_alive() for each in self._threads):  # noqa: ASYNC110 - threads that nobody waits for at the end
            await anyio.sleep(_PAUSE_SECONDS)

    def _add_no_more(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        while (paths := self._waiting.get()) is not None:
            for path in paths:
                with contextlib.suppress(DaggerAmlError, OSError):
                    self.digests.get(path)
