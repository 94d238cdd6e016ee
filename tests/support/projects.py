"""Making projects and other folders, recording them, and what becomes of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagger_aml import Graph, Options, lay_out, load_project, make_plan
from dagger_aml.plan.model import Plan
from dagger_aml.project.model import Project
from tests.support.calls import await_

SCORE = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"


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


def laid_out(folder: Path, **options: Any) -> tuple[Project, Graph]:
    """A project and the graph of its recipe, looked at by the rules."""
    project = load_project(folder, Options(**options))
    return project, await_(lay_out(project))


def planned(folder: Path, **options: Any) -> Plan:
    """The plan of a project, assumed facts and all."""
    return make_plan(laid_out(folder, **options)[1])


def small(folder: Path, *, weights: int = 0, mark: str = "") -> Path:
    """A project that answers what it is asked and builds fast on any base.

    :param weights: bytes of a model that nothing compresses; without a model if 0.
    :param mark: in the entry script, to make its layer another one.
    """
    make(folder, {"code/score.py": f"# {mark}\n\n\n{SCORE}" if mark else SCORE})
    if weights:
        make(folder, {"model/weights.bin": os.urandom(weights)})
    return folder
