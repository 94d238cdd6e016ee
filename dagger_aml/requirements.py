"""Reading requirements files and apt files: what they name, or why they are none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
from packaging.requirements import InvalidRequirement, Requirement

from .errors import GraphError, ProjectError

_PLAIN_OPTIONS = frozenset({"--require-hashes", "--prefer-binary", "--pre", "--no-index"})
_VALUE_OPTIONS = frozenset(
    {"--only-binary", "--no-binary", "--use-feature", "-i", "--index-url", "--extra-index-url"}
)
_INCLUDES, _CONSTRAINS = frozenset({"-r", "--requirement"}), frozenset({"-c", "--constraint"})
_REFUSED = {
    "-e": "an editable install needs its source tree; build a wheel and list that: pip wheel --no-deps DIR",
    "--editable": "an editable install needs its source tree; build a wheel and list that: pip wheel --no-deps DIR",
    "-f": "folders of wheels do not travel yet; list the wheels themselves",
    "--find-links": "folders of wheels do not travel yet; list the wheels themselves",
    "--trusted-host": "it would switch TLS checks off in the build",
}
_ARCHIVE = re.compile(r"(?:[^:]*/)?[^:/]+\.(?:whl|tar\.gz|tar\.bz2|zip)(?:\[[^\]]*\])?\Z")
_HASH = re.compile(r"\s--hash=(\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_APT = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?(?:=[A-Za-z0-9.+:~-]+|/[a-z0-9.-]+)?\Z")
_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@|https?://[^/\s@]+@")


@frozen
class Requirements:
    """A requirements file and all that it names on this machine.

    :param path: the file.
    :param names: the packages that it and the files it includes list, in order; constraints not among them.
    :param files: the file itself, files that it includes, wheels and source archives.
    """

    path: Path
    names: tuple[str, ...]
    files: tuple[Path, ...]


def read_requirements(path: Path, *, root: Path | None = None) -> Requirements:
    """Read a pip requirements file, with the files that ``-r`` and ``-c`` name and the archives that it lists.

    As pip has it, an included file is relative to the file that includes it, and an archive to the folder in which
    pip runs, which is this file's own.

    :param root: the project; nothing outside it is taken. The file's own folder unless given.
    :raises ProjectError: missing, unreadable, not UTF-8, a line that is not a requirement, a file that is missing or
        lies outside, an editable install; each with file:line.
    """
    reader = _RequirementsReader(path, (root or path.parent).resolve())
    reader.read(path, constraint=False)
    return Requirements(path, tuple(reader.names), tuple(reader.files))


class _RequirementsReader:
    """Collects names and files while included files are followed."""

    def __init__(self, top: Path, root: Path) -> None:
        self.folder = top.parent
        self.root = root
        self.names: list[str] = []
        self.files: list[Path] = []

    def read(self, path: Path, *, constraint: bool) -> None:
        self.files.append(path)
        for number, line in _logical_lines(path):
            where = f"{path}:{number}"
            if _PASSWORD.search(line):
                raise ProjectError(
                    "a URL with a password or token in it would stay in the image",
                    where=where,
                    do="Take it out of the file.",
                )
            if line.startswith("-"):
                self.option(path, line, where)
            else:
                self.package(line, where, constraint)

    def option(self, path: Path, line: str, where: str) -> None:
        match = re.match(r"(-[A-Za-z](?=\S)|-[^\s=]*)(?:\s*=\s*|\s*)(.*)", line)
        assert match
        word, value = match[1], match[2].strip()
        if word in _REFUSED:
            raise ProjectError(f"{word} cannot be used here: {_REFUSED[word]}", where=where)
        if word in _INCLUDES | _CONSTRAINS:
            inner = self.inside(path.parent / value, value, where)
            if inner in [each.resolve() for each in self.files]:
                raise ProjectError(f"{value} is included twice, or includes itself", where=where)
            self.read(path.parent / value, constraint=word in _CONSTRAINS)
        elif word not in _PLAIN_OPTIONS | _VALUE_OPTIONS:
            raise ProjectError(f"not an option of a requirements file: {word}", where=where)

    def package(self, line: str, where: str, constraint: bool) -> None:
        text = _HASH.sub("", " " + line).strip()
        if _ARCHIVE.match(text.partition(";")[0].strip()) and "://" not in text:
            name = text.partition(";")[0].strip().partition("[")[0]
            found = self.inside(self.folder / name, name, where)
            if found not in [each.resolve() for each in self.files]:
                self.files.append(self.folder / name)
            self.names.append(Path(name).name.partition("-")[0])
            return
        if text.startswith((".", "/", "file:")) or "file:" in text.partition("@")[2]:
            raise ProjectError(
                f"a path to a folder or a file URL cannot travel: {text!r}",
                where=where,
                do="Build a wheel (pip wheel --no-deps DIR) and list it by its relative path.",
            )
        try:
            name = Requirement(text).name
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise ProjectError(
                f"not a requirement: {text!r} ({reason})",
                where=where,
                do="Write NAME==VERSION; the file is pip's format, one package a line.",
            ) from None
        if not constraint:
            self.names.append(name)

    def inside(self, path: Path, shown: str, where: str) -> Path:
        """The file that a line names: it exists and lies in the project."""
        if "://" in shown:
            raise ProjectError(f"a file from the network cannot be included: {shown}", where=where)
        found = path.resolve()
        if not found.is_relative_to(self.root):
            raise ProjectError(
                f"{shown!r} lies outside the project", where=where, do=f"Copy it into {self.root} and name it there."
            )
        if os.path.islink(path):  # noqa: PTH114 - no error for a name that no file can have
            raise ProjectError(f"{shown!r} is a link; name the file that it points to", where=where)
        if not os.path.isfile(found):  # noqa: PTH113 - as above
            raise ProjectError(f"{shown!r} does not exist", where=where, do=f"It is looked for at {path}.")
        return found


def read_apt(path: Path) -> tuple[str, ...]:
    """The packages of an apt file: names separated by white space, ``#`` begins a comment.

    :raises ProjectError: missing, unreadable, not UTF-8, or a word that is not a Debian package, with file:line.
    """
    found: list[str] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        for word in line.partition("#")[0].split():
            if not _APT.match(word):
                raise ProjectError(
                    f"not an apt package: {word!r}",
                    where=f"{path}:{number}",
                    do="Write NAME, NAME=VERSION or NAME:ARCHITECTURE.",
                )
            found.append(word)
    return tuple(dict.fromkeys(found))


def check_apt(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the packages if each is a Debian package name, with an optional ``:ARCH``, ``=VERSION`` or ``/RELEASE``.

    :raises GraphError: one is not.
    """
    for package in packages:
        if not isinstance(package, str) or not _APT.match(package):
            raise GraphError(f"not an apt package: {package!r}", do="Write NAME, NAME=VERSION or NAME:ARCHITECTURE.")
    return tuple(dict.fromkeys(packages))


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without comments and with continuations joined, each with the number of its first line."""
    start, held = 0, ""
    for number, line in enumerate(_text(path).splitlines(), 1):
        start = start or number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            held += line[:-1]
            continue
        # As pip has it: a comment ends a continued line, whatever stands before it.
        whole = _COMMENT.sub("", f"{held} {line}" if line.lstrip().startswith("#") else held + line).strip()
        if whole:
            yield start, whole
        start, held = 0, ""
    if held.strip():
        yield start, _COMMENT.sub("", held).strip()


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ProjectError("does not exist", where=str(path)) from None
    except IsADirectoryError:
        raise ProjectError("is a folder, not a file", where=str(path)) from None
    except OSError as error:
        raise ProjectError(f"cannot be read ({error.strerror})", where=str(path)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ProjectError("is not a text file in UTF-8", where=str(path)) from None
    if "\0" in text:
        raise ProjectError("is not a text file (it holds NUL characters)", where=str(path))
    return text
