"""The limits of the commands that podman and buildah run, where root may not have all that these give it."""

from __future__ import annotations

import os
import re
from pathlib import Path

_STATUS = Path("/proc/self/status")

_PID_MAX = Path("/proc/sys/kernel/pid_max")

_CAP_SYS_RESOURCE = 24

_GIVEN = 1_048_576
"""So many open files and processes newer versions give each command of root's, or more if root has more itself."""


def limit_flags() -> tuple[str, ...]:
    """What keeps the commands of a build within the limits of this process, where nothing may exceed them.

    Root in a container mostly lacks CAP_SYS_RESOURCE: what buildah 1.44 and podman 5 give by default is refused then.
    """
    if os.name != "posix" or os.geteuid() != 0 or _may_raise():
        return ()
    import resource

    def most(which: int) -> int:
        hard = resource.getrlimit(which)[1]
        return _GIVEN if hard == resource.RLIM_INFINITY else hard

    # Older versions first lower their own limit of processes to what the kernel can count, and cannot go back.
    own = {"nofile": most(resource.RLIMIT_NOFILE), "nproc": min(most(resource.RLIMIT_NPROC), _pid_max())}
    return tuple(f"--ulimit={name}={limit}:{limit}" for name, limit in own.items() if limit < _GIVEN)


def _may_raise() -> bool:
    """Whether this process has the capability; True where that is not told."""
    try:
        found = re.search(r"^CapEff:\s*([0-9a-f]+)", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return not found or bool(int(found[1], 16) >> _CAP_SYS_RESOURCE & 1)


def _pid_max() -> int:
    try:
        return int(_PID_MAX.read_text())
    except (OSError, ValueError):
        return _GIVEN
