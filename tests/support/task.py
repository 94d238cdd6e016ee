"""Task, as `taskw` has got it, for the tests that run Taskfiles."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.builders import required

ROOT = Path(__file__).parents[2]


def task_program() -> Path:
    """Task's program: beside ``taskw``, or of the PATH. Without it a test is skipped, or fails if it is required."""
    roots = (ROOT, Path(sys.prefix).parent)
    found = [path for root in roots for end in ("", ".exe") for path in root.glob(f".taskw/*/*/task{end}")]
    if found:
        return sorted(found)[-1]
    if path := shutil.which("task"):
        return Path(path)
    why = "Task is not here: ./taskw gets it"
    if "task" in required():
        pytest.fail(why)
    pytest.skip(why)


class Recorded:
    """A ``dagger-aml`` in a folder of its own for the PATH, which notes the words of each call.

    :param folder: gets the program; made anew.
    :param program: what it calls.
    """

    def __init__(self, folder: Path, program: Path) -> None:
        folder.mkdir()
        self.folder, self._log = folder, folder / "calls"
        self._log.touch()
        path = folder / "dagger-aml"
        path.write_text(f"#!/bin/sh\necho \"$*\" >> '{self._log}'\nexec '{program}' \"$@\"\n", encoding="utf-8")
        path.chmod(0o755)

    def environment(self, **more: object) -> dict[str, str]:
        """This process's variables without what leads to an engine, with the program first on the PATH."""
        hidden = ("DAGGER", "_EXPERIMENTAL_DAGGER")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        path = os.pathsep.join([str(self.folder), kept.get("PATH", os.defpath)])
        return {**kept, "PATH": path, **{name: str(value) for name, value in more.items()}}

    def taken(self) -> list[str]:
        """The calls since this was asked last."""
        calls = self._log.read_text(encoding="utf-8").splitlines()
        self._log.write_text("", encoding="utf-8")
        return calls

    def commands(self) -> list[str]:
        """Of the calls since this was asked last the commands alone."""
        return [call.split()[0] for call in self.taken()]
