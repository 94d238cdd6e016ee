"""Making folders, recording them, running coroutines, being another user."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dagger_aml import DaggerAmlError, Graph, Options, load_project, load_recipe, make_plan
from dagger_aml.plan.model import Plan
from dagger_aml.project.model import Project

SCORE = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"

NOBODY = 65534

linux_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux, to become another user"
)


@contextmanager
def greeting() -> Iterator[int]:
    """A port of 127.0.0.1 at which somebody answers, as an engine that works does, and then says no more."""
    kept = []

    def serve() -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            connection.sendall(bytes(9))
            kept.append(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for each in kept:
        each.close()


def make(root: Path, files: Mapping[str, str | bytes | None]) -> Path:
    """Write files below a folder; a name that ends in ``/`` is a folder, one whose value begins ``->`` a link."""
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif isinstance(text, bytes):
            path.write_bytes(text)
        elif isinstance(text, str) and text.startswith("->"):
            path.symlink_to(text[2:])
        else:
            path.write_text(text or "", encoding="utf-8")
    return root


def snapshot(root: Path) -> dict[str, tuple[Any, ...]]:
    """Everything that can be told of a folder's tree: type, mode, bytes, link, time, inode."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        what: Any = None
        if stat.S_ISREG(info.st_mode):
            what = path.read_bytes()
        elif stat.S_ISLNK(info.st_mode):
            what = str(path.readlink())
        when = info.st_mtime_ns if stat.S_ISREG(info.st_mode) else 0
        found[os.fspath(path.relative_to(root))] = (stat.filemode(info.st_mode), what, when, info.st_ino)
    return found


def short(value: object) -> str:
    """A parameter in the name of a test; long ones would fill the terminal."""
    return str(value)[:40]


def await_(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine."""
    return asyncio.run(coroutine)


def laid_out(folder: Path, **options: Any) -> tuple[Project, Graph]:
    """A project and the graph of its recipe."""
    project = load_project(folder, Options(**options))
    return project, await_(load_recipe(project.recipe, root=project.root)(Graph(), project))


def planned(folder: Path, **options: Any) -> Plan:
    """The plan of a project, assumed facts and all."""
    return make_plan(laid_out(folder, **options)[1])


def error_of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> DaggerAmlError:
    """The error with which a call ends: wrong use, and a message that says what to do with it."""
    with pytest.raises(DaggerAmlError) as caught:
        function(*args, **kwargs)
    assert caught.value.exit_code == 2, f"exit code {caught.value.exit_code}: {caught.value}"
    assert caught.value.what and not re.search(r"[a-z]\.$", caught.value.what)
    return caught.value


def as_nobody(function: Callable[[], str]) -> str:
    """What a function returns in a child process that has become another user, without groups and capabilities."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            text = function()
        except BaseException:
            text = traceback.format_exc()
        os.write(writer, text.encode()[:60_000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def open_to_all(path: Path) -> None:
    """Let another user walk to a path below pytest's folders, which only root may."""
    for each in (path, *path.parents):
        if each.stat().st_uid == os.geteuid() and each != Path("/"):
            each.chmod(stat.S_IMODE(each.stat().st_mode) | 0o055)
        if each.name.startswith("pytest-of-"):
            break
