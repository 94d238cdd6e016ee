"""Writing a deployment's files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError
from ..fs.atomic import replaced_file, replaced_folder
from ..fs.disk_space import not_written
from ..fs.lookup import is_folder, is_there
from ..text import named
from .without_image import CODE, Unbuilt


def write(folder: Path, name: str, text: str, *, force: bool = False, unbuilt: Unbuilt | None = None) -> Path:
    """Write a deployment's file, and its code folder if it has one, each whole or not at all.

    :param force: replace what is there.
    :returns: the file.
    :raises UsageError: something is there, without ``force``; the folder cannot be written to.
    :raises DaggerAmlError: the disk is full.
    """
    path = folder / name
    if is_there(folder) and not is_folder(folder):
        raise UsageError("is not a folder", location=str(folder), hint="Give another output folder.")
    _check_free([path, *([folder / CODE] if unbuilt else [])], force)
    with _existing(folder):
        if unbuilt is None:
            _write(path, text)
            return path
        # The file is written first and takes its name last: what fails leaves both as they were.
        with replaced_file(path) as file, replaced_folder(folder / CODE, force=force) as new:
            file.write_bytes(text.encode("utf-8"))
            for each in list(new.iterdir()):
                each.unlink()  # The note of who wrote it, which is no code.
            unbuilt.write(new)
    return path


def _check_free(paths: list[Path], force: bool) -> None:
    there = [each for each in paths if each.exists() or each.is_symlink()]
    if paths[0].is_dir():
        raise UsageError("is a folder", location=str(paths[0]), hint="Give another folder, or move this one away.")
    if there and not force:
        raise UsageError(
            "is there already",
            location=str(there[0]),
            hint=f"Give another folder, or {named('force')} to replace it.",
        )


@contextlib.contextmanager
def _existing(folder: Path) -> Iterator[None]:
    """A folder; what of it had to be made goes away again if the block fails."""
    made = []
    for each in (folder, *folder.parents):
        if each.exists():
            break
        made.append(each)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        _remove(made)
        place = next((each for each in folder.absolute().parents if each.is_dir()), Path("/"))
        raise not_written(error, str(folder), place) from None
    except BaseException:
        _remove(made)
        raise


def _remove(made: list[Path]) -> None:
    for each in made:
        with contextlib.suppress(OSError):
            each.rmdir()


def _write(path: Path, text: str) -> None:
    with replaced_file(path) as new:
        new.write_bytes(text.encode("utf-8"))
