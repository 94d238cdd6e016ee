"""What lock files have in common: pinned packages, and the lines that pip takes them by."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import field
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .. import toml
from ..data import frozen
from ..errors import ProjectError
from ..finding import FileLocation
from ..toml import Lines, lines_of
from .files import inside, read_text
from .model import Locked, LockedFile, Requirements, as_a_secret, has_password

_PYPI = "https://pypi.org/simple"


_ALGORITHMS = ("sha256", "sha384", "sha512")
"""Those that pip takes a hash of."""


_HASH = re.compile(r"[a-z0-9]+:[0-9a-fA-F]+\Z")


_PLAIN_PATH = re.compile(r"[\w.+@=-][\w.+@=/-]*\Z", re.ASCII)


_URL = re.compile(r"https?://[!-~]+\Z")


@frozen(slots=False)
class LockFile:
    """A lock file's text and tables; each error about it has the line of what it is about."""

    path: Path
    text: str = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)

    def location(self, *key: str | int) -> str:
        """``uv.lock:12``, the file by its whole path; no line for the file as a whole."""
        return FileLocation(str(self.path), self.path, self._lines.of(key) if key else None)

    @cached_property
    def _lines(self) -> Lines:
        return lines_of(self.text)

    def error(self, message: str, *key: str | int, hint: str | None = None) -> ProjectError:
        """An error about the table or value at a key."""
        return ProjectError(message, location=self.location(*key), hint=hint)


@frozen
class Pin:
    """One package of a lock.

    :param name: as the lock has it.
    :param wanted: a requirement without marker, or an archive's path, relative to the lock file.
    :param hashes: ``sha256:…`` of each file that may be installed.
    :param marker: where it is to be installed; empty for everywhere.
    :param index: the package index that it is from; None for PyPI.
    :param key: of its table in the lock.
    :param files: its wheels, for whatever Python and platform.
    :param source: whether it has a source archive too, or is a file whose name does not tell where it fits.
    :param python: the Pythons that it is for; empty for any.
    :param version: empty where the lock does not say.
    """

    name: str
    wanted: str
    hashes: tuple[str, ...]
    marker: str
    index: str | None
    key: tuple[str | int, ...]
    files: tuple[LockedFile, ...] = ()
    source: bool = True
    python: str = ""
    version: str = ""

    @property
    def line(self) -> str:
        """As pip reads it."""
        wanted = f"{self.wanted} ; {self.marker}" if self.marker else self.wanted
        return " \\\n    ".join((wanted, *(f"--hash={each}" for each in self.hashes)))


def read_toml(path: Path) -> LockFile:
    """Read a TOML file.

    :raises ProjectError: missing, unreadable, or not TOML.
    """
    text = read_text(path)
    try:
        return LockFile(path, text, toml.read(text))
    except toml.NotToml as error:
        columns = (error.column, error.column + 1) if error.column else None
        location = FileLocation(str(path), path, error.line, columns)
        raise ProjectError(f"not TOML: {error}", location=location) from None


def checked_python(file: LockFile, python: object, *table: str) -> str:
    """What ``requires-python`` in a table says; empty for any Python.

    :raises ProjectError: it is no version specifier.
    """
    try:
        return str(SpecifierSet(python if isinstance(python, str) else str(python)))
    except InvalidSpecifier:
        raise file.error(f"not a range of Python versions: {python!r}", *table, "requires-python") from None


def usable_hashes(hashes: Sequence[str]) -> tuple[str, ...]:
    """Those that pip can compare, each once."""
    found = [each for each in hashes if _HASH.match(each) and each.partition(":")[0] in _ALGORITHMS]
    return tuple(sorted(set(found)))


def local_archive(file: LockFile, path: str, *key: str | int) -> tuple[str, Path]:
    """An archive that a lock names by its path: the line that pip takes it by, and the file.

    :raises ProjectError: it is missing, is a link, or does not lie in or below the lock's own folder.
    """
    if not _PLAIN_PATH.match(path):
        hint = "Use simple names for the file and its folders, and create the lock file again."
        raise file.error(f"this path cannot be written in a requirements file: {path!r}", *key, hint=hint)
    folder, plain = file.path.parent, posixpath.normpath(path)
    inside(folder / plain, path, file.location(*key), folder.resolve())
    return f"./{plain}", folder / plain


def as_requirements(
    file: LockFile,
    pins: Sequence[Pin],
    archives: Sequence[Path],
    *,
    python: str = "",
    links: Sequence[str] = (),
    environments: Sequence[str] = (),
) -> Requirements:
    """A lock as pip's own lines, with hashes, so that pip takes no other files.

    Markers stay in the lines: it is the image's Python and platform that they are about.

    :param archives: local files that the lines name.
    :param environments: markers, of which one must hold where the lock is used.
    :param links: folders, relative to the lock file, in which local files lie that pip chooses from.
    :raises ProjectError: some packages have hashes and some have none; a URL with a password in it; what cannot be
        written as a line for pip.
    """
    for pin in pins:
        _check(file, pin)
    bare = [pin for pin in pins if not pin.hashes]
    if bare and len(bare) < len(pins):
        raise file.error(
            f"{bare[0].name} has no hash that pip supports, but other packages have one; pip needs a hash for "
            "every package or for none",
            *bare[0].key,
            hint="Create the lock file again with an index that provides hashes, or export the requirements "
            "without hashes.",
        )
    lines = [f"# dagger-aml made this from {file.path.name}."]
    lines += [f"--find-links {link}" for link in dict.fromkeys(links)]
    lines += [pin.line for pin in pins]
    return Requirements(
        file.path,
        tuple(pin.name for pin in pins),
        (file.path, *dict.fromkeys(archives)),
        text="\n".join(lines) + "\n",
        indexes=_index_lines(pins),
        hashes=bool(pins) and not bare,
        python=python,
        locked=tuple(
            Locked(pin.name, pin.marker, pin.files, pin.source, pin.python, file.location(*pin.key), pin.version)
            for pin in pins
        ),
        environments=tuple(environments),
    )


def _check(file: LockFile, pin: Pin) -> None:
    if has_password(pin.wanted) or has_password(pin.index or ""):
        raise file.error("a URL with a password or token in it would stay in the image", *pin.key, hint=as_a_secret())
    if pin.index is not None and not _URL.match(pin.index):
        raise file.error(
            f"{pin.name} is from an index that the build cannot reach: {pin.index}",
            *pin.key,
            hint="Lock with an index that has an http(s) address, or list wheels by their paths in requirements.txt.",
        )
    if not f"{pin.wanted}{pin.marker}".isprintable():
        # A URL may hold what ends a line, as packaging reads it.
        raise file.error(f"not a requirement: {pin.wanted!r}", *pin.key)
    if not pin.wanted.startswith("./"):
        try:
            Requirement(f"{pin.wanted} ; {pin.marker}" if pin.marker else pin.wanted)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise file.error(f"not a requirement: {pin.wanted!r} ({reason})", *pin.key) from None


def _index_lines(pins: Sequence[Pin]) -> tuple[str, ...]:
    """Options that name the lock's indexes. pip cannot bind a package to one; hashes keep others' files out."""
    indexes = list(dict.fromkeys((pin.index or _PYPI).rstrip("/") for pin in pins))
    if len(indexes) == 1 and indexes != [_PYPI]:
        return (f"--index-url {indexes[0]}",)
    return tuple(f"--extra-index-url {each}" for each in indexes if each != _PYPI)
