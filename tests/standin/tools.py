"""What building and serving the stand-ins share: the cache folder, locks, and calls of other programs."""

import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("standin")

TOOLS = ("mmdebstrap", "buildah", "skopeo", "docker-registry")
"""The programs that the stand-ins need, each named as its Debian package is."""


class StandInError(Exception):
    """A stand-in image could not be built, pushed or served."""


def missing() -> str | None:
    """Return a sentence that names the tools this machine lacks, or None where it has them all."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not lacking:
        return None
    return f"The stand-in base images need {', '.join(lacking)} (apt-get install {' '.join(lacking)})."


def cache_folder() -> Path:
    """Return the folder that keeps what was built, made if it was not there."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "dagger-aml" / "standin"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the named lock of the cache folder; it goes away with the process, however that ends."""
    import fcntl  # Not on Windows, where importing this package must still do no harm.

    with open(cache_folder() / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def call(*command: str | Path) -> str:
    """Run a program to its end and return what it printed; its last lines are in the error if it fails."""
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except FileNotFoundError:
        raise StandInError(missing() or f"{command[0]} was not found.") from None
    if done.returncode:
        shown = " ".join(map(str, command))
        last = "\n".join(done.stdout.splitlines()[-25:])
        raise StandInError(f"Exit code {done.returncode} from: {shown}\n{last}")
    return done.stdout
