"""How much memory a build takes, as the model grows: `task bench:memory`.

The model is a sparse file, which every builder reads as bytes all the same. Of each process that the command line
starts, itself included, the kernel's own peak is read (VmHWM) while it lives; Linux alone. A model of 4 GB needs
about 20 GB of disk, most of which an engine keeps in its cache until it collects it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.standin.tiny import RECIPE

SIZES = (0.25, 1.0, 4.0)
"""GB of the model."""

_AGAIN = 0.02
"""Seconds between two looks."""


def peaks(words: list[str]) -> dict[str, float]:
    """The peak in MB of each program that a command starts, by its name; `ours` is the command itself.

    :raises RuntimeError: the command failed.
    """
    found: dict[str, float] = {}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagger_aml", *words], stdout=subprocess.DEVNULL, stderr=log
        )
        while process.poll() is None:
            for pid in family(process.pid):
                with contextlib.suppress(OSError, StopIteration, ValueError):
                    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                    name = "ours" if pid == process.pid else lines[0].split()[1]
                    kilobytes = int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
                    found[name] = max(found.get(name, 0.0), kilobytes / 1e3)
            time.sleep(_AGAIN)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(log.read().decode(errors="replace"))
    return found


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
    return found


def main() -> None:
    """Print a row for each size and command."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("sizes", nargs="*", type=float, default=SIZES, help="GB of the model")
    asked.add_argument("--base", default=os.environ.get("DAGGER_AML_BASE", ""), help="the base image to build on")
    asked.add_argument(
        "--with",
        dest="builders",
        action="append",
        help="dagger, docker, podman, buildah or none; dagger unless given",
    )
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="dagger-aml-memory-", dir="/var/tmp") as folder:
        work = Path(folder)
        project = work / "project"
        (project / "code").mkdir(parents=True)
        (project / "model").mkdir()
        (project / "code/score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return data\n")
        (work / "mine.py").write_text(RECIPE)
        own = [str(project), "--recipe", str(work / "mine.py"), *(["--base", given.base] if given.base else [])]
        commands = {
            "plan --json": ["plan", *own, "--json"],
            "dockerfile -o": ["dockerfile", *own, "-o", str(work / "out")],
        }
        for builder in [each for each in given.builders or ["dagger"] if each != "none"]:
            commands[f"build -o tar --with {builder}"] = [
                "build", *own, "-t", "memory:1", "-o", str(work / "x.tar"), "--with", builder, "--layers", "builder",
            ]  # fmt: skip
        print(f"{'command':28} {'model':>8}  {'ours':>8}  largest of the others")
        for name, words in commands.items():
            for size in given.sizes:
                model = project / "model/m.bin"
                model.write_bytes(os.urandom(1 << 10))
                os.truncate(model, int(size * 1e9))
                model.chmod(0o600)  # which is copied, not linked
                found = peaks(words)
                (work / "x.tar").unlink(missing_ok=True)
                shutil.rmtree(work / "out", ignore_errors=True)
                ours = found.pop("ours", 0.0)
                other, most = max(found.items(), key=lambda pair: pair[1], default=("none", 0.0))
                print(f"{name:28} {size:5.2f} GB  {ours:5.0f} MB  {most:.0f} MB ({other})", flush=True)


if __name__ == "__main__":
    main()
