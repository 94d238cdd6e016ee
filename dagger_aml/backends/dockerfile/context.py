"""A rendered Dockerfile and the folder that it is built in."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import field

from ...data import frozen
from ...errors import ProjectError, UsageError, unreadable
from ...fs.atomic import make_folder, replaced_folder
from ...fs.stamps import AGAIN, Stamps, check_stamps, stamps
from ...fs.tree import is_file
from ...graph.graph import Built, Copy
from ...graph.mount import Mount
from ...graph.source import Local, Text
from ...graph.wheels import LockedWheels, Wheels
from .instructions import EMPTY, content


@frozen
class Dockerfile:
    """A rendered Dockerfile and what its context folder must hold.

    :param text: the Dockerfile.
    :param copies: context folder names and the copies whose sources fill them.
    :param mounts: the files that its commands see, by the ids of the secrets that whoever builds it must give.
    """

    text: str
    copies: tuple[tuple[str, Copy], ...] = field(repr=False)
    mounts: Mapping[str, Mount] = field(factory=dict)
    _stamps: Stamps = field(init=False, repr=False, eq=False)

    @_stamps.default
    def _now(self) -> Stamps:
        """What a file to copy may not differ from when it is copied."""
        return stamps(copy for _, copy in self.copies)

    def __str__(self) -> str:
        return self.text

    def save(
        self, folder: str | os.PathLike[str], *, force: bool = False, beside: Mapping[str, str] | None = None
    ) -> Path:
        """Write Dockerfile and context into a folder, whole or not at all.

        A file that changes rarely (a model's) is hard-linked where that cannot be told from a copy (same file system,
        one link, normalised mode, no extended attributes); everything else is copied with its times. Nothing of the
        user's is changed.

        :param force: replace a folder that is neither empty nor one of ours.
        :param beside: texts of other files of the folder, by their names.
        :raises UsageError: such a folder without ``force``, a file of that name, or a folder in which something lies
            that is copied from.
        :raises ProjectError: a source vanished, changed since this was rendered, or cannot be read.
        :raises DaggerAmlError: the disk is full.
        """
        self._keep_sources(Path(folder))
        with replaced_folder(Path(folder), force=force) as new:
            self.write(new)
            for name, text in (beside or {}).items():
                (new / name).write_bytes(text.encode())
        return Path(folder)

    def _keep_sources(self, folder: Path) -> None:
        """Refuse to replace a folder that holds what is to be copied, with ``force`` too."""
        place = folder.resolve()
        for _, copy in self.copies if place.is_dir() else ():
            if isinstance(copy.source, Local) and Path(copy.source.path).is_relative_to(place):
                raise UsageError(
                    f"contains {copy.source.path}, which is copied into the image",
                    location=str(folder),
                    hint="Choose another output folder. The whole content of this one would be replaced.",
                )

    def write(self, folder: Path) -> None:
        """Write Dockerfile and context into an existing folder; what ``save`` does, but for its guards."""
        (folder / "Dockerfile").write_bytes(self.text.encode())
        make_folder(folder / EMPTY / "e")
        for name, copy in self.copies:
            fill(folder / name, copy, folder / content(name))
        check_stamps(self._stamps)


def fill(folder: Path, copy: Copy, root: Path | None = None) -> None:
    """Make ``root`` hold exactly what a copy puts onto its destination, modes normalised; and ``folder/root`` an
    empty folder of the destination's name and mode, where the copy states one.

    :param root: ``folder/k`` unless given.
    :raises ProjectError: a source vanished or cannot be read.
    """
    source, root = copy.source, root or folder / "k"
    if copy.root is not None:
        stated = folder / "root" / posixpath.basename(copy.dest)
        make_folder(stated)
        stated.chmod(copy.root.mode)
    if isinstance(source, Built):
        return
    if isinstance(source, Wheels | LockedWheels):
        raise TypeError("wheels are copied as a tree of this machine")
    make_folder(root)
    if isinstance(source, Text):
        _write(root / posixpath.basename(copy.dest), source.data, 0o755 if source.executable else 0o644)
    elif isinstance(source, Local):
        link = copy.changes == "rarely"
        if is_file(source):
            name = posixpath.basename(copy.dest)
            _put_file(Path(source.path), root / name, source.entries[0].mode, link=link)
            return
        names: dict[tuple[int, int], Path] = {}
        for entry in source.entries:
            made = root / entry.path
            if entry.type == "dir":
                make_folder(made)
            elif entry.type == "link":
                os.symlink(entry.target, made)  # noqa: PTH211 - the text itself, not a Path made of it
            else:
                _put_name(Path(entry.at or f"{source.path}/{entry.path}"), made, entry.mode, names, link=link)


def _write(path: Path, data: bytes, mode: int) -> None:
    path.write_bytes(data)
    path.chmod(mode)


def _put_name(source: Path, dest: Path, mode: int, names: dict[tuple[int, int], Path], *, link: bool) -> None:
    """Put a file that may have several names in its tree; the engine keeps them one file, so they stay one here.

    :param names: the first of the names that each such file got, by its device and number.
    """
    with contextlib.suppress(OSError):
        info = source.stat()
        if info.st_nlink > 1:
            first = names.setdefault((info.st_dev, info.st_ino), dest)
            if first != dest:
                os.link(first, dest)
                return
    _put_file(source, dest, mode, link=link)


def _put_file(source: Path, dest: Path, mode: int, *, link: bool) -> None:
    try:
        info = source.stat()
        if link and info.st_nlink == 1 and info.st_mode & 0o7777 == mode and not _has_xattrs(source):
            try:
                os.link(source, dest)
                return
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP):
                    raise
        shutil.copyfile(source, dest)
        dest.chmod(mode)
        os.utime(dest, ns=(info.st_atime_ns, info.st_mtime_ns))
    except FileNotFoundError:
        raise ProjectError("disappeared while it was being read", location=str(source), hint=AGAIN) from None
    except PermissionError as error:
        raise unreadable(error, source) from None
    except (shutil.SpecialFileError, IsADirectoryError):
        raise ProjectError("is no longer a regular file", location=str(source)) from None


def _has_xattrs(path: Path) -> bool:
    listxattr: Callable[[Path], list[str]] | None = getattr(os, "listxattr", None)
    if listxattr is None:
        return False
    with contextlib.suppress(OSError):
        return bool(listxattr(path))
    return False
