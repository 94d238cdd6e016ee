"""What a conda file is for, before its base is known: the Python that it names, and the names of its packages."""

from __future__ import annotations

from pathlib import Path

from attrs import field
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ..data import frozen
from .conda_spec import NotASpec, name_of, parse_spec
from .conda_yaml import read_conda_file


@frozen
class Outline:
    """The outline of a conda file.

    :param python: the versions that it names, such as ``==3.10.*``; empty where it names none.
    :param names: of its packages, conda's and pip's; those that only another file tells are not among them.
    """

    python: str = ""
    names: frozenset[str] = field(factory=frozenset)


def outline(path: Path) -> Outline:
    """Read a conda file's outline; lines that cannot be read are passed over, which its reader tells of.

    :raises ProjectError: missing, unreadable, no YAML, or none of conda's.
    """
    file = read_conda_file(path)
    python, names = "", set()
    for entry in file.dependencies:
        try:
            name = name_of(entry.text)
            names.add(canonicalize_name(name))
            python = parse_spec(entry.text).versions if name == "python" else python
        except NotASpec:
            continue
    for entry in file.pip:
        try:
            names.add(canonicalize_name(Requirement(entry.text.partition(" #")[0]).name))
        except InvalidRequirement:
            continue
    return Outline(python, frozenset(names))
