"""What builders wrote to a folder, as the files of who called them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def move_as_own(source: Path, dest: Path) -> None:
    """Move what a folder holds into another one; for root, all of it becomes root's."""
    own = (os.geteuid(), os.getegid()) if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    for root, folders, files in os.walk(source):
        for name in (*folders, *files):
            if own:
                os.chown(Path(root) / name, *own, follow_symlinks=False)
    for each in source.iterdir():
        shutil.move(each, dest / each.name)
