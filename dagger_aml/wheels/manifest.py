"""What a tree of unpacked wheels holds, as it is kept beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from attrs import asdict, field

from ..data import frozen

FIXED_TIME: Final = 315532800
"""1980-01-01: of every file of a tree, so that a layer of it is the same wherever it was unpacked."""


@frozen
class TreeFile:
    """One file of a tree.

    :param path: relative to the tree's root.
    :param sha256: of its bytes, in hexadecimal.
    """

    path: str
    mode: int
    size: int
    sha256: str


@frozen
class Unpacked:
    """One package of a tree.

    :param requires: its ``Requires-Dist``, as they are written.
    :param left_out: scripts that it has and the tree has not.
    :param data: files that it puts beside its modules.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


@frozen
class Manifest:
    """A tree's packages and files, the latter sorted by path."""

    packages: tuple[Unpacked, ...]
    files: tuple[TreeFile, ...] = field(repr=False)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        # Of thousands of files: attrs would look at each value for others within.
        files = [
            {"path": each.path, "mode": each.mode, "size": each.size, "sha256": each.sha256} for each in self.files
        ]
        document = {"packages": [asdict(each) for each in self.packages], "files": files}
        path.write_text(json.dumps(document), encoding="utf-8", errors="surrogatepass")


def read_manifest(path: Path) -> Manifest | None:
    """What :meth:`Manifest.write` wrote; None where there is no such file."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
        packages = tuple(
            Unpacked(each["name"], each["version"], *(tuple(each[key]) for key in ("requires", "left_out", "data")))
            for each in data["packages"]
        )
        return Manifest(packages, tuple(TreeFile(**each) for each in data["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
