"""Writing an output file or folder whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import DaggerAmlError
from ..exports import Export
from .room import not_saved, not_written
from .tarball import unpack_layout


@contextlib.contextmanager
def written(output: Export) -> Iterator[Path]:
    """The path of a tar to write, which becomes the output, file or folder, when the block ends well.

    :raises UsageError: it cannot be written. :raises DaggerAmlError: its disk is full.
    """
    if not output.folder:
        with replaced_file(output.path) as tar:
            yield tar
        return
    with _beside(output.path) as folder:
        yield folder / "image.tar"
        layout = folder / "layout"
        unpack_layout(folder / "image.tar", layout)
        layout.chmod(0o777 & ~_umask(folder))
        layout.replace(output.path)


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; it takes its place when the block ends well, and vanishes otherwise.

    The file gets the mode that the user's umask gives new files, whatever wrote it.

    :raises UsageError: the file cannot be written. :raises DaggerAmlError: its disk is full.
    """
    with _beside(path) as folder:
        new = folder / path.name
        yield new
        new.chmod(0o666 & ~_umask(folder))
        new.replace(path)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
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


def _umask(folder: Path) -> int:
    """The umask, as seen at a new folder; ``os.umask`` tells it only by changing it for every thread."""
    probe = folder / f"{folder.name}.umask"
    probe.mkdir(0o777)
    mask = 0o777 & ~probe.stat().st_mode
    probe.rmdir()
    return mask
