"""The files that an image is kept as, by their names: in a folder, or in a tar of one, whoever wrote it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..text import pattern

if TYPE_CHECKING:
    import tarfile

LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'
"""What the file ``oci-layout`` holds."""


REF_NAME = "org.opencontainers.image.ref.name"


CONTAINERD_NAME = "io.containerd.image.name"


DEEPEST = 8
"""Indexes within indexes, links within links."""


_DIGEST = pattern(r"sha256:([0-9a-f]{64})\Z")


class ImageFiles:
    """The files of an OCI layout or of a tar in Docker's form; a KeyError where there is none of a name.

    :param root: the layout's folder, or the tar's file.
    :param tar: the tar, opened; what opens it decides on compression and closes it.
    """

    def __init__(self, root: Path, tar: tarfile.TarFile | None = None) -> None:
        self.root = root
        self.tar = tar
        self.members: dict[str, tarfile.TarInfo] = (
            {plain(each.name): each for each in tar.getmembers()} if tar else {}
        )

    def __contains__(self, name: str) -> bool:
        return name in self.members if self.tar else (self.root / name).is_file()

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return self._member(name).size if self.tar else self._path(name).stat().st_size

    def open(self, name: str) -> IO[bytes]:
        """A file, to read from."""
        if not self.tar:
            return self._path(name).open("rb")
        file = self.tar.extractfile(self._member(name))
        assert file is not None
        return file

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        with self.open(name) as file:
            return file.read()

    def give(self, name: str, dest: Path) -> None:
        """Put a file somewhere else: a link to it, out of a tar a copy."""
        if not self.tar:
            dest.symlink_to(self._path(name))
            return
        import shutil

        with self.open(name) as source, dest.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1024 * 1024)

    def _path(self, name: str) -> Path:
        path = self.root / name
        if not path.is_file():
            raise KeyError(name)
        return path.resolve()

    def _member(self, name: str) -> tarfile.TarInfo:
        """A layer that a tar of an older docker has twice is a link the second time."""
        for _ in range(DEEPEST):
            member = self.members[name]
            if member.issym():
                name = plain(f"{name.rpartition('/')[0]}/{member.linkname}")
            elif member.islnk():
                name = plain(member.linkname)
            elif member.isfile():
                return member
            else:
                break
        raise KeyError(name)


def plain(name: str) -> str:
    """A name in a tar without ``.``, ``..`` and doubled slashes; nothing leads above the tar's own top."""
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def blob_name(digest: str) -> str:
    """The name of a blob's file in a layout.

    :raises ValueError: not a sha256 digest.
    """
    match = _DIGEST.match(digest)
    if not match:
        raise ValueError(digest)
    return f"blobs/sha256/{match[1]}"


def digest_of(data: bytes) -> str:
    """``sha256:…`` of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def index_of(descriptor: Mapping[str, Any], annotations: Mapping[str, str]) -> bytes:
    """What ``index.json`` of a layout holds for one image."""
    return json.dumps({"schemaVersion": 2, "manifests": [{**descriptor, "annotations": dict(annotations)}]}).encode()


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar; the same bytes give the same entry."""
    import tarfile

    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
