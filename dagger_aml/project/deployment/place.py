"""Where a project is that the command line names: a folder, or a deployment file in it."""

from __future__ import annotations

import os
from pathlib import Path

from ...fs.lookup import is_file


def is_project_file(path: Path) -> bool:
    """Whether a path is a YAML file, which as PROJECT can only be a deployment file."""
    return path.suffix.lower() in (".yml", ".yaml") and is_file(path)


def folder_of(path: Path) -> Path:
    """The folder of the project that a word of the command line names."""
    return path.parent if is_project_file(path) else path


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files of a folder, by name."""
    return sorted(path for path in folder.iterdir() if is_project_file(path))


def deployment_files(folder: Path) -> tuple[Path, ...]:
    """The files of a folder that deploy to an online endpoint, by what they say."""
    there = yaml_files(folder)
    if not there:
        return ()
    from .kinds import DEPLOYMENTS, kind_of_file

    return tuple(path for path in there if kind_of_file(path) in DEPLOYMENTS)


def shown(path: Path, root: Path) -> str:
    """A path as people read it, relative to the project wherever it lies."""
    return Path(os.path.relpath(path, root)).as_posix()
