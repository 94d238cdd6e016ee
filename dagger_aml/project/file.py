"""Reading ``dagger-aml.toml`` or ``[tool.dagger-aml]``: types checked, and the line of every key known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field

from ..data import frozen
from ..errors import ProjectError, unreadable
from ..finding import FileLocation
from ..fs.nearby import meant
from ..graph.base import ARCHIVES
from ..text import named
from .build_settings import BUILD_SETTINGS
from .keys import PATHS, PYPROJECT, field_name, nothing_said
from .origin import DEFAULT, Origin, Rank, Stated
from .setting import Setting

if TYPE_CHECKING:
    from ..toml import Lines

FILE_NAME = "dagger-aml.toml"


@frozen
class ProjectFile:
    """A project file as read, together with the files that it extends; an absent one is empty.

    :param tables: of all the files.
    :param files: the project's own first, then what it extends, the nearest first.
    """

    tables: Any
    files: tuple[_File, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where the files lie."""
        return tuple(file.path for file in self.files)

    def origin(self, *key: str | int) -> Origin:
        """The line of a key such as ``("models", 0, "path")``, in the file that says it."""
        if not self.files:
            return DEFAULT
        return next((file for file in self.files if file.says(key)), self.files[0]).origin(*key)

    def location(self, *key: str | int) -> str:
        """As :meth:`origin`, for a message: ``dagger-aml.toml:7``."""
        return self.origin(*key).location

    def says(self, record: Setting) -> Iterator[Stated]:
        """What the file says of a setting, if it says it."""
        if not record.key or record.unless_file:
            return
        value = self.tables
        for part in record.key:
            value = getattr(value, field_name(part))
        if value is not None and value not in ((), {}):
            yield Stated(value, self.origin(*record.key))


@frozen(slots=False)
class _File:
    """One TOML file.

    :param data: its keys, without what a pyproject.toml holds for others; ``tables`` the same, typed.
    :param shown: how messages name it.
    """

    path: Path
    data: dict[str, Any] = field(repr=False)
    tables: Any = field(repr=False)
    text: str = field(repr=False)
    prefix: tuple[str, ...]
    shown: str

    def origin(self, *key: str | int) -> Origin:
        return Origin(Rank.FILE, file=self.shown, line=self.lines.of((*self.prefix, *key)), path=self.path)

    @cached_property
    def lines(self) -> Lines:
        """Where its keys stand; asked for each value of a large table."""
        from ..toml import lines_of

        return lines_of(self.text)

    def location(self, *key: str | int) -> str:
        return self.origin(*key).location

    def says(self, key: tuple[str | int, ...]) -> bool:
        """Whether a key stands in this file: by its table's key where the table is merged, else as a whole."""
        if not key or key[0] not in self.data:
            return False
        value = self.data[str(key[0])]
        return not isinstance(value, dict) or len(key) < 2 or key[1] in value


def read_project_file(root: Path) -> ProjectFile:
    """Read the project file of a folder, and the files that it extends.

    :raises ProjectError: both files declare the project; broken TOML; an unknown key, with the nearest known one; a
        value of a wrong type; an extended file that is missing or extends itself. Each with file:line.
    """
    own, pyproject = root / FILE_NAME, root / "pyproject.toml"
    found = _read(pyproject, pyproject.name) if pyproject.is_file() else None
    if own.exists() or own.is_symlink():
        if found:
            raise ProjectError(
                f"two candidates for the project file: {FILE_NAME} and [tool.dagger-aml] of pyproject.toml",
                location=str(root),
                hint="Keep one of them.",
            )
        found = _read(own, own.name)
    if not found:
        return ProjectFile(nothing_said())
    _check_own(found)
    files = (found, *_extended(found, root, (found,)))
    if len(files) == 1:
        return ProjectFile(found.tables, files)
    merged: dict[str, Any] = {}
    for file in reversed(files):
        for key, value in file.data.items() if file is found else _from_root(file, root).items():
            before = merged.get(key)
            both = isinstance(value, dict) and isinstance(before, dict)
            merged[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    from .structure import converter
    from .tables import Tables

    return ProjectFile(converter().structure(merged, Tables), files)


def _check_own(file: _File) -> None:
    """Refuse what only a file may say that this one extends."""
    for record in BUILD_SETTINGS.values():
        if record.unless_own and file.says(record.key):
            raise ProjectError(
                f"{'.'.join(record.key)} cannot stand in a project's own file: {record.unless_own}",
                location=file.location(*record.key),
                hint=f"Set it with {named(record.name)} or ${record.variable}, or in a file that this one extends.",
            )


def _read(path: Path, shown: str) -> _File | None:
    """One file, its keys and types checked; None for a pyproject.toml that says nothing of us."""
    text, data = _parse(path, shown)
    prefix: tuple[str, ...] = ()
    if path.name == "pyproject.toml":
        tools = data.get("tool", {})
        table = tools.get("dagger-aml") if isinstance(tools, dict) else None
        if table is None:
            return None
        data, prefix = table, PYPROJECT
    from .structure import structure

    return _File(path, data, structure(data, FileLocation(shown, path), text, prefix), text, prefix, shown)


def _extended(file: _File, root: Path, chain: tuple[_File, ...]) -> Iterator[_File]:
    """The files that a file extends, the nearest first: of several the last, and each before what it extends itself.

    :param chain: the files that led here, this one last.
    """
    said = file.data.get("extends", ())
    for name in reversed([said] if isinstance(said, str) else list(said)):
        location = file.location("extends")
        path = Path(os.path.normpath(file.path.parent / name)) if "\0" not in name else None
        if path is None or not path.is_file():
            raise ProjectError(
                f"the file in `extends` does not exist: {name!r}",
                location=location,
                hint=f"{meant(path, file.path.parent) if path else ''}Paths in this file are relative to "
                f"{file.path.parent}.",
            )
        if any(path.samefile(each.path) for each in chain):
            raise ProjectError(f"{name!r} extends itself", location=location, hint="Remove one of the two lines.")
        # As seen from the project: many files that are extended have one name, such as common.toml.
        found = _read(path, Path(os.path.relpath(path, root)).as_posix())
        if found is None:
            raise ProjectError(f"{name!r} has no [tool.dagger-aml]", location=location)
        yield found
        yield from _extended(found, root, (*chain, found))


def _from_root(file: _File, root: Path) -> dict[str, Any]:
    """An extended file's keys, its paths as seen from the project."""

    def moved(value: Any, key: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {name: moved(inner, (*key, name)) for name, inner in value.items()}
        if isinstance(value, list):
            return [moved(item, key) if isinstance(item, dict) else item for item in value]
        if key == ("base",) and isinstance(value, str) and value.partition(":")[0] in ARCHIVES:
            kind, _, rest = value.partition(":")
            return f"{kind}:{Path(os.path.relpath(file.path.parent / rest, root)).as_posix()}"
        recipe = key == ("recipe",) and looks_like_path(value)
        if isinstance(value, str) and (recipe or key in PATHS):
            return Path(os.path.relpath(file.path.parent / value, root)).as_posix()
        if key[0] == "secrets" and isinstance(value, str) and value.startswith("src=") and value[4:5] not in "~/":
            return f"src={Path(os.path.relpath(file.path.parent / value[4:], root)).as_posix()}"
        return value

    return {key: moved(value, (key,)) for key, value in file.data.items()}


def looks_like_path(recipe: str) -> bool:
    """Whether a recipe is named by its file, not by its name."""
    return recipe.endswith(".py") or "/" in recipe or "\\" in recipe


def _parse(path: Path, shown: str) -> tuple[str, dict[str, Any]]:
    from .. import toml
    from ..fs import drafts

    try:
        text = drafts.read_bytes(path).decode("utf-8-sig")
        return text, toml.read(text)
    except OSError as error:
        raise unreadable(error, path) from None
    except UnicodeDecodeError:
        raise ProjectError("is not UTF-8", location=str(path)) from None
    except toml.NotToml as error:
        line = error.line or text.count("\n") + 1
        columns = (error.column, error.column + 1) if error.column else None
        place = FileLocation(shown, path, line, columns)
        raise ProjectError(f"broken TOML: {error.reason}", location=place) from None
