"""The project above a folder that has no project file of its own, and whether the folder is that project's code."""

from __future__ import annotations

from pathlib import Path

from ..errors import DaggerAmlError
from ..fs.lookup import is_file
from ..pysource.pythons import Python
from .discover import scripts
from .file import FILE_NAME, read_project_file

_HIGHEST = 6
"""Folders above that are looked at, within the git repository."""

_DEPLOYMENTS = ("deployment.yml", "deployment.yaml")
"""Only by these names: the folders above may hold thousands of files."""


def file_above(root: Path, python: Python | None) -> Path | None:
    """The file of the nearest project above, where this folder is its code or a part of that.

    :param root: the folder; it has no project file.
    :param python: the version that is to run the code.
    :returns: None also where that cannot be told, as of a file that cannot be read.
    """
    file = nearest_file(root)
    try:
        return file if file and _takes(file.parent, file, root, python) else None
    except (DaggerAmlError, OSError):
        return None


def nearest_file(root: Path) -> Path | None:
    """The file of the nearest project above; None also where that cannot be told."""
    below = root
    for folder in [*root.parents][:_HIGHEST]:
        try:
            if (below / ".git").exists():
                return None
            if file := _file_of(folder):
                return file
        except (DaggerAmlError, OSError):
            return None
        below = folder
    return None


def _file_of(folder: Path) -> Path | None:
    if is_file(folder / FILE_NAME):
        return folder / FILE_NAME
    pyproject = folder / "pyproject.toml"
    if is_file(pyproject) and read_project_file(folder).files:
        return pyproject
    deployments = [folder / name for name in _DEPLOYMENTS if is_file(folder / name)]
    if not deployments:
        return None
    from .deployment.kinds import DEPLOYMENTS, kind_of_file

    # Kubernetes' own are often called so too.
    return next((each for each in deployments if kind_of_file(each) in DEPLOYMENTS), None)


def _takes(folder: Path, file: Path, root: Path, python: Python | None) -> bool:
    """Whether a project's code is a folder of its own, and the other is that or lies in it."""
    code = _code_of(folder, file)
    codes = [code] if code else [each.path.parent for each in scripts(folder, python)]
    return any(each != folder and root.is_relative_to(each) for each in codes)


def _code_of(folder: Path, file: Path) -> Path | None:
    """The code folder that a project's file names."""
    if file.name in _DEPLOYMENTS:
        from .deployment.read import read_deployment

        code = read_deployment(file).code
        return code.resolve() if code else None
    said = read_project_file(folder).tables.code.path
    return (folder / said).resolve() if said else None
