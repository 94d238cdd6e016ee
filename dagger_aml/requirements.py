"""Reading requirements files and apt files: what they name, or why they are none."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen
from packaging.requirements import InvalidRequirement, Requirement

from .errors import GraphError, ProjectError, UsageError, unreadable

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
_APT = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?(?:=[A-Za-z0-9.+:~-]+\*?|/[a-z0-9.-]+)?\Z")
_PASSWORD = re.compile(r"://[^/\s]*:[^/\s]*@|https?://[^/\s@]+@")


SECRET = "Take it out of the file, and give it when you build: `--secret id=pip,env=NAME`, or `src=FILE`."
"""What to do with a password that stands in a file which goes into the image."""


@frozen
class Requirements:
    """What a project wants of pip, and all the files on this machine that it names.

    :param path: the file that was read: a requirements file, a lock, or ``pyproject.toml``.
    :param names: the packages that it and the files it includes list, in order; constraints not among them.
    :param files: the file itself, files that it includes, wheels and source archives.
    :param text: what goes into the image in the file's place: pip's lines, made from a lock or ``pyproject.toml``;
        None for a requirements file, which goes as it is.
    :param indexes: option lines, to stand above ``text``, for the package indexes that the lock was made with.
    :param hashes: whether pip will take only what has a hash in the file.
    :param python: the Python versions that the file is for, such as ``>=3.10``; empty for any.
    """

    path: Path
    names: tuple[str, ...]
    files: tuple[Path, ...]
    text: str | None = None
    indexes: tuple[str, ...] = ()
    hashes: bool = False
    python: str = ""


def read_requirements(path: Path, *, root: Path | None = None) -> Requirements:
    """Read a requirements file, ``pylock.toml`` (or ``pylock.NAME.toml``), ``uv.lock`` or ``pyproject.toml``.

    Of a requirements file all is read that ``-r``, ``-c`` and ``--find-links`` name, and the archives that it lists.
    As pip has it, an included file is relative to the file that includes it, and an archive to the folder in which
    pip runs, which is this file's own.

    :param root: the project; nothing outside it is taken. The file's own folder unless given.
    :raises ProjectError: missing, unreadable, not UTF-8, a line that is not a requirement, a file that is missing or
        lies outside, an editable install, what of a lock cannot travel; each with file:line.
    """
    if path.name == "pyproject.toml":
        from .pyproject import read_pyproject

        return read_pyproject(path)
    if path.name == "uv.lock":
        from .uv_lock import read_uv_lock

        return read_uv_lock(path)
    if is_pylock(path.name):
        from .pylock import read_pylock

        return read_pylock(path)
    reader = _RequirementsReader(path, (root or path.parent).resolve())
    reader.read(path, constraint=False)
    return Requirements(path, tuple(reader.names), tuple(reader.files), hashes=reader.hashes)


def is_pylock(name: str) -> bool:
    """Whether a file of this name is a lock file after the packaging standards (PEP 751)."""
    return re.fullmatch(r"pylock\.([^.]+\.)?toml", name) is not None


def check_added(more: Iterable[str], file: Requirements | None = None) -> tuple[str, ...]:
    """The requirements that ``--pip`` adds, as pip may be given them behind a requirements file.

    :raises UsageError: one is no requirement but an option or a path, has a password in it, or has no hash while
        the file demands one of every package.
    """
    found: list[str] = []
    for text in more:
        if has_password(str(text)):
            raise UsageError("a URL with a password or token in it would stay in the image", where="--pip", do=SECRET)
        write = "Write NAME, NAME==VERSION or NAME @ https://HOST/FILE.whl."
        if not isinstance(text, str) or not text.isprintable() or len(text) > _LONGEST:
            raise UsageError(f"not a package: {str(text)[:80]!r}", where="--pip", do=write)
        text = text.strip()
        if text.startswith("-"):
            do = f"Options belong into a requirements file. {write}"
            raise UsageError(f"an option, not a package: {text!r}", where="--pip", do=do)
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"not a package: {text!r} ({reason})", where="--pip", do=write) from None
        if wanted.name.endswith(_ARCHIVES) or (wanted.url is not None and "://" not in wanted.url):
            raise UsageError(f"a path, not a package: {text!r}", where="--pip", do="List it in a requirements file.")
        if wanted.url is not None and wanted.url.startswith("file:"):
            raise UsageError(
                f"a file URL cannot travel: {text!r}", where="--pip", do="List it in a requirements file."
            )
        found.append(text)
    if found and file is not None and file.hashes:
        raise UsageError(
            f"{found[0]!r} has no hash, and {file.path.name} has hashes, so that pip takes nothing without one",
            where="--pip",
            do=f"Add it to {file.path.name} with its hash."
            if file.text is None
            else f"Add it to what {file.path.name} is made from, and lock again.",
        )
    return tuple(dict.fromkeys(found))


def has_password(text: str) -> bool:
    """Whether a URL in a text has a password or token in it."""
    return _PASSWORD.search(text) is not None


class _RequirementsReader:
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
            where = f"{path}:{number}"
            if has_password(line):
                raise ProjectError(
                    "a URL with a password or token in it would stay in the image", where=where, do=SECRET
                )
            if line.startswith("-"):
                self.options(path, line, where)
            else:
                self.package(line, where, constraint)

    def options(self, path: Path, line: str, where: str) -> None:
        """A line of options; pip takes several on one line, in quotes where they hold blanks."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise ProjectError(
                f"not options of a requirements file: {line!r} ({error})", where=where, do="Close the quote."
            ) from None
        while words:
            given = words.pop(0)
            if given.startswith("--"):
                word, equals, value = given.partition("=")
            else:
                word, value, equals = given[:2], given[2:], given[2:]
            if word in _REFUSED:
                raise ProjectError(f"{word} cannot be used here: {_REFUSED[word]}", where=where)
            if word in _PLAIN_OPTIONS and not equals:
                self.hashes |= word == "--require-hashes"
                continue
            if word not in _VALUE_OPTIONS | _INCLUDES | _CONSTRAINS | _FIND_LINKS:
                raise ProjectError(f"not an option of a requirements file: {given}", where=where)
            if not equals and not words:
                raise ProjectError(f"the option {word} needs a value", where=where)
            self.option(path, word, value if equals else words.pop(0), where)

    def option(self, path: Path, word: str, value: str, where: str) -> None:
        if word in _FIND_LINKS:
            self.find_links(path, value, where)
        elif word in _INCLUDES | _CONSTRAINS:
            inner = inside(path.parent / value, value, where, self.root)
            if inner in [each.resolve() for each in self.files]:
                raise ProjectError(f"{value} is included twice, or includes itself", where=where)
            self.read(path.parent / value, constraint=word in _CONSTRAINS)

    def find_links(self, path: Path, value: str, where: str) -> None:
        """A folder of archives, all of which travel; as pip has it, beside the file that names it if it is there,
        else in the folder that pip runs in. A URL is left to pip."""
        if value.startswith(("http://", "https://")):
            return
        beside = path.parent / value
        folder = beside if os.path.exists(beside) else self.folder / value  # noqa: PTH110 - no error for any name
        inside(folder, value, where, self.root, folder=True)
        archives = [each for each in sorted(folder.iterdir()) if each.name.endswith(_ARCHIVES)]
        if not archives:
            do = f"Put them there, or take the line out: {folder}"
            raise ProjectError(f"no wheels and no source archives lie in {value!r}", where=where, do=do)
        for each in archives:
            self.travel(each, f"{value}/{each.name}", where)

    def package(self, line: str, where: str, constraint: bool) -> None:
        text = _HASH.sub("", " " + line).strip()
        self.hashes |= not constraint and text != line
        if _ARCHIVE.match(text.partition(";")[0].strip()) and "://" not in text:
            name = text.partition(";")[0].strip().partition("[")[0]
            self.travel(self.folder / name, name, where)
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

    def travel(self, path: Path, shown: str, where: str) -> None:
        """Take an archive along, once."""
        found = inside(path, shown, where, self.root)
        if found not in [each.resolve() for each in self.files]:
            self.files.append(path)


def inside(path: Path, shown: str, where: str, root: Path, *, folder: bool = False) -> Path:
    """The file, or folder, that a line names: it exists, is no link, and lies in the project.

    :raises ProjectError: it does not.
    """
    if "://" in shown:
        raise ProjectError(f"a file from the network cannot be included: {shown}", where=where)
    found = path.resolve()
    if not found.is_relative_to(root):
        raise ProjectError(
            f"{shown!r} lies outside the project", where=where, do=f"Copy it into {root} and name it there."
        )
    if os.path.islink(path):  # noqa: PTH114 - no error for a name that no file can have
        raise ProjectError(f"{shown!r} is a link; name the file that it points to", where=where)
    there = os.path.isdir(found) if folder else os.path.isfile(found)  # noqa: PTH112, PTH113 - as above
    if not there:
        kind = "is not a folder" if os.path.exists(found) and folder else "does not exist"  # noqa: PTH110 - as above
        raise ProjectError(f"{shown!r} {kind}", where=where, do=f"It is looked for at {path}.")
    return found


def read_apt(path: Path) -> tuple[str, ...]:
    """The packages of an apt file: names separated by white space, ``#`` begins a comment.

    :raises ProjectError: missing, unreadable, not UTF-8, or a word that is not a Debian package, with file:line.
    """
    found: list[str] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        for word in line.partition("#")[0].split():
            if not _APT.match(word):
                raise ProjectError(
                    f"not an apt package: {word!r}",
                    where=f"{path}:{number}",
                    do="Write NAME, NAME=VERSION or NAME:ARCHITECTURE.",
                )
            found.append(word)
    return tuple(dict.fromkeys(found))


_LONGEST = 4096
"""Characters of one package as it is written, its URL included."""


def check_apt(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the packages if each is a Debian package name, with an optional ``:ARCH``, ``=VERSION`` or ``/RELEASE``.

    :raises GraphError: one is not.
    """
    for package in packages:
        if not isinstance(package, str) or not _APT.match(package) or len(package) > _LONGEST:
            do = "Write NAME, NAME=VERSION or NAME:ARCHITECTURE."
            raise GraphError(f"not an apt package: {repr(package)[:80]}", do=do)
    return tuple(dict.fromkeys(packages))


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


def read_text(path: Path) -> str:
    """A text file of the project, whole, without a byte order mark.

    :raises ProjectError: missing, unreadable, not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ProjectError("does not exist", where=str(path)) from None
    except IsADirectoryError:
        raise ProjectError("is a folder, not a file", where=str(path)) from None
    except OSError as error:
        raise unreadable(error, path) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ProjectError("is not a text file in UTF-8", where=str(path)) from None
    if "\0" in text:
        raise ProjectError("is not a text file (it holds NUL characters)", where=str(path))
    return text
