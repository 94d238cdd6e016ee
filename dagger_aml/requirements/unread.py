"""Files that list packages and that nothing here reads: other tools' own, and requirements files of other names."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..data import frozen
from ..text import named, pattern

_OF_DEVELOPERS = pattern(
    r"(^|[-_.])(dev|devel|develop|development|test|tests|testing|doc|docs|lint|ci|build|train|training|notebook|"
    r"notebooks|jupyter|local|optional|typing|style|format|pre-commit)([-_.]|$)"
)
"""In the name of a requirements file that is not meant for what serves."""

_TEXT = pattern(r"(requirements?|reqs?)([-_.].+)?\.txt|.+[-_.](requirements?|reqs?)\.txt")

_INPUT = pattern(r"(requirements?|reqs?)([-_.].+)?\.in")

_NAMES = frozenset({"Pipfile", "Pipfile.lock", "poetry.lock", "pdm.lock", "setup.py", "setup.cfg", "pyproject.toml"})


@frozen
class UnreadList:
    """A file that lists packages, and what makes it one that is read.

    :param hint: a whole sentence.
    :param lock: whether it has the version of every package.
    :param for_developers: whether its name says that it is for tests, docs or the like.
    """

    path: Path
    hint: str
    lock: bool = False
    for_developers: bool = False


def unread_lists(places: Sequence[Path], *, root: Path, read: Iterable[Path] = ()) -> tuple[UnreadList, ...]:
    """The lists in some folders, and in a ``requirements`` folder there, that are not read.

    :param places: each looked at once.
    :param root: the project; hints show paths relative to it.
    :param read: the files that are read.
    """
    taken = {path.resolve() for path in read}
    found: list[UnreadList] = []
    for place in dict.fromkeys(places):
        inner = place / "requirements"
        for folder in (place, *([inner] if inner.is_dir() and inner not in places else [])):
            for item in sorted(os.scandir(folder), key=lambda item: item.name):
                # Most files of a folder cannot be lists: of these nothing but the name is looked at.
                if (item.name in _NAMES or item.name.endswith((".txt", ".in"))) and item.is_file():
                    path = Path(item.path)
                    if path.resolve() not in taken:
                        found += _list(path, root, in_requirements=folder.name == "requirements")
    return tuple(found)


def _list(path: Path, root: Path, *, in_requirements: bool) -> Iterator[UnreadList]:
    name, shown = path.name, path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if name == "Pipfile" and not path.with_name("Pipfile.lock").exists():
        yield UnreadList(path, "Lock it and export it: pipenv lock && pipenv requirements > requirements.txt")
    elif name == "Pipfile.lock":
        yield UnreadList(path, "Export it: pipenv requirements > requirements.txt", lock=True)
    elif name == "poetry.lock":
        yield UnreadList(
            path,
            "Export it: poetry export -f requirements.txt -o requirements.txt (needs the plugin "
            "poetry-plugin-export)",
            lock=True,
        )
    elif name == "pdm.lock":
        yield UnreadList(path, "Export it: pdm export -o requirements.txt", lock=True)
    elif name in ("setup.py", "setup.cfg") and _has(path, b"install_requires"):
        yield UnreadList(path, "List the packages of its install_requires in requirements.txt")
    elif name == "pyproject.toml":
        yield from _groups(path)
    elif _INPUT.fullmatch(name) or (in_requirements and name.endswith(".in")):
        if not path.with_suffix(".txt").exists():
            yield UnreadList(
                path,
                f"Lock it: uv pip compile {shlex.quote(shown)} -o requirements.txt (or pip-compile)",
                for_developers=is_for_developers(path),
            )
    elif _TEXT.fullmatch(name) or (in_requirements and name.endswith(".txt")):
        yield UnreadList(path, f"To use it: {named('requirements', shown)}", for_developers=is_for_developers(path))


def is_for_developers(path: Path) -> bool:
    """Whether a file's name says that it is for tests, training or the like."""
    return _OF_DEVELOPERS.search(path.stem.lower()) is not None


def _has(path: Path, word: bytes) -> bool:
    try:
        return word in path.read_bytes()
    except OSError:
        return False


def _groups(path: Path) -> Iterator[UnreadList]:
    """What a pyproject.toml lists beside, or in place of, the dependencies that are read."""
    from ..errors import ProjectError
    from .lock import read_toml
    from .pyproject import has_dependencies

    if has_dependencies(path):
        return
    try:
        data = read_toml(path).data
    except ProjectError:
        return
    project = data.get("project")
    extras = project.get("optional-dependencies") if isinstance(project, dict) else None
    for kind, listed, flag in (
        ("dependency groups", data.get("dependency-groups"), "--only-group"),
        ("optional dependencies", extras, "--extra"),
    ):
        names = [name for name in listed if isinstance(name, str)] if isinstance(listed, dict) else []
        serving = [name for name in names if not _OF_DEVELOPERS.search(name.lower())]
        if names:
            yield UnreadList(
                path,
                f"It has no [project] dependencies, only {kind}: {', '.join(names)}. Export the one that serves: "
                f"uv export {flag} {(serving or names)[0]} -o requirements.txt",
                for_developers=not serving,
            )
