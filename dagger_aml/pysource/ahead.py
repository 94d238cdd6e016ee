"""Many Python files read at once, by processes of their own, before somebody asks for each of them.

Only where :func:`reading_ahead` says so, and never for few files: to start processes takes as long as to read some
hundred files. What cannot be done so, is done as without: where there is one processor, or no ``fork``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from operator import attrgetter
from typing import Any

from attrs import fields

from ..data import frozen
from .import_statements import Imported
from .model_paths import ModelPath
from .pythons import Python
from .source import Source, read_quietly
from .versions import Problem

LEAST = 500
"""Files that wait to be read, below which no process is started."""

_AT_ONCE = 16
"""Files that a process is given at a time: as long as for so many, one may wait for another in the end."""

_MOST = 8
"""Processes, unless more are asked for: the one that gathers what they read has then no more to give."""

Read = dict[str, Source | None]
"""Files that were read, by their paths; None for one that cannot be."""


@frozen
class _Jobs:
    """How files are read ahead.

    :param count: of processes; None for as many as there are processors.
    :param begin: what each of them does first.
    :param beside: what this one does while they have begun.
    """

    count: int | None
    begin: Callable[[], None]
    beside: Callable[[], None]


_JOBS: ContextVar[_Jobs | None] = ContextVar("_JOBS", default=None)


@contextmanager
def reading_ahead(
    jobs: int | None, begin: Callable[[], None], beside: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Let what is read in this block be read by several processes.

    :param jobs: how many; as many as there are processors unless given. One starts none.
    :param begin: what each process does first, such as to leave it to signals what they do.
    :param beside: what this process does while the others have begun, such as to load what it needs behind them.
        It takes fewer of the files then, so that all of them are done at the same time.
    """
    token = _JOBS.set(_Jobs(jobs, begin, beside))
    try:
        yield
    finally:
        _JOBS.reset(token)


def read_each(paths: Sequence[str], python: Python | None) -> Read:
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
        return _read_by(jobs, said, paths, python)
    except OSError:
        return {}  # Such as with no process left to be had.


def _may_fork() -> bool:
    """Threads of ours do not live on in a forked process, and may hold what it waits for."""
    return sys.platform == "linux" and threading.active_count() == 1


def _read_by(jobs: int, said: _Jobs, paths: Sequence[str], python: Python | None) -> Read:
    from .forks import MOST_PARTS, Work, by_forks

    at_once = max(_AT_ONCE, -(-len(paths) // MOST_PARTS))
    parts = [paths[at : at + at_once] for at in range(0, len(paths), at_once)]
    read, unpacked = partial(_read_some, python=python), partial(_unpacked, python=python)
    made = by_forks(jobs, Work(said.begin, read, _packed, unpacked, said.beside), parts)
    return {path: each for number, read in made.items() for path, each in zip(parts[number], read, strict=True)}


def _read_some(paths: Sequence[str], python: Python | None) -> list[Source | None]:
    """Files with what is asked of each, since their syntax stays in the process that read them."""
    found = []
    for path in paths:
        source = read_quietly(path, python)
        if source is not None:
            source.look_ahead()
            source.let_go()
        found.append(source)
    return found


_OF_IMPORT = attrgetter(*(each.name for each in fields(Imported)))


def _packed(read: list[Source | None]) -> list[tuple[Any, ...] | None]:
    """Plain data where that is much: to pickle an object takes as long as to pickle ten tuples."""
    return [
        (each.data, [*map(_OF_IMPORT, each.imports)], each.environment, each.problem, each.model_paths)
        if each
        else None
        for each in read
    ]


def _unpacked(
    paths: Sequence[str], packed: list[tuple[Any, ...] | None], python: Python | None
) -> list[Source | None]:
    return [_source(path, python, *each) if each else None for path, each in zip(paths, packed, strict=True)]


def _source(
    path: str,
    python: Python | None,
    data: bytes,
    imports: list[tuple[Any, ...]],
    environment: tuple[tuple[str, int], ...],
    problem: Problem | None,
    model_paths: tuple[ModelPath, ...],
) -> Source:
    made = Source(data, path, python, problem, tuple(Imported(*each) for each in imports))
    vars(made).update(environment=environment, model_paths=model_paths)
    return made
