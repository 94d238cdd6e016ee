"""Temporary folders of builds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import DaggerAmlError
from .disk_space import is_full, temporary_folder


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """A temporary folder, gone afterwards; where it lies says :func:`~dagger_aml.fs.disk_space.temporary_folder`.

    :raises DaggerAmlError: it cannot be made, or its disk is full.
    """
    import shutil
    import tempfile

    parent = temporary_folder()
    try:
        folder = Path(tempfile.mkdtemp(prefix="dagger-aml-", dir=parent)).resolve()
    except OSError as error:
        raise DaggerAmlError(
            f"cannot create a temporary folder in it ({error.strerror})",
            location=str(parent),
            hint="Set TMPDIR to a writable folder with enough free space.",
        ) from None
    try:
        (folder / "tmp").mkdir()
        yield folder
    except OSError as error:
        if not is_full(folder):
            raise
        raise DaggerAmlError(
            f"the folder for temporary files is full ({error.strerror})",
            location=str(parent),
            hint="Free disk space there, or set TMPDIR to a folder with enough free space.",
        ) from None
    finally:
        if not _mounted_in(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _mounted_in(folder: Path) -> bool:
    """Whether a builder that was killed left something mounted there, through which nothing may be removed."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    return any(line.split()[4].startswith(f"{folder}/") for line in mounts)
