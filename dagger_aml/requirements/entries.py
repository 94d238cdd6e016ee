"""One package of a list: what pip takes a line of a requirements file for."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from ..errors import ProjectError
from ..text import pattern
from .model import Listed

ARCHIVES: Final = (
    ".whl",
    ".zip",
    *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz"),
    *(".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"),
)
"""How the names of files end that pip takes for archives, in any case of letters."""


_TRANSPORTS = {
    "git": ("http", "https", "ssh", "git", "file"),
    "hg": ("http", "https", "ssh", "static-http", "file"),
    "svn": ("http", "https", "ssh", "svn", "file"),
    "bzr": ("http", "https", "ssh", "sftp", "ftp", "lp", "file"),
}
"""Programs that pip fetches sources by, and the transports that it gives to each."""


_SCHEMES = frozenset(
    {"http", "https", "file", "ftp", "ssh", "git", "hg", "bzr", "sftp", "svn"}
    | {f"{tool}+{transport}" for tool, transports in _TRANSPORTS.items() for transport in transports}
)
"""Those of a line that pip takes for a URL."""


_EGG = pattern(r"[#&]egg=([^&]*)")


_PROJECT = pattern(r"([A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9])\Z", re.IGNORECASE)


_DIGEST = pattern(r"[#&](?:sha512|sha384|sha256|sha224|sha1|md5)=[0-9a-f]")


_WHEEL = "Build a wheel (pip wheel --no-deps DIR) and list it by its relative path."


class FileURL(ProjectError):
    """A package is taken from a file of the machine on which the list was made.

    :param package: as the line has it.
    """

    def __init__(self, package: str, location: str) -> None:
        super().__init__(
            f"a path to a folder or a file URL cannot be used in the build: {package!r}",
            location=location,
            hint=_WHEEL,
        )
        self.package = package


def is_archive(name: str) -> bool:
    """Whether pip takes a file of this name for an archive."""
    return name.lower().endswith(ARCHIVES)


def tool_of(url: str) -> str | None:
    """The program that a URL is fetched by: ``git``, ``hg``, ``svn`` or ``bzr``; None for pip itself."""
    tool, plus, _ = urlsplit(url).scheme.partition("+")
    return tool if plus and tool in _TRANSPORTS else None


def check_fetched(url: str, package: str, location: str) -> None:
    """Whether a build can fetch a URL: no file of this machine, and by a scheme that pip can.

    :param package: the whole of what names it, for the message.
    :raises FileURL: it is a file URL, or of a repository on this machine.
    :raises ProjectError: it is no URL, or one that pip cannot fetch.
    """
    scheme = urlsplit(url).scheme
    tool, _, transport = scheme.rpartition("+")
    if transport == "file":
        raise FileURL(package, location)
    if scheme in ("http", "https") or transport in _TRANSPORTS.get(tool, ()):
        return
    if not scheme or "://" not in url:
        raise ProjectError(
            f"not a URL that pip can fetch: {package!r}",
            location=location,
            hint="Name a file of the project by its path alone, without NAME @: ./wheels/NAME-1.0-py3-none-any.whl",
        )
    hint = f"Write git+{url}" if scheme in ("git", "ssh") else "Use an https URL."
    raise ProjectError(f"pip cannot fetch {scheme} URLs: {package!r}", location=location, hint=hint)


def _without_extras(said: str) -> str:
    """``./x.whl`` of ``./x.whl[all]``."""
    before, opened, extras = said.rpartition("[")
    return before if opened and before and len(extras) > 1 and extras.find("]") == len(extras) - 1 else said


def entry(text: str, folder: Path, location: str, *, hashed: bool = False) -> tuple[Listed, str | None]:
    """What pip takes a line without options for, and the archive that it names.

    :param folder: in which pip runs, so that paths of archives are relative to it.
    :param hashed: whether the line has a hash.
    :raises ProjectError: pip takes it for nothing, or for what no build can have; of file URLs :class:`FileURL`.
    """
    said, marker = _marker(text, location)
    try:
        urlsplit(said.rpartition("@")[2].strip())
    except ValueError as error:
        raise _none(text, str(error), location) from None
    if _is_url(said):
        check_fetched(said, text, location)
        name = _name_of_url(said, text, location)
        listed = Listed(text, location, name, tool_of(said), said, marker, hashed or bool(_DIGEST.search(said)))
        return listed, None
    path = _without_extras(said)
    there = folder / path
    if (os.sep in said or said.startswith(".")) and os.path.isdir(there):  # noqa: PTH112 - no error for any name
        raise FileURL(text, location)
    before, at, _ = said.partition("@")
    looks_like_path = os.sep in before or before.startswith(".")
    exists = os.path.isfile(there)  # noqa: PTH113 - as above
    if is_archive(path) and (exists or not at or looks_like_path):
        name = _name_of_archive(posixpath.basename(path)) if exists else None
        if exists and name is None and path.lower().endswith(".whl"):
            raise _none(text, "not the name of a wheel", location)
        return Listed(text, location, name, marker=marker, hashed=hashed), path
    if said.startswith((".", "/")):
        raise FileURL(text, location)
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(said)
    except InvalidRequirement as error:
        raise _none(text, str(error).splitlines()[0], location) from None
    if wanted.url is not None:
        check_fetched(wanted.url, text, location)
        hashed = hashed or bool(_DIGEST.search(wanted.url))
    url = wanted.url or ""
    return Listed(text, location, wanted.name, tool_of(url), url, marker, hashed), None


def _marker(text: str, location: str) -> tuple[str, str]:
    """A line without its marker, and the marker; after a URL a blank must follow the semicolon."""
    said, _, marker = text.partition("; " if _is_url(text) else ";")
    marker = marker.strip()
    if marker:
        from packaging.markers import InvalidMarker, Marker

        try:
            Marker(marker)
        except InvalidMarker as error:
            raise _none(text, str(error).splitlines()[0], location) from None
    return said.strip(), marker


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).scheme in _SCHEMES
    except ValueError:
        return False


def _name_of_url(url: str, text: str, location: str) -> str | None:
    """The package of a URL that stands alone: of a wheel its name, else what ``#egg=`` says."""
    file = unquote(posixpath.basename(urlsplit(url).path.rstrip("/")))
    if file.lower().endswith(".whl"):
        name = _name_of_archive(file)
        if name is None:
            raise _none(text, "not the name of a wheel", location)
        return name
    egg = _EGG.search(url)
    if egg and not _PROJECT.match(egg[1]):
        raise ProjectError(
            f"not a package's name after #egg=: {text!r}",
            location=location,
            hint="Write NAME[EXTRA] @ URL.",
        )
    return egg[1] if egg else None


def _name_of_archive(file: str) -> str | None:
    """The package of a wheel or source archive; None where the name of the file does not tell."""
    if file.lower().endswith(".whl"):
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        try:
            return str(parse_wheel_filename(file)[0])
        except InvalidWheelFilename:
            return None
    ending = next(each for each in sorted(ARCHIVES, key=len, reverse=True) if file.lower().endswith(each))
    return file[: -len(ending)].rpartition("-")[0] or None


def _none(text: str, reason: str, location: str) -> ProjectError:
    hint = "Write NAME==VERSION; the file is pip's format, one package a line."
    if "{{" in text:
        hint = "This is a template: create the file from it, with a version in each place of {{ }}."
    return ProjectError(f"not a requirement: {text!r} ({reason})", location=location, hint=hint)
