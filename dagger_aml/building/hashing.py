"""Files hashed beside other work, so that their digests are there when they are asked for."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Sequence

from ..errors import DaggerAmlError
from ..fs.stamps import local_files
from ..graph.graph import Graph
from ..oci.file_digests import FileDigests

_THREADS = 2
"""That hash: on two cores, one of which plans, more gain nothing."""


class Hashing:
    """Threads that hash what graphs take; they end with the process, whatever they read."""

    def __init__(self, digests: FileDigests) -> None:
        self.digests = digests
        self._waiting: queue.SimpleQueue[Graph | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_THREADS)]
        for each in self._threads:
            each.start()

    def add(self, graphs: Sequence[Graph]) -> None:
        """Hash the files of graphs at some time; what goes wrong is told to who asks for their digests."""
        for each in graphs:
            self._waiting.put(each)

    def end(self) -> None:
        """Wait until everything is hashed."""
        for _ in self._threads:
            self._waiting.put(None)
        for each in self._threads:
            each.join()

    def _work(self) -> None:
        while (graph := self._waiting.get()) is not None:
            for path in local_files(graph.layers):
                with contextlib.suppress(DaggerAmlError, OSError):
                    self.digests.get(path)
