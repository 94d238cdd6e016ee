"""Many Python files read at once, by processes of their own, before somebody asks for each of them.

Only where :func:`reading_ahead` says so, and never for few files: to start processes takes as long as to read some
hundred files. What cannot be done so, is done as without: where there is one processor, no ``fork`` or no
semaphores, as in some sandboxes.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ..data import frozen
from .pythons import Python
from .source import Source, read_quietly

LEAST = 500
"""Files that wait to be read, below which no process is started."""

_AT_ONCE = 50
"""Files that a process is given at a time."""

_MOST = 8
"""Processes, unless more are asked for: the one that gathers what they read has then no more to give."""

Read = dict[Path, Source | None]
"""Files that were read; None for one that cannot be."""


@frozen
class _Jobs:
    """How files are read ahead.

    :param count: of processes; None for as many as there are processors.
    :param begin: what each of them does first.
    """

    count: int | None
    begin: Callable[[], None]


_JOBS: ContextVar[_Jobs | None] = ContextVar("_JOBS", default=None)


@contextmanager
def reading_ahead(jobs: int | None, begin: Callable[[], None]) -> Iterator[None]:
    """Let what is read in this block be read by several processes.

    :param jobs: how many; as many as there are processors unless given. One starts none.
    :param begin: what each process does first, such as to leave it to signals what they do.
    """
    token = _JOBS.set(_Jobs(jobs, begin))
    try:
        yield
    finally:
        _JOBS.reset(token)


def read_each(paths: Sequence[Path], python: Python | None) -> Read:
    """Read files by several processes; nothing where that is not said, or cannot be done.

    An interrupt ends the processes too, and none of them is left behind whatever is raised, or if this one is killed.

    :param python: the version that is to run them; ours unless given.
    """
    said = _JOBS.get()
    if said is None or len(paths) < LEAST or not _may_fork():
        return {}
    jobs = said.count or min(len(os.sched_getaffinity(0)), _MOST)
    if jobs < 2:
        return {}
    try:
        return _read_by(jobs, said.begin, paths, python)
    except (ImportError, NotImplementedError, OSError):
        return {}  # Such as without /dev/shm, or with no process left to be had.


def _may_fork() -> bool:
    """Threads of ours do not live on in a forked process, and may hold what it waits for."""
    return sys.platform == "linux" and threading.active_count() == 1


def _read_by(jobs: int, begin: Callable[[], None], paths: Sequence[Path], python: Python | None) -> Read:
    # Loaded here: it takes as long as to read a hundred files.
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    parts = [paths[begin : begin + _AT_ONCE] for begin in range(0, len(paths), _AT_ONCE)]
    found: Read = {}
    # By fork, so that nothing is loaded again.
    reading, writing = os.pipe()
    pool = ProcessPoolExecutor(jobs, get_context("fork"), _begin, (begin, reading, writing))
    try:
        for part, sources in zip(parts, pool.map(_read_some, parts, [python] * len(parts)), strict=True):
            found.update(zip(part, sources, strict=True))
    except BrokenProcessPool:  # One was ended from outside: what it had is read here.
        pass
    finally:
        pool.shutdown(cancel_futures=True)
        os.close(reading)
        os.close(writing)
    return found


def _begin(begin: Callable[[], None], reading: int, writing: int) -> None:
    """What each process does first; from then on it ends when the one that started it does, however that ends.

    :param writing: the end of a pipe that only that one keeps open.
    """
    begin()
    os.close(writing)
    threading.Thread(target=_end_with, args=(reading,), daemon=True).start()


def _end_with(reading: int) -> None:
    os.read(reading, 1)
    os._exit(1)


def _read_some(paths: Sequence[Path], python: Python | None) -> list[Source | None]:
    return [_read_whole(path, python) for path in paths]


def _read_whole(path: Path, python: Python | None) -> Source | None:
    """A file with what is asked of each, since its syntax stays in this process."""
    source = read_quietly(path, python)
    if source is not None:
        source.look_ahead()
    return source
