"""Writing files and folders whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import DaggerAmlError, UsageError
from ..text import named
from ..version import __version__
from .disk_space import not_saved, not_written
from .tree import MARKER


@contextlib.contextmanager
def replaced_file(path: Path, mode: int | None = None) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes its place when the block ends well, and vanishes otherwise.

    The file has its mode before it takes that place, whatever wrote it.

    :param mode: its permissions; those that the user's umask gives new files unless given.
    :raises UsageError: the file cannot be written. :raises DaggerAmlError: its disk is full.
    """
    with beside_path(path) as folder:
        new = folder / path.name
        yield new
        new.chmod(0o666 & ~umask_of(folder) if mode is None else mode)
        new.replace(path)


@contextlib.contextmanager
def beside_path(path: Path) -> Iterator[Path]:
    """A folder in the same folder as ``path``, gone afterwards; what the system refuses is told of ``path``."""
    parent = path.absolute().parent

    def refused(error: OSError) -> Exception:
        return error if isinstance(error, ConnectionError) else not_written(error, str(path), parent)

    with _sibling(path.name, parent, refused) as folder:
        try:
            yield folder
        except DaggerAmlError as error:
            raise not_saved(error, str(path), parent) from None


@contextlib.contextmanager
def _sibling(name: str, parent: Path, refused: Callable[[OSError], Exception]) -> Iterator[Path]:
    """A temporary folder, gone afterwards, beside what is to be written: a rename or a link puts it there whole.

    :param name: what the temporary folder's name begins with, behind a dot.
    :param refused: makes the error to raise of what the system refuses, here or in the block.
    """
    import shutil
    import tempfile

    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
        yield folder
    except OSError as error:
        raise refused(error) from None
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def umask_of(folder: Path) -> int:
    """The umask, as seen at a new folder; ``os.umask`` tells it only by changing it for every thread."""
    probe = folder / f"{folder.name}.umask"
    probe.mkdir(0o777)
    mask = 0o777 & ~probe.stat().st_mode
    probe.rmdir()
    return mask


def make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)


@contextlib.contextmanager
def replaced_folder(folder: Path, *, force: bool = False) -> Iterator[Path]:
    """A new folder that takes the place of ``folder`` when the block ends well, and vanishes when it does not.

    :param force: replace also a folder with something in it that is not ours.
    :raises UsageError: such a folder without ``force``, or something that is no folder.
    """

    def refused(error: OSError) -> DaggerAmlError:
        return not_written(error, str(folder), _existing(folder))

    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError("is not a folder", location=str(folder), hint="Give another output folder.")
        if folder.is_dir() and not force and any(folder.iterdir()) and not (folder / MARKER).is_file():
            raise UsageError(
                "holds files that dagger-aml did not write",
                location=str(folder),
                hint=f"Give an empty or a new folder, or {named('force')} to replace this one.",
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(error) from None
    with _sibling(folder.name, folder.parent, refused) as work:
        new, old = work / "new", work / "old"
        make_folder(new)
        (new / MARKER).write_text(f"Written by dagger-aml {__version__}. The next write replaces the whole folder.\n")
        yield new
        if folder.is_dir():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            if old.is_dir():
                old.rename(folder)
            raise


def _existing(folder: Path) -> Path:
    """The nearest folder above that is there."""
    return next((each for each in folder.absolute().parents if each.is_dir()), Path("/"))


def new_files(folder: Path, files: Mapping[str, str]) -> tuple[str, ...]:
    """Write files into a folder; returns the names of those that were written.

    All are first written to a folder of their own beside, then linked to their names, which fails where a name is
    taken: a file that somebody else wrote in the meantime stays. A failure leaves no file of these behind.

    :param files: text by name.
    :raises UsageError: the folder cannot be written to.
    """
    made: list[str] = []

    def refused(error: OSError) -> UsageError:
        return UsageError(f"cannot be written ({error.strerror})", location=str(folder))

    try:
        with _sibling("dagger-aml-init", folder, refused) as beside:
            for name, text in files.items():
                (beside / name).write_bytes(text.encode("utf-8"))
            for name in files:
                with contextlib.suppress(FileExistsError):
                    _place(beside / name, folder / name)
                    made.append(name)
    except UsageError:
        for name in made:
            (folder / name).unlink(missing_ok=True)
        raise
    return tuple(made)


def _place(new: Path, path: Path) -> None:
    """Give a file its name unless that is taken.

    :raises FileExistsError: it is.
    """
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems have no hard links.
        with path.open("xb") as file:
            try:
                file.write(new.read_bytes())
            except OSError:
                path.unlink(missing_ok=True)
                raise
