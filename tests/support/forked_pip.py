"""The real pip, loaded once: each call of it that a test makes is forked of that, for it takes a third of a second to
start.

What an environment has in its place asks for a fork over a Unix socket, hands on its words, its variables, where it
is and its streams, and is told the exit code.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from tests.support.loaded import received

ROOT = Path(__file__).parents[2]

USED = (
    "commands.check",
    "commands.install",
    "metadata.importlib",
    "operations.install.wheel",
    "operations.prepare",
    "resolution.resolvelib.resolver",
)
"""What pip imports when it is asked to install and to check."""

CALL = """\
import _socket, marshal, os, sys
path = sys.path[1:] if sys.path[0] in ("", os.getcwd()) else sys.path
asked = marshal.dumps((sys.argv[1:], dict(os.environ), os.getcwd(), sys.prefix, sys.executable, path))
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect({address!r})
sent = b"".join(number.to_bytes(4, sys.byteorder) for number in (1, 2))
connection.sendmsg([len(asked).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, sent)])
connection.sendall(asked)
answer = connection.recv(1)
sys.exit(answer[0] if answer else 70)
"""


@contextlib.contextmanager
def forked_pip() -> Iterator[str]:
    """The text of a ``pip/__main__.py`` that is answered as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{folder}/socket")
        listening.listen(16)
        command = [sys.executable, "-m", "tests.support.forked_pip", str(listening.fileno())]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[listening.fileno()]) as process:
            try:
                yield CALL.format(address=f"{folder}/socket")
            finally:
                process.terminate()


def serve(listening: socket.socket) -> None:
    """Fork for each that asks."""
    for each in USED:
        importlib.import_module(f"pip._internal.{each}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        with listening.accept()[0] as connection:
            if os.fork() == 0:
                listening.close()
                _be_it(connection)


def _be_it(connection: socket.socket) -> NoReturn:
    """In the forked process: be where whoever asked is, run pip, tell its exit code, and end."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        words = _take_on(connection)
        from pip._internal.cli.main import main

        code = main(words)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else ended.code is not None
    except BaseException:
        sys.excepthook(*sys.exc_info())
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    connection.sendall(bytes([code]))
    os._exit(0)


def _take_on(connection: socket.socket) -> list[str]:
    """Have what whoever asked has, and return its words."""
    asked, streams = received(connection, 2)
    words, variables, folder, sys.prefix, sys.executable, path = asked
    for number, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.exec_prefix, sys.path[:], sys.argv = sys.prefix, path, ["pip", *words]
    importlib.reload(sysconfig)  # Where packages go it has found when it was imported.
    return list(words)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
