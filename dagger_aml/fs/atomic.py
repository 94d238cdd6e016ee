"""Writing files and folders whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import DaggerAmlError, UsageError
from ..version import __version__
from .disk_space import not_saved, not_written
from .tree import MARKER


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes its place when the block ends well, and vanishes otherwise.

    The file gets the mode that the user's umask gives new files, whatever wrote it.

    :raises UsageError: the file cannot be written. :raises DaggerAmlError: its disk is full.
    """
    with beside_path(path) as folder:
        new = folder / path.name
        yield new
        new.chmod(0o666 & ~umask_of(folder))
        new.replace(path)


@contextlib.contextmanager
def beside_path(path: Path) -> Iterator[Path]:
    """A folder in the same folder as ``path``, gone afterwards; what the system refuses is told of ``path``."""
    parent = path.absolute().parent
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=parent))
    except OSError as error:
        raise not_written(error, str(path), parent) from None
    try:
        yield folder
    except ConnectionError:
        raise
    except OSError as error:
        raise not_written(error, str(path), parent) from None
    except DaggerAmlError as error:
        raise not_saved(error, str(path), parent) from None
    finally:
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
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError("is not a folder", where=str(folder), do="Give another output folder.")
        if folder.is_dir() and not force and any(folder.iterdir()) and not (folder / MARKER).is_file():
            raise UsageError(
                "holds files that dagger-aml did not write",
                where=str(folder),
                do="Give an empty or a new folder, or --force to replace this one.",
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise not_written(error, str(folder), _existing(folder)) from None
    try:
        new, old = work / "new", work / "old"
        make_folder(new)
        (new / MARKER).write_text(f"Written by dagger-aml {__version__}; replaced as a whole when written again.\n")
        yield new
        if folder.is_dir():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            if old.is_dir():
                old.rename(folder)
            raise
    except OSError as error:
        raise not_written(error, str(folder), folder.parent) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
    try:
        with tempfile.TemporaryDirectory(prefix=".dagger-aml-init.", dir=folder) as beside:
            for name, text in files.items():
                new = Path(beside) / name
                new.write_bytes(text.encode("utf-8"))
            for name in files:
                with contextlib.suppress(FileExistsError):
                    _place(Path(beside) / name, folder / name)
                    made.append(name)
    except OSError as error:
        for name in made:
            (folder / name).unlink(missing_ok=True)
        raise UsageError(f"cannot be written ({error.strerror})", where=str(folder)) from None
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
