"""The command line in a process, and so a session, of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def argv(*words: object) -> list[str]:
    """The command line with its words."""
    return [sys.executable, "-m", "dagger_aml", *map(str, words)]


def run(
    *words: object, env: Mapping[str, object] | None = None, cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with nothing on its standard input.

    :param env: variables besides this process's own.
    :param timeout: seconds.
    """
    return subprocess.run(
        argv(*words),
        env={**os.environ, **{name: str(value) for name, value in (env or {}).items()}},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def printed(*words: object) -> str:
    """What it prints on standard output; it must go well."""
    done = run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout
