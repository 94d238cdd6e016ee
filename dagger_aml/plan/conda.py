"""What the packages of a conda file became, as the plan shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..base import catalog
from ..base.plain_python import is_for
from ..errors import DaggerAmlError
from ..project.deployment.place import shown
from ..project.model import Project
from ..requirements.read import is_yaml, read_requirements

if TYPE_CHECKING:
    from ..requirements.model import Requirements


def conda_text(project: Project) -> Iterator[str]:
    """A section of the plan: each line of the file's conda part, and what pip is told in its place."""
    found = _read(project)
    if found is None or found.conda is None:
        return
    yield ""
    file = shown(found.path, project.root) if project.deployment else project.at(found.path)
    yield f"Packages of {file}, which pip installs from PyPI:"
    if found.conda.python:
        another = found.conda.of_base and not _is_the_bases(found.conda.python, project)
        of_base = ", but the base image's is used" if another else ""
        yield f"  Python {found.conda.shown_python}{of_base}"
    for each in found.conda.lines:
        why = f" ({each.why})" if each.to and each.why else ""
        yield f"  {each.written} is {each.to}{why}" if each.to else f"  {each.written} is left out: {each.why}"
    by_pip = len([each for each in found.listed if not each.constraint]) - sum(
        bool(each.to) for each in found.conda.lines
    )
    if by_pip:
        yield f"  the pip part, as it is written: {by_pip} package{'s' if by_pip != 1 else ''}"
    from ..requirements.installable import says_index

    if not says_index(project.access):
        yield from (f"  {line}" for line in found.indexes)


def _is_the_bases(versions: str, project: Project) -> bool:
    """Whether the base's Python, as far as its name tells it, is one of those that a file is for."""
    python = catalog.python(project.base)
    return python is not None and is_for(versions, python)


def conda_json(project: Project) -> list[dict[str, Any]] | None:
    """The same as plain data; None where no conda file is read."""
    found = _read(project)
    if found is None or found.conda is None:
        return None
    return [
        {"conda": each.written, "pip": each.to or None, "why": each.why, "line": each.location.line}
        for each in found.conda.lines
    ]


def _read(project: Project) -> Requirements | None:
    """The project's conda file, read; None where it has none that can be."""
    if project.requirements is None or not is_yaml(project.requirements.name):
        return None
    try:
        return read_requirements(project.requirements, root=project.root, conda=project.conda)
    except (DaggerAmlError, OSError):
        return None
