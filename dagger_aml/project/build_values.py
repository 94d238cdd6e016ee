"""The values of a build's settings: one for all the projects that a command line names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DaggerAmlError, UsageError
from ..text import named
from .deployment.place import folder_of
from .file import ProjectFile, read_project_file
from .notes import Beaten
from .origin import Rank, Stated, best
from .setting import Setting, as_said, says_same, typed


def resolved(
    record: Setting,
    flag: Any,
    files: Mapping[str, ProjectFile],
    default: Stated,
    environ: Mapping[str, str] = os.environ,
) -> Stated:
    """The value of a setting of a build.

    :param flag: its flag's value, None where it is not given.
    :param files: by the folders that the command line names.
    :raises UsageError: files of several projects say it differently, and neither flag nor variable decides.
    """
    found = best([*typed(record, flag, environ), *_in_files(record, files), default])
    if not found.is_typed:
        _check_agree(record, files)
    return found


def beaten(record: Setting, holds: Stated, files: Mapping[str, ProjectFile]) -> Iterator[Beaten]:
    """What the files say otherwise, where a variable's value holds."""
    if holds.origin.rank is Rank.VARIABLE:
        for each in _in_files(record, files):
            if not says_same(holds.value, each.value):
                yield Beaten(record.name, holds, each)


def files_of(folders: Sequence[str]) -> dict[str, ProjectFile]:
    """The project files of folders, and of the folders of other files; one that cannot be read is told of when its
    project is, and left out here."""
    found = {}
    for folder in folders:
        try:
            place = Path(folder).parent if Path(folder).is_file() else folder_of(Path(folder))
            if place.is_dir():
                found[folder] = read_project_file(place.resolve())
        except (DaggerAmlError, OSError):
            continue
    return found


def _in_files(record: Setting, files: Mapping[str, ProjectFile]) -> Iterator[Stated]:
    for file in files.values():
        yield from file.says(record)


def _check_agree(record: Setting, files: Mapping[str, ProjectFile]) -> None:
    said = {folder: next(file.says(record), None) for folder, file in files.items()}
    one = next(((folder, each) for folder, each in said.items() if each), None)
    if one is None:
        return
    folder, value = one
    assert value is not None
    for other, each in said.items():
        if each is None or as_said(each.value) != as_said(value.value):  # As text, since nan is not nan.
            key = ".".join(record.key)
            theirs = f"{_shown(each)} ({other}, {each.origin})" if each else f"nothing ({other})"
            raise UsageError(
                f"two projects say {key} differently: {_shown(value)} ({folder}, {value.origin}) and {theirs}",
                location=named(record.name),
                hint=f"Set it for all of them with {named(record.name)} or ${record.variable}, or build them one by "
                "one.",
            )


def _shown(said: Stated) -> str:
    """A value for a message: a text in quotes."""
    return repr(said.value) if isinstance(said.value, str) else as_said(said.value)
