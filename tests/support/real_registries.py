"""Registries of several makes, each as a program of this machine: Debian's, a newer one, and two by others."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.standin.serving import registry_process
from tests.support.builders import need_programs

MAKES = {
    "docker-registry": "Debian's, distribution 2.8",
    "registry": "distribution 3",
    "zot": "zot 2, minimal",
    "olareg": "olareg",
}
"""Programs as they are found on the PATH."""


def _distribution(folder: Path, port: int) -> Sequence[str]:
    return ("serve", _written(folder, {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }))  # fmt: skip


def _zot(folder: Path, port: int) -> Sequence[str]:
    return ("serve", _written(folder, {
        "storage": {"rootDirectory": str(folder / "data"), "gc": False},
        "http": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
    }))  # fmt: skip


def _olareg(folder: Path, port: int) -> Sequence[str]:
    return ("serve", "--addr", "127.0.0.1", "--port", str(port), "--dir", str(folder / "data"))


_WORDS = {"docker-registry": _distribution, "registry": _distribution, "zot": _zot, "olareg": _olareg}


@contextlib.contextmanager
def serving(program: str, folder: Path) -> Iterator[str]:
    """An empty registry on a free port of this machine (``localhost:PORT``); the test is skipped where there is none.

    :param folder: where it keeps everything.
    """
    need_programs(program)
    found = shutil.which(program)
    assert found
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (folder / "data").mkdir(parents=True)
    with registry_process([found, *_WORDS[program](folder, port)], folder, port) as host:
        yield host


def _written(folder: Path, config: Mapping[str, Any]) -> str:
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder / "config.json")
