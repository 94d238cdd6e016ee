"""How files of an image are named in findings."""

from __future__ import annotations

import posixpath
from pathlib import Path

from ...data import frozen
from ...finding import FileLocation
from ..facts import Places


@frozen
class PlacesInImage(Places):
    """As ``image.tar:/var/azureml-app/score.py``.

    :param root: the copy of ``top``. :param image: as the command line has it.
    :param top: the folder of the image.
    """

    image: str
    top: str

    def at(self, path: Path, line: int | None = None) -> FileLocation:
        """A place in a file of the image."""
        below = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.name
        shown = f"{self.image}:{posixpath.normpath(posixpath.join(self.top, below))}"
        made = FileLocation(shown, path, line)
        made.inside = shown
        return made
