"""Parts of a work that this process and forks of it take one after the other, until none is left.

The part that is next is a number in a pipe, from which all of them read; each fork has a pipe of its own for what it
made. So nothing has to be loaded, as of :mod:`multiprocessing`, and this process works too while the others do.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Generic, NoReturn, TypeVar

from attrs import field

from ..data import define, frozen

_Part = TypeVar("_Part")
_Made = TypeVar("_Made")

MOST_PARTS = 1000
"""Their numbers fit into any pipe, and are written at once."""

_NUMBER = 4
"""Bytes of a number, and of what a fork's pickle is as long as."""

_ROOM = 1 << 20
"""Bytes that a fork may write before they are read, where the system lets it."""


@frozen
class Work(Generic[_Part, _Made]):
    """What is done with each part.

    :param begin: what each fork does first.
    :param make: what is made of a part.
    :param pack: the same as plain data, and ``unpack`` that again, which is also given the part.
    :param beside: what this process does while the forks have begun, before it takes a part itself.
    """

    begin: Callable[[], None]
    make: Callable[[_Part], _Made]
    pack: Callable[[_Made], Any]
    unpack: Callable[[_Part, Any], _Made]
    beside: Callable[[], None] = lambda: None


@define
class _Fork:
    """A fork, and the end of its pipe from which is read.

    :param came: what was read of it and is not taken yet.
    """

    process: int
    pipe: int
    came: bytearray = field(factory=bytearray)
    is_done: bool = False

    def made(self, *, wait: bool) -> Iterator[tuple[int, Any]]:
        """What it made since: numbers of parts, and what came of them.

        :param wait: until it has ended, and so has made all.
        """
        os.set_blocking(self.pipe, wait)
        while not self.is_done:
            try:
                data = os.read(self.pipe, _ROOM)
            except BlockingIOError:
                break
            self.is_done = not data
            self.came += data
            yield from self._taken()

    def _taken(self) -> Iterator[tuple[int, Any]]:
        while len(self.came) >= _NUMBER:
            end = _NUMBER + int.from_bytes(self.came[:_NUMBER], "little")
            if len(self.came) < end:
                return
            yield pickle.loads(self.came[_NUMBER:end])
            del self.came[:end]

    def end(self) -> None:
        """End it, if it goes on, and see that nothing of it is left."""
        os.close(self.pipe)
        if not self.is_done:
            with suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.process, 0)


def by_forks(count: int, work: Work[_Part, _Made], parts: Sequence[_Part]) -> dict[int, _Made]:
    """What comes of each part, by its number; nothing of those with which a fork was ended from outside.

    :param count: of processes, this one among them.
    :param parts: :data:`MOST_PARTS` of them at most.
    :raises OSError: no more processes, or pipes, can be had. Whatever is raised, no fork is left; nor is one where
        this process is killed.
    """
    numbers, forks, found = _numbers(len(parts)), list[_Fork](), dict[int, _Made]()
    try:
        for _ in range(1, count):
            forks.append(_forked(numbers, forks, work, parts))
        work.beside()
        while number := os.read(numbers, _NUMBER):
            at = int.from_bytes(number, "little")
            found[at] = work.make(parts[at])
            for each in forks:
                found.update((at, work.unpack(parts[at], made)) for at, made in each.made(wait=False))
        for each in forks:
            found.update((at, work.unpack(parts[at], made)) for at, made in each.made(wait=True))
    finally:
        os.close(numbers)
        for each in forks:
            each.end()
    return found


def _numbers(count: int) -> int:
    """The end of a pipe from which the numbers of all parts are read, each once."""
    numbers, to_numbers = os.pipe()
    try:
        os.write(to_numbers, b"".join(each.to_bytes(_NUMBER, "little") for each in range(count)))
    finally:
        os.close(to_numbers)
    return numbers


def _forked(
    numbers: int,
    others: Sequence[_Fork],
    work: Work[_Part, _Made],
    parts: Sequence[_Part],
) -> _Fork:
    made, to_made = os.pipe()
    try:
        _widen(to_made)
        process = os.fork()
    except OSError:
        os.close(made)
        os.close(to_made)
        raise
    if not process:
        _work(numbers, to_made, [made, *(each.pipe for each in others)], work, parts)
    os.close(to_made)
    return _Fork(process, made)


def _work(
    numbers: int,
    to_made: int,
    others: Sequence[int],
    work: Work[_Part, _Made],
    parts: Sequence[_Part],
) -> NoReturn:
    """What a fork does: it ends here, whatever happens, and nothing of what its parent was about is done twice."""
    try:
        work.begin()
        for each in others:
            os.close(each)
        threading.Thread(target=_end_with_reader, args=(to_made,), daemon=True).start()
        while number := os.read(numbers, _NUMBER):
            at = int.from_bytes(number, "little")
            data = pickle.dumps((at, work.pack(work.make(parts[at]))), pickle.HIGHEST_PROTOCOL)
            left = memoryview(len(data).to_bytes(_NUMBER, "little") + data)
            while left:
                left = left[os.write(to_made, left) :]
    finally:
        os._exit(0)


def _end_with_reader(pipe: int) -> None:
    """End this process with the one that reads what it writes, however that ends."""
    from select import poll

    waiting = poll()
    waiting.register(pipe, 0)  # That nobody reads any more is told whatever is asked for.
    waiting.poll()
    os._exit(1)


def _widen(pipe: int) -> None:
    import fcntl

    with suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _ROOM)
