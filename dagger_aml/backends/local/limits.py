"""The limits of the commands that podman and buildah run, where root may not have all that these give it."""

from __future__ import annotations

import os
import re
from pathlib import Path

_STATUS = Path("/proc/self/status")

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

    own = (
        (name, resource.getrlimit(which)[1])
        for name, which in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
    )
    return tuple(
        f"--ulimit={name}={most}:{most}" for name, most in own if most != resource.RLIM_INFINITY and most < _GIVEN
    )


def _may_raise() -> bool:
    """Whether this process has the capability; True where that is not told."""
    try:
        found = re.search(r"^CapEff:\s*([0-9a-f]+)", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return not found or bool(int(found[1], 16) >> _CAP_SYS_RESOURCE & 1)
