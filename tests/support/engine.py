"""The Dagger engine that tests use: the one that the environment names, else the one of `.ci/engine`."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / ".ci" / "engine"
RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
CLI_BIN = "_EXPERIMENTAL_DAGGER_CLI_BIN"

STARTED = "DAGGER_AML_TEST_ENGINE_STARTED"
"""Variable that names a file, which gets a line where these tests have started the engine."""


def named() -> bool:
    """Whether the environment names an engine."""
    return bool(os.environ.get(RUNNER_HOST) or os.environ.get("DAGGER_SESSION_PORT"))


@functools.cache
def lacking() -> str | None:
    """Why no engine can be used here, or None; where none is named and one is installed, it is started.

    What it finds or starts is named in the environment from then on, for the processes that tests start too.
    """
    if named():
        return None
    if not SCRIPT.exists() or not shutil.which("dagger-engine"):
        return f"no Dagger engine: ${RUNNER_HOST} names none, and dagger-engine is not installed"
    there = _script("status").returncode == 0
    done = _script("start")
    if done.returncode:
        return f"no Dagger engine: {(done.stderr.strip().splitlines() or ['.ci/engine start failed'])[-1]}"
    if not there and (note := os.environ.get(STARTED)):
        with Path(note).open("a") as file:
            file.write("started\n")
    os.environ[RUNNER_HOST] = done.stdout.strip().splitlines()[-1]
    if dagger := shutil.which("dagger"):
        os.environ.setdefault(CLI_BIN, dagger)
    return None


def stop() -> None:
    """Stop the engine that `.ci/engine` started; what it has cached stays."""
    _script("stop")


def _script(word: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, word], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
