"""The process of which the tests' command lines are forked (tests/support/cli.py): it has loaded everything.

What asks sends the words, the variables and the open files of a process over a Unix socket, and is told its status.
The process is of the user who asks.
"""

from __future__ import annotations

import atexit
import codecs
import contextlib
import fcntl
import gc
import importlib
import io
import marshal
import os
import pkgutil
import selectors
import signal
import socket
import struct
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import click

CWD = 3
"""The number that the current folder has among the files that are sent, beside the standard streams 0, 1 and 2."""


class Asked(NamedTuple):
    """What a process begins with.

    :param files: the numbers that the open files are to have.
    :param ignores: whether it ignores SIGINT, as a script's background commands do.
    """

    words: list[bytes]
    env: dict[bytes, bytes]
    files: list[int]
    umask: int
    ignores: bool


def send(connection: socket.socket, asked: Asked, handles: list[int]) -> None:
    """Ask for a process; the handles are of the files that it is to have."""
    data = marshal.dumps(tuple(asked))
    socket.send_fds(connection, [len(data).to_bytes(4, "big")], handles)
    connection.sendall(data)


ENGINE = "dagger_aml.backends.dagger."
"""What imports the engine's SDK, which is half of all that there is to load."""


WHERE_USED = ("anyio._backends._asyncio", "isal.igzip", "isal.igzip_lib", "isal.isal_zlib")
"""What is imported where it is first used: half as much as all that a small plan does."""


def load(*, engine: bool) -> None:
    """Import all that a command line may, and do once what each does when it first plans.

    :param engine: the engine's SDK too. A fork that has it takes a fourth longer; of the fast tests three need it.
    """
    import dagger_aml
    from tests.support.day import hold

    for each in pkgutil.walk_packages(dagger_aml.__path__, "dagger_aml."):
        if engine or not each.name.startswith(ENGINE):
            importlib.import_module(each.name)
    for name in WHERE_USED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in ("utf-8-sig", "idna", "latin-1", "utf-16"):
        codecs.lookup(name)  # Loaded when it is first used, which another user may not be able to.
    hold()
    _plan()
    gc.collect()
    gc.freeze()


def _plan() -> None:
    """Plan and check a folder, so that each fork has what is made when it is first needed, such as patterns."""
    from dagger_aml.cli.main import cli
    from dagger_aml.errors import DaggerAmlError
    from tests.support.projects import SCORE, make

    files = {
        "code/score.py": SCORE,
        "model/m": "m",
        "requirements.txt": "numpy==2.1\n",
        "dagger-aml.toml": 'name = "m"\n[env]\nA = "1"\n',
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        root, held = make(Path(folder, "p"), files), Path(folder, "plan.json")
        for words in (["plan"], ["plan", "--json"], ["plan", "--against", str(held)], ["check"], ["dockerfile"]):
            # Of the variables of this machine one may be wrong, as a test's command line will tell.
            with (
                contextlib.redirect_stdout(io.StringIO()) as said,
                contextlib.suppress(DaggerAmlError, click.ClickException, SystemExit),
            ):
                cli.main([*words, str(root)], standalone_mode=False)
            if words[-1] == "--json":
                held.write_text(said.getvalue(), encoding="utf-8")


def serve(listening: socket.socket, alive: int) -> None:
    """Fork for each that asks, until the other end of ``alive`` is closed."""
    running: dict[int, socket.socket] = {}
    rung, bell = socket.socketpair()
    bell.setblocking(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, with which this ends.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(bell.fileno())
    with selectors.DefaultSelector() as waiting:
        for each in (listening, rung, alive):
            waiting.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj == alive:
                    for pid in running:
                        os.kill(pid, signal.SIGKILL)
                    return
                if key.fileobj is listening:
                    connection = listening.accept()[0]
                    try:
                        data, handles = received(connection, 4)
                    except OSError:
                        connection.close()
                        continue
                    user = _user(connection)
                    if (pid := os.fork()) == 0:
                        signal.set_wakeup_fd(-1)
                        waiting.close()
                        for other in (listening, rung, bell, connection, *running.values()):
                            other.close()
                        os.close(alive)
                        _be_it(Asked(*data), handles, user)
                    for handle in handles:
                        os.close(handle)
                    running[pid] = connection
                    waiting.register(connection, selectors.EVENT_READ, pid)
                elif key.fileobj is rung:
                    rung.recv(1000)
                    _tell_ended(running, waiting)
                elif key.data in running:
                    # A signal to hand on; or whoever asked has gone.
                    told = running[key.data].recv(1)
                    os.kill(key.data, told[0] if told else signal.SIGKILL)
                    if not told:
                        waiting.unregister(running[key.data])


def _tell_ended(running: dict[int, socket.socket], waiting: selectors.BaseSelector) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        connection = running.pop(pid)
        with contextlib.suppress(KeyError):
            waiting.unregister(connection)
        with contextlib.suppress(OSError), connection:
            connection.sendall(status.to_bytes(4, "big"))


def received(connection: socket.socket, most: int) -> tuple[tuple[Any, ...], list[int]]:
    """What was sent as :func:`send` does, and at most so many handles.

    :raises OSError: whoever asked ended before all was sent; no handle is left open.
    """
    size, handles, *_ = socket.recv_fds(connection, 4, most)
    try:
        data, left = b"", int.from_bytes(size, "big") if size else -1
        while len(data) < left and (more := connection.recv(1 << 20)):
            data += more
        if len(data) != left:
            raise ConnectionAbortedError("it ended before it had asked")
    except OSError:
        for handle in handles:
            os.close(handle)
        raise
    return marshal.loads(data), handles


def _user(connection: socket.socket) -> tuple[int, int] | None:
    """The numbers of the user and the group that ask, if they are others than this process's."""
    if sys.platform != "linux":
        return None
    _, user, group = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return None if user == os.geteuid() else (user, group)


def _be_it(asked: Asked, handles: list[int], user: tuple[int, int] | None) -> NoReturn:
    """In the forked process: take on what a new one would have, run the command line, and end as Python does."""
    if user:
        os.setgroups([])
        os.setresgid(user[1], user[1], user[1])
        os.setresuid(user[0], user[0], user[0])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN if asked.ignores else signal.default_int_handler)
    os.environ.clear()
    os.environb.update(asked.env)
    os.umask(asked.umask)
    # First out of the way of the numbers that they are to have.
    high = [_moved(handle) for handle in handles]
    for number in range(3):
        with contextlib.suppress(OSError):
            os.close(number)
    for number, handle in zip(asked.files, high, strict=True):
        if number == CWD:
            os.fchdir(handle)
        else:
            os.dup2(handle, number)
        os.close(handle)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, mode), encoding="utf-8", errors=errors, line_buffering=number == 2)
        if number in asked.files
        else None
        for number, (mode, errors) in enumerate((("rb", "strict"), ("wb", "strict"), ("wb", "backslashreplace")))
    )
    sys.argv = ["dagger-aml", *map(os.fsdecode, asked.words)]
    code: object = 1
    try:
        from dagger_aml.__main__ import main

        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else code is not None)


def _moved(handle: int) -> int:
    moved = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(handle)
    return moved


if __name__ == "__main__":
    load(engine=sys.argv[3:] == ["engine"])
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
