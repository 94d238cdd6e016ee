"""Writing new files whole or not at all, and never over a file that is there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import UsageError


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
