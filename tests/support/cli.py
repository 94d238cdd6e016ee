"""The command line in a process, and so a session, of its own."""

from __future__ import annotations

import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.support.loaded"])


def argv(*words: object) -> list[str]:
    """The command line with its words, as a new Python runs it."""
    return [sys.executable, "-m", "dagger_aml", *map(str, words)]


def run(
    *words: object, env: Mapping[str, object] | None = None, cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with nothing on its standard input.

    :param env: variables besides this process's own.
    :param timeout: seconds.
    :raises subprocess.TimeoutExpired: it took longer, and was killed.
    """
    done = run_bytes(*words, env=env, cwd=cwd, timeout=timeout)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_bytes(
    *words: object, env: Mapping[str, object] | None = None, cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """As :func:`run`, and what it printed is bytes.

    Its process is forked from one that has loaded everything: of hundreds of calls each would spend a second on that.
    """
    said = list(map(str, words))
    told = {**os.environ, **{name: str(value) for name, value in (env or {}).items()}}
    with tempfile.TemporaryDirectory(prefix="cli-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _FORKS.Process(target=_be_it, args=(said, told, str(cwd or Path.cwd()), str(out), str(err)))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(said, timeout or 0, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(said, process.exitcode, out.read_bytes(), err.read_bytes())


def _be_it(words: list[str], env: dict[str, str], cwd: str, out: str, err: str) -> NoReturn:
    """In the forked process: take on what a new one would have, and run the command line."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    places = ((os.devnull, os.O_RDONLY), (out, os.O_WRONLY | os.O_CREAT), (err, os.O_WRONLY | os.O_CREAT))
    for number, (path, flags) in enumerate(places):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, mode), encoding="utf-8", errors=errors, line_buffering=number == 2)
        for number, (mode, errors) in enumerate((("rb", "strict"), ("wb", "strict"), ("wb", "backslashreplace")))
    )
    sys.argv = ["dagger-aml", *words]
    from dagger_aml.__main__ import main

    main()
    raise AssertionError


def printed(*words: object) -> str:
    """What it prints on standard output; it must go well."""
    done = run(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout
