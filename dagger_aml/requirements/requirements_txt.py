"""Reading requirements files as pip does: what they name, or why they are none."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from ..errors import ProjectError, UsageError
from .files import inside, read_text
from .model import LONGEST_PACKAGE, SECRET, Requirements, has_password

_PLAIN_OPTIONS = frozenset({"--require-hashes", "--prefer-binary", "--pre", "--no-index"})


_VALUE_OPTIONS = frozenset(
    {"--only-binary", "--no-binary", "--use-feature", "-i", "--index-url", "--extra-index-url"}
)


_INCLUDES, _CONSTRAINS = frozenset({"-r", "--requirement"}), frozenset({"-c", "--constraint"})


_FIND_LINKS = frozenset({"-f", "--find-links"})


_REFUSED = {
    "-e": "an editable install needs its source tree; build a wheel and list that: pip wheel --no-deps DIR",
    "--editable": "an editable install needs its source tree; build a wheel and list that: pip wheel --no-deps DIR",
    "--trusted-host": "it would switch TLS checks off in the build",
}


_ARCHIVE = re.compile(r"(?:[^:]*/)?[^:/]+\.(?:whl|tar\.gz|tar\.bz2|zip)(?:\[[^\]]*\])?\Z")


_ARCHIVES = (".whl", ".tar.gz", ".tar.bz2", ".zip")


_HASH = re.compile(r"\s--hash(?:=|\s+)(\S+)")


_COMMENT = re.compile(r"(^|\s)#.*$")


def check_added(more: Iterable[str], file: Requirements | None = None) -> tuple[str, ...]:
    """The requirements that ``--pip`` adds, as pip may be given them behind a requirements file.

    :raises UsageError: one is no requirement but an option or a path, has a password in it, or has no hash while
        the file demands one of every package.
    """
    found: list[str] = []
    for text in more:
        if has_password(str(text)):
            raise UsageError(
                "a URL with a password or token in it would stay in the image", location="--pip", hint=SECRET
            )
        write = "Write NAME, NAME==VERSION or NAME @ https://HOST/FILE.whl."
        if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_PACKAGE:
            raise UsageError(f"not a package: {str(text)[:80]!r}", location="--pip", hint=write)
        text = text.strip()
        if text.startswith("-"):
            hint = f"Put options into a requirements file. {write}"
            raise UsageError(f"an option, not a package: {text!r}", location="--pip", hint=hint)
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"not a package: {text!r} ({reason})", location="--pip", hint=write) from None
        if wanted.name.endswith(_ARCHIVES) or (wanted.url is not None and "://" not in wanted.url):
            raise UsageError(
                f"a path, not a package: {text!r}", location="--pip", hint="List it in a requirements file."
            )
        if wanted.url is not None and wanted.url.startswith("file:"):
            raise UsageError(
                f"a file URL cannot be used in the build: {text!r}",
                location="--pip",
                hint="List it in a requirements file.",
            )
        found.append(text)
    if found and file is not None and file.hashes:
        raise UsageError(
            f"{found[0]!r} has no hash, but {file.path.name} uses hashes, so pip refuses packages without a hash",
            location="--pip",
            hint=f"Add it to {file.path.name} with its hash."
            if file.text is None
            else f"Add it to the file from which {file.path.name} was made, and lock again.",
        )
    return tuple(dict.fromkeys(found))


def read_requirements_txt(path: Path, root: Path) -> Requirements:
    """Read a requirements file and what it includes.

    :param root: nothing outside it is taken.
    :raises ProjectError: as :func:`dagger_aml.requirements.read.read_requirements`.
    """
    reader = _Reader(path, root)
    reader.read(path, constraint=False)
    return Requirements(path, tuple(reader.names), tuple(reader.files), hashes=reader.hashes)


class _Reader:
    """Collects names and files while included files are followed."""

    def __init__(self, top: Path, root: Path) -> None:
        self.folder = top.parent
        self.root = root
        self.names: list[str] = []
        self.files: list[Path] = []
        self.hashes = False

    def read(self, path: Path, *, constraint: bool) -> None:
        self.files.append(path)
        for number, line in _logical_lines(path):
            location = f"{path}:{number}"
            if has_password(line):
                raise ProjectError(
                    "a URL with a password or token in it would stay in the image", location=location, hint=SECRET
                )
            if line.startswith("-"):
                self.options(path, line, location)
            else:
                self.package(line, location, constraint)

    def options(self, path: Path, line: str, location: str) -> None:
        """A line of options; pip takes several on one line, in quotes where they hold blanks."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise ProjectError(
                f"not options of a requirements file: {line!r} ({error})", location=location, hint="Close the quote."
            ) from None
        while words:
            given = words.pop(0)
            if given.startswith("--"):
                word, equals, value = given.partition("=")
            else:
                word, value, equals = given[:2], given[2:], given[2:]
            if word in _REFUSED:
                raise ProjectError(f"{word} cannot be used here: {_REFUSED[word]}", location=location)
            if word in _PLAIN_OPTIONS and not equals:
                self.hashes |= word == "--require-hashes"
                continue
            if word not in _VALUE_OPTIONS | _INCLUDES | _CONSTRAINS | _FIND_LINKS:
                raise ProjectError(f"not an option of a requirements file: {given}", location=location)
            if not equals and not words:
                raise ProjectError(f"the option {word} needs a value", location=location)
            self.option(path, word, value if equals else words.pop(0), location)

    def option(self, path: Path, word: str, value: str, location: str) -> None:
        if word in _FIND_LINKS:
            self.find_links(path, value, location)
        elif word in _INCLUDES | _CONSTRAINS:
            inner = inside(path.parent / value, value, location, self.root)
            if inner in [each.resolve() for each in self.files]:
                raise ProjectError(f"{value} is included twice, or includes itself", location=location)
            self.read(path.parent / value, constraint=word in _CONSTRAINS)

    def find_links(self, path: Path, value: str, location: str) -> None:
        """A folder of archives, all of which travel; as pip has it, beside the file that names it if it is there,
        else in the folder that pip runs in. A URL is left to pip."""
        if value.startswith(("http://", "https://")):
            return
        beside = path.parent / value
        folder = beside if os.path.exists(beside) else self.folder / value  # noqa: PTH110 - no error for any name
        inside(folder, value, location, self.root, folder=True)
        archives = [each for each in sorted(folder.iterdir()) if each.name.endswith(_ARCHIVES)]
        if not archives:
            hint = f"Put them into this folder, or remove the line: {folder}"
            raise ProjectError(f"there are no wheels or source archives in {value!r}", location=location, hint=hint)
        for each in archives:
            self.travel(each, f"{value}/{each.name}", location)

    def package(self, line: str, location: str, constraint: bool) -> None:
        text = _HASH.sub("", " " + line).strip()
        self.hashes |= not constraint and text != line
        if _ARCHIVE.match(text.partition(";")[0].strip()) and "://" not in text:
            name = text.partition(";")[0].strip().partition("[")[0]
            self.travel(self.folder / name, name, location)
            self.names.append(Path(name).name.partition("-")[0])
            return
        if text.startswith((".", "/", "file:")) or "file:" in text.partition("@")[2]:
            raise ProjectError(
                f"a path to a folder or a file URL cannot be used in the build: {text!r}",
                location=location,
                hint="Build a wheel (pip wheel --no-deps DIR) and list it by its relative path.",
            )
        try:
            name = Requirement(text).name
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise ProjectError(
                f"not a requirement: {text!r} ({reason})",
                location=location,
                hint="Write NAME==VERSION; the file is pip's format, one package a line.",
            ) from None
        if not constraint:
            self.names.append(name)

    def travel(self, path: Path, shown: str, location: str) -> None:
        """Take an archive along, once."""
        found = inside(path, shown, location, self.root)
        if found not in [each.resolve() for each in self.files]:
            self.files.append(path)


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without comments and with continuations joined, each with the number of its first line."""
    start, held = 0, ""
    for number, line in enumerate(read_text(path).splitlines(), 1):
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
