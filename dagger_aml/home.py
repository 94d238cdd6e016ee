"""The home folder, where there is one."""

import os
from pathlib import Path


def expanded(path: str) -> Path:
    """A path whose ``~`` is the home folder; left as it is where neither $HOME nor the system knows one."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises RuntimeError there
