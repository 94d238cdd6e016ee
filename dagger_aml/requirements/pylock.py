"""Reading ``pylock.toml``, the lock file of the packaging standards (PEP 751), by the library ``packaging``."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from attrs import evolve
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from .lock import LockFile, Pin, as_requirements, local_archive, read_toml, usable_hashes
from .model import LockedFile, Requirements

_TREE = "Build a wheel from it (pip wheel --no-deps DIR), keep the wheel in the project, and lock the wheel."


_MEMBERSHIP = re.compile(r'"([^"]*)" (not in|in) (extras|dependency_groups)')


_ALWAYS, _NEVER = "python_version >= '0'", "python_version < '0'"


def read_pylock(path: Path) -> Requirements:
    """Read a pylock.toml: its packages without extras, with its default dependency groups.

    Every package is taken with its marker, whatever this machine is, and with the hashes of all its files. The
    project itself, which some tools list as a folder, is left to the code that is copied.

    :raises ProjectError: not such a file, or one of another version; a package from version control or a folder.
    """
    file = read_toml(path)
    try:
        lock = Pylock.from_dict(file.data)
    except PylockUnsupportedVersionError as error:
        raise file.error(str(error), "lock-version") from None
    except PylockValidationError as error:
        raise file.error(f"not a lock file: {error}", *_key(error.context or "")) from None
    pins: list[Pin] = []
    archives: list[Path] = []
    links: list[str] = []
    for index, package in enumerate(lock.packages):
        if package.directory is not None and posixpath.normpath(package.directory.path) == ".":
            continue
        key = ("packages", index)
        marker = _marker(package, lock.default_groups or ())
        if package.archive is not None:
            wanted, found = _archive(file, package.name, package.archive, *key)
            archives += found
            wheel = _wheel_of(file, package.archive)
            pin = Pin(package.name, wanted, _hashes(package.archive), marker, None, key)
            python, version = str(package.requires_python or ""), str(package.version or "")
            pins.append(evolve(pin, files=wheel, source=not wheel, python=python, version=version))
            continue
        if package.vcs is not None or package.directory is not None:
            kind = "a folder" if package.directory else "version control"
            raise file.error(
                f"{package.name} is from {kind}, and its source is not copied into the build", *key, hint=_TREE
            )
        files: list[PackageSdist | PackageWheel] = [
            *(package.wheels or ()),
            *([package.sdist] if package.sdist else []),
        ]
        for each in files:
            if each.path is not None:
                line, archive = local_archive(file, each.path, *key)
                archives.append(archive)
                links.append(posixpath.dirname(line))
        version = _version(package)
        pin = Pin(package.name, f"{package.name}=={version}", _hashes(*files), marker, package.index, key)
        wheels = tuple(_locked(file, each.filename, each) for each in package.wheels or ())
        python = str(package.requires_python or "")
        pins.append(evolve(pin, files=wheels, source=package.sdist is not None, python=python, version=version))
    environments = [str(each) for each in lock.environments or ()]
    python = str(lock.requires_python or "")
    return as_requirements(file, pins, archives, python=python, links=links, environments=environments)


def _wheel_of(file: LockFile, archive: PackageArchive) -> tuple[LockedFile, ...]:
    """The wheel that a package is taken from; none where it is another archive."""
    try:
        path = archive.path or unquote(urlsplit(archive.url or "").path)
    except ValueError as error:
        raise file.error(f"not a URL: {archive.url!r} ({error})") from None
    name = posixpath.basename(path)
    return (_locked(file, name, archive),) if name.endswith(".whl") else ()


def _locked(file: LockFile, name: str, found: PackageArchive | PackageWheel) -> LockedFile:
    path = str(file.path.parent / found.path) if found.path else ""
    url = "" if path else found.url or ""
    return LockedFile(name, url, path, found.hashes.get("sha256", "").lower(), found.size)


def _archive(file: LockFile, name: str, archive: PackageArchive, *key: str | int) -> tuple[str, list[Path]]:
    """What pip is told to install, and the file that travels for it."""
    if archive.path is not None:
        if archive.subdirectory:
            raise file.error(f"{name} is in a subfolder of an archive, which is not supported", *key, hint=_TREE)
        line, found = local_archive(file, archive.path, *key)
        return line, [found]
    part = f"#subdirectory={archive.subdirectory}" if archive.subdirectory else ""
    return f"{name} @ {archive.url}{part}", []


def _version(package: Package) -> str:
    """The version, which a lock may leave to the names of the files."""
    if package.version is not None:
        return str(package.version)
    if package.wheels:
        return str(parse_wheel_filename(package.wheels[0].filename)[1])
    assert package.sdist is not None
    return str(parse_sdist_filename(package.sdist.filename)[1])


def _hashes(*files: PackageArchive | PackageSdist | PackageWheel) -> tuple[str, ...]:
    return usable_hashes([f"{name}:{value}" for file in files for name, value in file.hashes.items()])


def _marker(package: Package, groups: Sequence[str]) -> str:
    """A package's marker as pip understands it: pip has no extras or dependency groups of a lock file."""

    def known(match: re.Match[str]) -> str:
        there = match[3] == "dependency_groups" and match[1] in groups
        return _ALWAYS if there == (match[2] == "in") else _NEVER

    return _MEMBERSHIP.sub(known, str(package.marker)) if package.marker else ""


def _key(context: str) -> tuple[str | int, ...]:
    """``packages[3].wheels[0]`` as the key of a TOML value."""
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", context))
