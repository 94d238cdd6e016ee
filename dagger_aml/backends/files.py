"""Writing an output file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes its place when the block ends well, and vanishes otherwise.

    The file gets the mode that the user's umask gives new files, whatever wrote it.

    :raises UsageError: the file cannot be written.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.absolute().parent))
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror})", where=str(path)) from None
    new = folder / path.name
    try:
        yield new
        new.chmod(0o666 & ~_umask())
        try:
            new.replace(path)
        except OSError as error:
            raise UsageError(f"cannot be written ({error.strerror})", where=str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
            folder.rmdir()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
