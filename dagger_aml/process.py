"""Other programs: started, read line by line, and ended together with what they started."""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process

from .data import frozen
from .errors import DaggerAmlError
from .policy import DEFAULT
from .text import pattern

_ANSI = pattern(r"\x1b\[[0-9;?]*[A-Za-z]")


def processors() -> int:
    """How many processors this process may use, which may be fewer than the machine has."""
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1  # From Python 3.13 on.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@frozen
class CompletedProcess:
    """A program that ended.

    :param out: its standard output; empty where that went elsewhere.
    :param err: its standard error; empty where that was joined to the output.
    """

    code: int
    out: str = ""
    err: str = ""


async def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    on_line: Callable[[str], None] | None = None,
    heard: Callable[[str], None] | None = None,
    stdout: BinaryIO | None = None,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
    grace_seconds: float = DEFAULT.terminate_grace_seconds,
) -> CompletedProcess:
    """Run a program to its end; when cancelled, end it and all that it started first.

    :param on_line: takes each line of output and error as it comes, without colours; then ``Done`` has neither.
    :param heard: told each such line as it comes; ``Done`` has them all the same.
    :param stdout: an open file that takes the output instead.
    :param env: set on top of this process's environment; None takes a variable out of it.
    :param grace_seconds: that it has to end after SIGTERM.
    :raises DaggerAmlError: it cannot be started.
    """
    try:
        process = await anyio.open_process(
            list(argv),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.STDOUT if on_line else subprocess.PIPE,
            env={name: value for name, value in {**os.environ, **(env or {})}.items() if value is not None},
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise DaggerAmlError(f"{argv[0]} cannot be started ({error.strerror})") from None
    out: list[str] = []
    err: list[str] = []
    try:
        if on_line and process.stdout:
            await _read(process.stdout, on_line)
        else:
            await _talk(process, stdin, out, err, heard)
        code = await process.wait()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _end(process, grace_seconds)
        raise
    return CompletedProcess(code, "\n".join(out), "\n".join(err))


async def _talk(
    process: Process, stdin: str, out: list[str], err: list[str], heard: Callable[[str], None] | None
) -> None:
    def kept(lines: list[str]) -> Callable[[str], None]:
        def keep(line: str) -> None:
            lines.append(line)
            if heard:
                heard(line)

        return keep

    async with anyio.create_task_group() as tasks:
        if process.stdin:
            tasks.start_soon(_feed, process.stdin, stdin)
        if process.stdout:
            tasks.start_soon(_read, process.stdout, kept(out))
        if process.stderr:
            tasks.start_soon(_read, process.stderr, kept(err))


async def _feed(stream: ByteSendStream, text: str) -> None:
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await stream.send(text.encode())
        await stream.aclose()


async def _read(stream: ByteReceiveStream, on_line: Callable[[str], None]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    async for chunk in stream:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in lines:
            on_line(_plain(line))
    if rest:
        on_line(_plain(rest))


def _plain(line: str) -> str:
    """The line as it looks in the end: without colours, and of a redrawn line only its last state."""
    parts = [part for part in _ANSI.sub("", line).split("\r") if part]
    return parts[-1] if parts else ""


async def _end(process: Process, grace_seconds: float) -> None:
    started = _descendants(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    with anyio.move_on_after(grace_seconds):
        await process.wait()
    for pid, birth in started:
        if _birth(pid) == birth:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with anyio.move_on_after(grace_seconds):
        await process.aclose()


def _descendants(pid: int) -> list[tuple[int, str]]:
    """Numbers and birth times of what a process started, where there is a ``/proc``.

    podman leaves the command of a RUN alone when it is ended, and that command has a session of its own.
    """
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            children.setdefault(int(_stat(int(folder.name))[1]), []).append(int(folder.name))
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.append((child, _birth(child)))
            queue.append(child)
    return found


def _birth(pid: int) -> str:
    try:
        return _stat(pid)[19]
    except (OSError, IndexError):
        return ""


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
