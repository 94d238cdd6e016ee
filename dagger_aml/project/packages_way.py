"""Whether the packages of a lock are copied as files where nobody says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..base import catalog
from ..errors import ProjectError
from ..graph.base import From
from ..requirements.read import is_pylock, read_requirements
from ..steps.packages_files import PackagesAs
from .merge import Reading
from .origin import Rank

if TYPE_CHECKING:
    from ..requirements.model import Requirements


def way_of_lock(
    reading: Reading, recipe: str, listed: Path | None, base: From, platforms: tuple[str, ...]
) -> PackagesAs:
    """What is done where nobody asks: a lock that has a wheel of each package is copied into the folder that
    ``preinstalled`` makes, which is the same folder without a command that makes it.

    Why a lock is installed all the same, the project's notes say.

    :param listed: the list of packages; None where packages are added to it, which is for pip to do.
    """
    unasked = reading.origins["packages_as"].rank is Rank.DEFAULT and recipe == "preinstalled"
    asks_pip = reading.origins["installer"].rank is not Rank.DEFAULT
    if not unasked or asks_pip or listed is None or not (listed.name == "uv.lock" or is_pylock(listed.name)):
        return "installed"
    try:
        found = read_requirements(listed, root=reading.root)
    except ProjectError:
        # The recipe reads it too, and says what is wrong.
        return "installed"
    why = _hinders(found, base, platforms)
    if why is None:
        return "files"
    reading.notes.installed_since = why
    return "installed"


def _hinders(found: Requirements, base: From, platforms: tuple[str, ...]) -> str | None:
    """Why a lock cannot be copied, as far as it tells without the base; None where it can."""
    from ..requirements.wheels import Home, choose, locked_wheels

    python = catalog.python(base)
    if python is None:
        return "the Python of the base image is not known before it is asked"
    if not found.titles:
        return "it lists no packages"
    try:
        for platform in platforms:
            choose(locked_wheels(found, python=python), Home(python, platform))
    except ProjectError as error:
        return error.message
    return None
