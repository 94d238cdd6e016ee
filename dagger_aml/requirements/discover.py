"""Finding the file that says which Python packages a project wants, where nobody has named it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..data import frozen
from ..errors import ProjectError
from ..text import named
from .read import is_pylock, is_yaml

ORDER = ("requirements.txt", "pylock.toml", "uv.lock", "pyproject.toml")
"""What is taken, the first that is there; ``pylock.NAME.toml`` ranks as ``pylock.toml``. Conda files rank last."""


@frozen
class FoundRequirements:
    """The file that is taken, and the ones that were found and left.

    :param others: those that rank lower; a ``pyproject.toml`` is not among them where its own ``uv.lock`` is taken,
        nor where it names no packages.
    """

    path: Path
    others: tuple[Path, ...] = ()


def find_requirements(places: Sequence[Path], *, root: Path) -> FoundRequirements | None:
    """Look in some folders for a file that lists Python packages: requirements.txt, else a lock, else pyproject.toml,
    else a conda file.

    Looks at names; of the files only a pyproject.toml is read, to see whether it names packages at all, and YAML
    where nothing else is there.

    :param places: the folders, each looked at once.
    :param root: the project; errors show paths relative to it.
    :raises ProjectError: two of the same rank, or the one to take is a link that leads nowhere.
    """
    ranks: list[list[Path]] = [[] for _ in ORDER]
    for place in dict.fromkeys(places):
        for path in sorted(place.iterdir()):
            kind = "pylock.toml" if is_pylock(path.name) else path.name
            if kind in ORDER and _names_packages(path):
                ranks[ORDER.index(kind)].append(path)
    found = [path for rank in ranks for path in rank]
    if not found:
        ranks = _conda_files(places)
        found = [path for rank in ranks[:1] for path in rank]
    if not found:
        return None
    first = next(rank for rank in ranks if rank)
    if len(first) > 1:
        listed = " and ".join(str(path.relative_to(root)) for path in first)
        raise ProjectError(
            f"several candidates for requirements: {listed}",
            location=str(root),
            hint="Remove one, or name the one to use: `requirements` in dagger-aml.toml, or "
            f"{named('requirements')}.",
        )
    taken = first[0]
    if not taken.exists():
        raise ProjectError(f"{taken.name} is a broken link", location=str(taken))
    source = taken.with_name("pyproject.toml") if taken.name == "uv.lock" else None
    return FoundRequirements(taken, tuple(path for path in found if path not in (taken, source)))


def _names_packages(path: Path) -> bool:
    if path.name != "pyproject.toml":
        return True
    from .pyproject import has_dependencies

    return has_dependencies(path)


def _conda_files(places: Sequence[Path]) -> list[list[Path]]:
    """The conda files of some folders: those of one name together, usual names first; none whose name says that it is
    for tests, training or the like."""
    there = [path for place in dict.fromkeys(places) for path in sorted(place.iterdir()) if is_yaml(path.name)]
    if not there:
        return []
    from .conda_yaml import NAMES, is_conda
    from .unread import is_for_developers

    names: dict[str, list[Path]] = {}
    for path in there:
        if not path.with_name("MLmodel").is_file() and not is_for_developers(path) and is_conda(path):
            names.setdefault(path.name if path.name in NAMES else "", []).append(path)
    return [names[name] for name in (*NAMES, "") if name in names]
