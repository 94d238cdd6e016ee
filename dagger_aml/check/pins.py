"""A version that is known for a package, written into the list of packages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DaggerAmlError
from ..finding import FileLocation, Fix
from ..fs.lookup import is_file
from . import mending

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from ..requirements.model import CondaLines, Listed, Requirements

_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml")


def pinned(requirements: Requirements, name: str, versions: str) -> tuple[Fix, ...]:
    """The line that lists a package, with other versions of it; nothing where there is not one such line, or where
    more hangs on it: a hash, a marker, a URL, a lock that was made of it, a build of conda's.

    :param name: normalised. :param versions: what stands behind the name, as ``==1.5.2``.
    """
    from packaging.utils import canonicalize_name

    lines = [each for each in requirements.listed if each.name and canonicalize_name(each.name) == name]
    if len(lines) != 1 or requirements.locked or requirements.hashes:
        return ()
    (line,) = lines
    place = line.location
    if line.url or line.marker or line.hashed or not isinstance(place, FileLocation):
        return ()
    if place.path.suffix == ".toml" and any((place.path.parent / each).is_file() for each in _LOCKS):
        return ()
    written = _of_conda(requirements.conda, line, name) if requirements.conda else line.text
    head = re.match(r"(?:[^\s\[\]=<>!~]+::)?[\w.-]+\s*(?:\[[^\]]*\])?", written or "")
    if written is None or head is None:
        return ()
    old = r"\s+".join(map(re.escape, written.split()))
    # Where YAML's own brackets may stand around it, a comma would end it.
    begin = r"""^\s*(?:-\s+)+["']?""" if requirements.conda and "," in versions else r"(?<![\w.\[-])"
    return mending.on_line(place, rf"{begin}(?P<old>{old})(?![\w.*,|<>=!~-])", head[0].rstrip() + versions)


def _of_conda(conda: CondaLines, line: Listed, name: str) -> str | None:
    """A line of a conda file as it is written; None where other versions of it would not be conda's too.

    :param name: the package's on PyPI, normalised.
    """
    from packaging.utils import canonicalize_name

    from ..requirements.conda_spec import parse_spec

    own = next((each for each in conda.lines if each.location == line.location and each.to == line.text), None)
    if own is None:
        return line.text
    spec = parse_spec(own.written)
    # A build is of one version; a twin of another name may count its versions otherwise, as opencv-python does.
    plain = not spec.build and not spec.chosen and "[" not in own.written
    return own.written if plain and canonicalize_name(spec.name) == name else None


def version_of(listed: Listed, found: Mapping[str, str | None], allowed: SpecifierSet | None) -> str | None:
    """The version that is known of a listed package, if its line allows it.

    :param found: versions by normalised names; None where two are known.
    """
    from packaging.utils import canonicalize_name

    version = found.get(canonicalize_name(str(listed.name)))
    if version is None or not is_published(version):
        return None
    return version if allowed is None or allowed.contains(version, prereleases=True) else None


def locked_versions(listed: Path, root: Path) -> Mapping[str, str | None]:
    """The versions of the one lock that lies beside a list, by normalised names; None of a package that it has twice.
    Nothing without one, with two, and of one that cannot be read.

    :param root: the project's folder.
    """
    from packaging.utils import canonicalize_name

    from ..requirements.read import read_requirements

    locks = [each for each in (listed.parent / name for name in ("pylock.toml", "uv.lock")) if is_file(each)]
    if len(locks) != 1 or locks[0] == listed:
        return {}
    try:
        locked = read_requirements(locks[0], root=root).locked
    except (DaggerAmlError, OSError):
        return {}
    found: dict[str, str | None] = {}
    for each in locked:
        name = canonicalize_name(each.name)
        found[name] = each.version if each.version and name not in found else None
    return found


def is_published(version: str) -> bool:
    """Whether a version may be one of an index: it is a version, and neither of somebody's own nor of a day."""
    from packaging.version import InvalidVersion, Version

    try:
        read = Version(version)
    except InvalidVersion:
        return False
    return read.local is None and not read.is_devrelease
