"""A wheel's archive: its names, its metadata, and what of it may lie in a folder of packages."""

from __future__ import annotations

import posixpath
import re
import stat
import sys
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Literal

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from ..data import frozen
from ..errors import ProjectError
from ..graph.wheel_files import Wheel
from ..text import named
from .manifest import Unpacked

_HARMLESS = frozenset({"distutils-precedence.pth"})
"""Of setuptools, which works without it."""

_REMOVED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"})
"""Of ``.dist-info``: what we write ourselves, or what would not be true any more."""

Scheme = Literal["purelib", "platlib", "headers", "scripts", "data"]


@frozen
class Member:
    """One file of a wheel.

    :param place: where it goes, relative to the folder.
    :param data: whether it is no module: of ``.data/data`` or headers.
    """

    info: zipfile.ZipInfo
    place: str
    data: bool = False

    @property
    def executable(self) -> bool:
        """Whether anyone may execute it."""
        return bool(self.info.external_attr >> 16 & 0o111)


@frozen
class Contents:
    """What of a wheel goes into a folder.

    :param dist_info: the name of its folder of metadata.
    """

    package: Unpacked
    dist_info: str
    members: tuple[Member, ...]


def read_wheel(archive: zipfile.ZipFile, wheel: Wheel, location: str) -> Contents:
    """Look at a wheel's names and metadata; nothing is unpacked.

    :param location: the lock that names it, for messages.
    :raises ProjectError: it is none, is another package's, or cannot work from a folder of its own.
    """
    title = wheel.file.filename
    infos = [each for each in archive.infolist() if not each.is_dir()]
    for info in infos:
        _check_member(info, title, location)
    tops = {each.filename.partition("/")[0] for each in infos if "/" in each.filename}
    dist_infos = [each for each in tops if each.endswith(".dist-info")]
    if len(dist_infos) != 1:
        raise _broken(title, f"it has {len(dist_infos)} .dist-info folders", location)
    dist_info = dist_infos[0]
    metadata = HeaderParser().parsestr(_text(archive, f"{dist_info}/METADATA", title, location))
    said = HeaderParser().parsestr(_text(archive, f"{dist_info}/WHEEL", title, location))
    if (said["Wheel-Version"] or "").partition(".")[0] != "1":
        raise _broken(title, f"its Wheel-Version is {said['Wheel-Version']}", location)
    name, version = metadata["Name"] or "", metadata["Version"] or ""
    _check_identity(wheel, name, version, location)
    data = f"{dist_info.removesuffix('.dist-info')}.data"
    members: dict[str, Member] = {}
    left_out: list[str] = []
    for info in infos:
        path = info.filename
        scheme: str = "purelib"
        if path.startswith(f"{data}/"):
            scheme, _, path = path.removeprefix(f"{data}/").partition("/")
        if scheme == "scripts":
            left_out.append(path)
            continue
        if scheme not in ("purelib", "platlib", "data", "headers") or not path:
            raise _broken(title, f"it has a file of no known kind: {info.filename}", location)
        if scheme == "headers":
            path = f"include/{name}/{path}"
        if posixpath.dirname(path) == dist_info and posixpath.basename(path) in _REMOVED:
            continue
        if path.endswith(".pyc") and "__pycache__" in path.split("/"):
            continue
        member = Member(info, path, scheme in ("data", "headers"))
        if path in members:
            raise _broken(title, f"it has {path} twice", location)
        members[path] = member
    _check_works(members, title, location)
    kept = tuple(members[path] for path in sorted(members))
    beside = tuple(each.place for each in kept if each.data)
    needs = tuple(" ".join(each.split()) for each in metadata.get_all("Requires-Dist") or ())
    package = Unpacked(name, version, needs, tuple(sorted(left_out)), beside)
    return Contents(package, dist_info, kept)


def _check_member(info: zipfile.ZipInfo, title: str, location: str) -> None:
    """Refuse names that lead out of the folder, and what is no plain file."""
    parts = info.filename.split("/")
    hostile = any(part in ("", ".", "..") or len(part.encode("utf-8", "surrogatepass")) > 255 for part in parts)
    if hostile or "\\" in info.filename or re.search(r"[\x00-\x1f\x7f]", info.filename):
        raise _broken(title, f"it has a file that is called {info.filename!r}", location)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _broken(title, f"{info.filename} is no plain file", location)
    if info.flag_bits & 0x1:
        raise _broken(title, f"{info.filename} is encrypted", location)


def _text(archive: zipfile.ZipFile, name: str, title: str, location: str) -> str:
    try:
        return archive.read(name).decode("utf-8", "replace")
    except KeyError:
        raise _broken(title, f"it has no {name}", location) from None


def _check_identity(wheel: Wheel, name: str, version: str, location: str) -> None:
    title = wheel.file.filename
    named, numbered, _, _ = parse_wheel_filename(title)
    if canonicalize_name(name) != named or canonicalize_name(wheel.name) != named:
        raise _broken(title, f"it is of {name or 'no package'}, and the lock has it for {wheel.name}", location)
    try:
        same = Version(version) == numbered
    except InvalidVersion:
        same = False
    if not same:
        raise _broken(title, f"its metadata says version {version!r}", location)


def _check_works(members: dict[str, Member], title: str, location: str) -> None:
    """Refuse what is not read in a folder on ``PYTHONPATH``, and what would take the place of Python's own modules.

    :raises ProjectError: a ``.pth`` file; a module that is called as one of the standard library.
    """
    for path in members:
        if "/" not in path and path.endswith(".pth") and path not in _HARMLESS:
            raise ProjectError(
                f"{title} works by {path}, which Python reads only in its own site-packages",
                location=location,
                hint=f"Have pip install the packages: {named('packages_as', 'installed')}.",
            )
    shadowing = sorted(set(_modules(members)) & sys.stdlib_module_names)
    if shadowing:
        raise ProjectError(
            f"{title} has a module called {shadowing[0]}, which would come before the one of Python's own library",
            location=location,
            hint=f"It is a backport that today's Pythons do not need: lock without it. {_install()}",
        )


def _install() -> str:
    return f"Or have pip install the packages: {named('packages_as', 'installed')}."


def _modules(members: dict[str, Member]) -> Iterator[str]:
    """The modules at the top of a wheel, as far as they have code."""
    for path in members:
        top, slash, _ = path.partition("/")
        if slash and path.endswith((".py", ".so", ".pyc")) and top.isidentifier():
            yield top
        elif not slash and path.endswith((".py", ".so", ".pyc")):
            yield path.partition(".")[0]


def _broken(title: str, why: str, location: str) -> ProjectError:
    return ProjectError(
        f"{title} is not a wheel that can be unpacked: {why}",
        location=location,
        hint=f"Lock another version or file of the package. {_install()}",
    )


def open_wheel(path: Path, wheel: Wheel, location: str) -> zipfile.ZipFile:
    """Open a wheel's archive.

    :raises ProjectError: it is none.
    """
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise _broken(wheel.file.filename, str(error), location) from None
