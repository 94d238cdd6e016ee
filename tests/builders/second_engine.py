"""A second Dagger engine beside the machine's own, for tests that end it in the middle of something.

It is started by ``.ci/engine apart``, and has a network of its own, so what it needs of this machine's comes through
a :class:`Relay`. So do its clients, because a relay can hold bytes back once so many have gone through, which makes
"in the middle of" exact.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

Way = Literal["up", "down"]
"""To the server, or from it."""

SCRIPT = Path(__file__).parents[2] / ".ci" / "engine"

_CLONE_NEWNET = 0x40000000


class NoSecondEngine(Exception):
    """There can be none on this machine; the text says why."""


class Relay:
    """Passes on what comes at a socket to a server, and its answers, until it is closed.

    :param listener: a listening socket, which the relay closes.
    :param connect: makes a connection to the server.
    """

    def __init__(self, listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
        self._listener = listener
        self._connect = connect
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._passed = {"up": 0, "down": 0}
        self._hold: tuple[Way, int] | None = None
        self._free = threading.Event()
        self._free.set()
        self._held = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, way: Way, after: int) -> threading.Event:
        """From now on count, and pass nothing on once that many bytes have gone one way; what is then set."""
        with self._lock:
            self._passed = {"up": 0, "down": 0}
            self._hold = (way, after)
            self._held = threading.Event()
            return self._held

    def release(self) -> None:
        """Pass everything on again."""
        with self._lock:
            self._hold = None
            self._free.set()

    def cut(self) -> None:
        """Close every connection that there is."""
        with self._lock:
            opened, self._open = self._open, []
        for each in opened:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.release()

    def close(self) -> None:
        """Cut, and take no connection any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open += [client, server]
            for way, source, sink in (("up", client, server), ("down", server, client)):
                threading.Thread(target=self._pass, args=(way, source, sink), daemon=True).start()

    def _pass(self, way: Way, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._count(way, len(data))
                self._free.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _count(self, way: Way, size: int) -> None:
        with self._lock:
            self._passed[way] += size
            if self._hold and self._passed[self._hold[0]] > self._hold[1]:
                self._free.clear()
                self._held.set()


class SecondEngine:
    """An engine that may be ended and started again.

    :param registry: a registry of this machine ("localhost:5100") that the engine shall reach under the same name.
    :ivar address: where clients reach it, through ``relay``.
    :ivar to_registry: through which it reaches the registry; a new one with each start.
    """

    def __init__(self, registry: str) -> None:
        reason = _lacking()
        if reason:
            raise NoSecondEngine(reason)
        self.folder = Path(tempfile.mkdtemp(prefix="dagger-aml-engine-", dir="/var/tmp"))
        self.address = f"unix://{self.folder}/relay.sock"
        self.relay = Relay(_listening(self.folder / "relay.sock"), self._connected)
        self.to_registry: Relay | None = None
        self._port = int(registry.partition(":")[2])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers.

        :raises NoSecondEngine: it ends instead.
        """
        if self._process and self._process.poll() is None:
            return
        (self.folder / "tmp").mkdir(exist_ok=True)
        (self.folder / "engine.sock").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [SCRIPT, "apart", self.folder],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        give_up = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise NoSecondEngine(f"the second engine did not start: {self.log()}")
            time.sleep(0.1)
        self.to_registry = Relay(
            _listening_in(self._pid(), self._port), lambda: socket.create_connection(("localhost", self._port))
        )

    def stop(self) -> None:
        """Tell it to end, as a machine that shuts down does, and wait until it has."""
        assert self._process
        os.kill(self._pid(), signal.SIGTERM)
        self._process.wait(60)
        self.kill()

    def kill(self) -> None:
        """End it by SIGKILL, with all that it started; connections to it end too."""
        if self._process is None:
            return
        cgroups: set[Path] = set()
        for pid in self.processes():
            cgroups |= _cgroups(pid)
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(self._pid(), signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._process = None
        if self.to_registry:
            self.to_registry.close()
        self.relay.cut()
        for each in sorted(cgroups, reverse=True):
            with contextlib.suppress(OSError):
                each.rmdir()

    def close(self) -> None:
        """End it and remove all that it kept."""
        self.kill()
        self.relay.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connected(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"{self.folder}/engine.sock")
        except OSError:
            server.close()
            raise
        return server

    def processes(self) -> list[int]:
        """Numbers of all processes in it, its own first."""
        return _below(self._pid()) if self._process and self._process.poll() is None else []

    def runs(self, *words: str) -> bool:
        """Whether something in it executes a command that begins with these words."""
        begin = "\0".join(words).encode() + b"\0"
        return any(_cmdline(pid).startswith(begin) for pid in self.processes())

    def log(self) -> str:
        """The last lines that it wrote."""
        with contextlib.suppress(OSError):
            return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-15:])
        return ""

    def _pid(self) -> int:
        assert self._process
        return children(self._process.pid)[0]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self._connected().close()
            return True
        return False


def _lacking() -> str | None:
    if os.name != "posix" or os.geteuid() != 0:
        return "a second Dagger engine: only root can start one"
    if not SCRIPT.is_file():
        return "a second Dagger engine: .ci/engine, which starts it, is not here"
    missing = [each for each in ("dagger-engine", "unshare", "setpriv", "ip") if not shutil.which(each)]
    return f"a second Dagger engine: {', '.join(missing)} not installed" if missing else None


def _listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(64)
    return server


def _listening_in(pid: int, port: int) -> socket.socket:
    """A socket that listens at a port of the loopback of a process's network; a thread of ours goes there for it."""
    made: list[socket.socket] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        try:
            if libc.setns(network, _CLONE_NEWNET) == 0:
                made.append(socket.create_server(("127.0.0.1", port)))
        finally:
            os.close(network)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made:
        raise NoSecondEngine("a second Dagger engine: its network cannot be entered")
    return made[0]


def children(pid: int) -> list[int]:
    """Numbers of the processes that a process's main thread started."""
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _below(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(stat[1]), []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def _cmdline(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _cgroups(pid: int) -> set[Path]:
    """The control groups that the engine made for a process, which nobody else removes when it is killed."""
    found = set()
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            if path.startswith("/buildkit/"):
                folder = names.removeprefix("name=") or "unified"
                found.add(Path("/sys/fs/cgroup") / folder / path[1:])
                found.add(Path("/sys/fs/cgroup") / path[1:])
    return found


@contextlib.contextmanager
def second_engine(registry: str) -> Iterator[SecondEngine]:
    """An engine that runs when the block begins; nothing of it is left after the block.

    :raises NoSecondEngine: there can be none here.
    """
    engine = SecondEngine(registry)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()
