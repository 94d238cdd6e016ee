"""Which versions of a package a project's list allows, and which texts are versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ..errors import ProjectError
from .lines import requirements_text
from .model import Requirements


def allowed(listed: Requirements) -> Mapping[str, SpecifierSet]:
    """The versions that a list allows, by the normalised names of packages; what has a URL is not there."""
    found: dict[str, SpecifierSet] = {}
    texts = [listed.text] if listed.text is not None else [_read(path) for path in listed.files]
    for line in (line for text in texts for line in text.splitlines()):
        plain = line.split(" #")[0].split(" --")[0].rstrip("\\ ").strip()
        if not plain or plain[0] in "#-":
            continue
        try:
            said = Requirement(plain)
        except InvalidRequirement:
            continue
        if not said.url:
            name = canonicalize_name(said.name)
            found[name] = found.get(name, SpecifierSet()) & said.specifier
    return found


def is_version(text: str) -> bool:
    """Whether a text is a version that pip accepts, and can compare."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _read(path: Path) -> str:
    if path.suffix not in (".txt", ".in"):
        return ""
    try:
        return requirements_text(path)
    except ProjectError:
        return ""
