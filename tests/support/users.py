"""Being another user, who has no rights."""

from __future__ import annotations

import os
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import dagger_aml

NOBODY = 65534


linux_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux, to become another user"
)


readable_package = pytest.mark.skipif(
    not all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(dagger_aml.__file__).parents),
    reason="another user cannot load dagger-aml: it lies in a folder that only its owner may enter",
)


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
