"""The command line in a process, and so a session, of its own."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

from attrs import define

from tests.support import loaded

TO_A_PROGRAM = re.compile(rb"\b(?:Options|build|serve)\(\w+=.*|\bopen_builder\(.*|\bprobe\(graph.*")
"""How a message names a setting to a program, which no command says (dagger_aml/text.py)."""


def argv(*words: object) -> list[str]:
    """The command line with its words, as a new Python runs it."""
    return [sys.executable, "-m", "dagger_aml", *map(str, words)]


def run(
    *words: object, env: Mapping[str, object] | None = None, cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with nothing on its standard input.

    :param env: variables besides this process's own.
    :param timeout: seconds.
    :raises subprocess.TimeoutExpired: it took longer, and was killed.
    """
    done = run_bytes(*words, env=env, cwd=cwd, timeout=timeout)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_bytes(
    *words: object, env: Mapping[str, object] | None = None, cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """As :func:`run`, and what it printed is bytes.

    Its process is forked from one that has loaded everything: of hundreds of calls each would spend a second on that.
    """
    with started(*words, env=env, cwd=cwd) as made:
        try:
            code = made.wait(timeout)
        except TimeoutError:
            made.signal(signal.SIGKILL)
            made.wait()
            raise subprocess.TimeoutExpired(made.words, timeout or 0, _read(made.out), _read(made.err)) from None
        return _as_typed(subprocess.CompletedProcess(made.words, code, _read(made.out), _read(made.err)))


def _as_typed(done: subprocess.CompletedProcess[bytes]) -> subprocess.CompletedProcess[bytes]:
    """The call, none of whose messages speaks to a program: somebody types flags here (dagger_aml/text.py)."""
    said = TO_A_PROGRAM.search(done.stdout + done.stderr)
    assert said is None, f"{done.args}: {said[0].decode()}"
    return done


class _Written(io.RawIOBase):
    """Keeps what is written, as the file does behind a standard stream."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)

    def stream(self, *, lines: bool) -> io.TextIOWrapper:
        """A stream that writes here as a process's own does: what is printed comes when it is full, or at its end.

        :param lines: after each line, as standard error does.
        """
        return io.TextIOWrapper(io.BufferedWriter(self), encoding="utf-8", line_buffering=lines)


def run_here(
    *words: object, env: Mapping[str, object] | None = None, cwd: Path | None = None, in_one: bool = False
) -> subprocess.CompletedProcess[str]:
    """As :func:`run`, in this process: a sixth of the time, where nothing is asked of the process itself.

    :param env: variables besides this process's own.
    :param in_one: what is told goes where it prints, as by ``2>&1``.
    """
    from dagger_aml.cli import main

    said = list(map(str, words))
    taken = [_Written(), _Written()]
    out, err = taken[0].stream(lines=False), taken[not in_one].stream(lines=True)
    handler, code = signal.getsignal(signal.SIGTERM), 0
    try:
        with (
            patch.object(sys, "argv", ["dagger-aml", *said]),
            patch.dict(os.environ, {name: str(value) for name, value in (env or {}).items()}),
            contextlib.chdir(cwd or "."),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        signal.signal(signal.SIGTERM, handler)
    for each in (out, err):
        each.flush()
    done = _as_typed(subprocess.CompletedProcess(said, code, *(bytes(each.data) for each in taken)))
    return subprocess.CompletedProcess(said, code, done.stdout.decode(), done.stderr.decode())


@define
class Started:
    """A call of the command line that goes on, in a process of its own.

    :param out: gets what it prints.
    """

    words: list[str]
    out: IO[bytes]
    err: IO[bytes]
    _connection: socket.socket

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._connection.sendall(bytes([number]))

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, that of a signal below zero.

        :param timeout: seconds.
        :raises TimeoutError: it goes on.
        :raises EOFError: nobody can tell how it ended.
        """
        self._connection.settimeout(timeout)
        try:
            status = self._connection.recv(4)
        finally:
            self._connection.settimeout(None)
        if not status:
            raise EOFError("what it was forked of has ended")
        return os.waitstatus_to_exitcode(int.from_bytes(status, "big"))

    def printed(self) -> str:
        """What it has printed on standard error so far."""
        return _read(self.err).decode()


@contextlib.contextmanager
def started(*words: object, env: Mapping[str, object] | None = None, cwd: Path | None = None) -> Iterator[Started]:
    """Start it with nothing on its standard input; it ends with the block."""
    said = list(map(str, words))
    told = {**os.environb, **{os.fsencode(name): os.fsencode(str(value)) for name, value in (env or {}).items()}}
    umask = os.umask(0o022)
    os.umask(umask)
    asked = loaded.Asked(list(map(os.fsencode, said)), told, [0, 1, 2, loaded.CWD], umask, False)
    with (
        open(os.devnull, "rb") as nothing,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        connection.connect(address())
        folder = os.open(cwd or ".", os.O_RDONLY)
        try:
            loaded.send(connection, asked, [nothing.fileno(), out.fileno(), err.fileno(), folder])
        finally:
            os.close(folder)
        yield Started(said, out, err, connection)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def printed(*words: object, here: bool = False) -> str:
    """What it prints on standard output; it must go well.

    :param here: in this process.
    """
    done = (run_here if here else run)(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def shared_program() -> Path:
    """A :func:`program` for whoever needs no other bases."""
    return program(Path(address()).parent / "dagger-aml")


AT = "TESTS_LOADED_AT"
"""The variable that tells workers of pytest-xdist where the process that started them listens."""


@functools.cache
def address(*, engine: bool = True) -> str:
    """Where is listened for whoever wants a process; the one that they are forked of starts when the first asks.

    :param engine: whether it then loads the engine's SDK too. Where it is listened already, this says nothing.
    """
    if there := os.environ.get(AT):
        return there
    folder = tempfile.mkdtemp(prefix="dagger-aml-loaded-")
    path = os.environ[AT] = f"{folder}/socket"
    reading, writing = os.pipe()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(64)

    told = [listening.fileno(), reading, *(["engine"] if engine else [])]

    def serve() -> None:
        with listening:
            if listening in select.select([listening, reading], [], [])[0]:
                subprocess.run(
                    [sys.executable, "-m", "tests.support.loaded", *map(str, told)],
                    check=False,
                    pass_fds=(listening.fileno(), reading),
                    stdin=subprocess.DEVNULL,
                    cwd=Path(__file__).parents[2],
                )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def end() -> None:
        os.close(writing)
        thread.join()
        os.close(reading)
        shutil.rmtree(folder)

    atexit.register(end)
    return path


_CLIENT = """\
#!{python} -IS
import _signal, _socket, marshal, posix, sys
words = sys.argv[1:]
bases = {bases}
for index, word in enumerate(words):
    if index and words[index - 1] == "--base":
        words[index] = bases.get(word, word)
files = []
for number in (0, 1, 2):
    try:
        posix.fstat(number)
    except OSError:
        continue
    files.append(number)
handles = [*files, posix.open(".", posix.O_RDONLY)]
files.append({cwd})
umask = posix.umask(0)
ignores = _signal.getsignal(_signal.SIGINT) == _signal.SIG_IGN
words = [word.encode("utf-8", "surrogateescape") for word in words]
asked = marshal.dumps((words, posix.environ, files, umask, ignores))
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect({address!r})
sent = b"".join(number.to_bytes(4, sys.byteorder) for number in handles)
connection.sendmsg([len(asked).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, sent)])
connection.sendall(asked)
def hand_on(number, frame):
    connection.sendall(bytes([number]))
for number in (_signal.SIGTERM, *(() if ignores else (_signal.SIGINT,))):
    _signal.signal(number, hand_on)
answer = connection.recv(4)
status = posix.waitstatus_to_exitcode(int.from_bytes(answer, "big")) if answer else 70
if status < 0:
    _signal.signal(-status, _signal.SIG_DFL)
    posix.kill(posix.getpid(), -status)
posix._exit(status)
"""


def program(path: Path, bases: Mapping[str, str] | None = None, python: str = sys.executable) -> Path:
    """Write a ``dagger-aml`` that shells can call: its process, too, is forked from one that has loaded everything.

    :param bases: what it takes in place of these names after ``--base``.
    :param python: any that whoever calls can start; it only asks for the process.
    """
    text = _CLIENT.format(python=python, bases=dict(bases or {}), cwd=loaded.CWD, address=address())
    # Whole at once: another worker may be calling the one that is there.
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o755)
    return new.replace(path)
