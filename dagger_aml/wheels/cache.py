"""Where wheels and their trees are kept on this machine: by digest, this user's alone, checked when read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ..data import frozen
from ..errors import DaggerAmlError, UsageError
from ..fs.cache_folder import VARIABLE, cache_folder
from ..fs.disk_space import not_kept
from ..oci.content_store import Kept, touch
from .manifest import FIXED_TIME, Manifest, read_manifest

_LEFT_SECONDS = 24 * 3600
"""After which a folder that a build works in belongs to none."""


_KEY = re.compile(r"[0-9A-Za-z._-]+\Z")


@frozen
class Tree:
    """Unpacked wheels.

    :param path: their folder.
    """

    path: Path
    manifest: Manifest


@frozen
class WheelCache:
    """A store of wheels by SHA-256, and of trees by what they were made of.

    A wheel is hashed whenever it is read. Each file of a tree has one fixed time, so that whoever writes to one is
    found out by its size or time, and the tree is made anew.

    :param root: made when something is kept, for this user alone.
    """

    root: Path

    @classmethod
    def of_user(cls) -> WheelCache:
        """That of whoever runs this, in the folder of all that dagger-aml keeps."""
        return cls(cache_folder() / "wheels")

    def wheel(self, sha256: str) -> Path | None:
        """A wheel that is there; a damaged one is removed, and is not."""
        path = self.root / "files" / f"{sha256}.whl"
        try:
            if file_sha256(path) == sha256:
                touch(path)
                return path
            path.unlink()
        except OSError:
            pass
        return None

    def keep_wheel(self, file: Path, sha256: str) -> Path:
        """Take a file from :meth:`work`, whose digest was compared, into the store."""
        path = self._folder("files") / f"{sha256}.whl"
        file.replace(path)
        return path

    def tree(self, key: str) -> Tree | None:
        """A tree that is there and whole."""
        folder = self.root / "trees" / key
        manifest = read_manifest(folder / "manifest.json")
        if manifest is None:
            return None
        path = folder / "tree"
        if not _untouched(path, manifest):
            return None
        touch(folder / "manifest.json")
        return Tree(path, manifest)

    def keep_tree(self, work: Path, key: str, manifest: Manifest) -> Tree:
        """Take a folder from :meth:`work`, with ``manifest.json`` and ``tree``, into the store.

        :param manifest: what that file has.
        """
        folder = self._folder("trees") / key
        for _ in range(3):
            try:
                work.rename(folder)
                return Tree(folder / "tree", manifest)
            except OSError:
                # Another build was first, or what is there is damaged.
                found = self.tree(key)
                if found:
                    return found
                _set_aside(folder)
        found = self.tree(key)
        if found is None:
            raise DaggerAmlError("cannot keep unpacked wheels in it", location=str(self.root))
        return found

    def kept(self) -> tuple[Kept, ...]:
        """The wheels and the trees, by their paths below the store, the longest unused first."""
        found = []
        for kind, inside in (("files", ""), ("trees", "manifest.json")):
            with contextlib.suppress(OSError):
                for each in os.scandir(self.root / kind):
                    with contextlib.suppress(OSError):
                        info = os.stat(os.path.join(each.path, inside) if inside else each.path)  # noqa: PTH116, PTH118
                        size = _tree_size(Path(each.path)) if inside else info.st_size
                        found.append(Kept(f"{kind}/{each.name}", size, info.st_mtime))
        return tuple(sorted(found, key=lambda kept: (kept.used, kept.name)))

    def remove(self, kept: Kept) -> None:
        """Remove a wheel or a tree; a build that copies it just now fails, and says so.

        :raises OSError: the system does not let this user.
        """
        kind, _, name = kept.name.partition("/")
        if kind not in ("files", "trees") or not _KEY.match(name):
            raise ValueError(kept.name)
        path = self.root / kind / name
        if kind == "trees":
            _set_aside(path)
            with contextlib.suppress(FileNotFoundError):  # It is gone, unless there was no room to set it aside.
                shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def work(self) -> Iterator[Path]:
        """A folder on the store's own file system, gone afterwards; what is kept of it has been moved.

        :raises UsageError: the store cannot be written to. :raises DaggerAmlError: its disk is full.
        """
        try:
            self._sweep()
            folder = Path(tempfile.mkdtemp(prefix="work-", dir=self._folder("")))
        except OSError as error:
            raise not_kept(error, self.root) from None
        try:
            yield folder
        except OSError as error:
            raise not_kept(error, self.root) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what builds left that were killed."""
        for left in self.root.glob("work-*"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _LEFT_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)

    def _folder(self, name: str) -> Path:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        info = self.root.lstat()
        if hasattr(os, "getuid") and (info.st_uid != os.getuid() or stat.S_IMODE(info.st_mode) & 0o077):
            raise UsageError(
                "the folder of kept wheels is not this user's alone",
                location=str(self.root),
                hint=f"chmod 700 {self.root}, or set {VARIABLE} to a folder of this user's.",
            )
        folder = self.root / name if name else self.root
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder


def file_sha256(path: Path) -> str:
    """The digest of a file, in hexadecimal.

    :raises OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _untouched(root: Path, manifest: Manifest) -> bool:
    """Whether each file of a tree is as it was made, by its type, mode, size and time."""
    try:
        for each in manifest.files:
            info = os.lstat(f"{root}/{each.path}")
            is_now = (stat.S_ISREG(info.st_mode), stat.S_IMODE(info.st_mode), info.st_size, info.st_mtime_ns)
            if is_now != (True, each.mode, each.size, FIXED_TIME * 10**9):
                return False
        names = sum(len(files) for _, _, files in os.walk(root))
    except OSError:
        return False
    return names == len(manifest.files)


def _tree_size(folder: Path) -> int:
    """Bytes of a tree's files."""
    manifest = read_manifest(folder / "manifest.json")
    return sum(each.size for each in manifest.files) if manifest else 0


def _set_aside(folder: Path) -> None:
    """Take a tree out of the way, in one step, and remove it."""
    with contextlib.suppress(OSError):
        aside = Path(tempfile.mkdtemp(prefix="work-", dir=folder.parent.parent))
        folder.rename(aside / "old")
        shutil.rmtree(aside, ignore_errors=True)
