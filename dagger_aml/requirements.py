"""Reading requirements files and apt files: what they name, or why they are none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from .errors import GraphError, ProjectError

_PLAIN_OPTIONS = frozenset({"--require-hashes", "--prefer-binary", "--pre", "--no-index"})
_VALUE_OPTIONS = frozenset(
    {"--only-binary", "--no-binary", "--use-feature", "-i", "--index-url", "--extra-index-url"}
)
_FILE_OPTIONS = frozenset(
    {"-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-f", "--find-links", "--trusted-host"}
)
_HASH = re.compile(r"\s--hash=(\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_APT = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?(?:=[A-Za-z0-9.+:~-]+|/[a-z0-9.-]+)?\Z")
_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@|https?://[^/\s@]+@")


def read_requirements(path: Path) -> tuple[str, ...]:
    """The names of the packages that a pip requirements file lists, in its order.

    :raises ProjectError: missing, unreadable, not UTF-8, or a line that is not a requirement, with file:line.
    """
    names = []
    for number, line in _logical_lines(path):
        where = f"{path}:{number}"
        word = re.split(r"[\s=]", line, maxsplit=1)[0]
        if _PASSWORD.search(line):
            raise ProjectError(
                "a URL with a password or token in it would stay in the image",
                where=where,
                do="Take it out of the file.",
            )
        if line.startswith("-"):
            if word in _FILE_OPTIONS or line[:2] in ("-r", "-c", "-e", "-f"):
                raise ProjectError(
                    f"{word} is not supported in a requirements file yet",
                    where=where,
                    do="List the packages themselves, with exact versions, in this one file.",
                )
            if word not in _PLAIN_OPTIONS | _VALUE_OPTIONS:
                raise ProjectError(f"not an option of a requirements file: {word}", where=where)
            continue
        text = _HASH.sub("", " " + line).strip()
        try:
            names.append(Requirement(text).name)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise ProjectError(
                f"not a requirement: {text!r} ({reason})",
                where=where,
                do="Write NAME==VERSION; the file is pip's format, one package a line.",
            ) from None
    return tuple(names)


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
