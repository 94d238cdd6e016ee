"""Reading requirements files as pip does: what they name, or why they are none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from attrs import evolve

from ..errors import ProjectError, UsageError
from ..finding import FileLocation
from ..text import named
from .entries import FileURL, check_fetched, entry, is_archive
from .files import inside
from .lines import Line, cut, logical_lines, requirements_text, variables
from .model import LONGEST_PACKAGE, Listed, Option, Requirements, as_a_secret, has_password

_REFUSED = {
    "--editable": "an editable install needs its source tree; build a wheel and list that: pip wheel --no-deps DIR",
    "--trusted-host": "it would switch TLS checks off in the build",
}


_OF_PACKAGE = ("--hash", "--config-settings")
"""Options that stand on a package's line; pip reads others there, and does nothing with them."""


_STRONG = ("sha256", "sha384", "sha512")


_INDEXES = ("--index-url", "--extra-index-url")


_MOST_FILES = 200
"""Files that one requirements file may include."""


def check_added(more: Iterable[str], file: Requirements | None = None) -> tuple[str, ...]:
    """The requirements that ``--pip`` adds, as pip may be given them behind a requirements file.

    :raises UsageError: one is no requirement but an option or a path, has a password in it, or has no hash while
        the file demands one of every package.
    """
    found: list[str] = []
    for text in more:
        from packaging.requirements import InvalidRequirement, Requirement

        if has_password(str(text)):
            raise UsageError(
                "a URL with a password or token in it would stay in the image",
                location=named("pip"),
                hint=as_a_secret(),
            )
        write = "Write NAME, NAME==VERSION or NAME @ https://HOST/FILE.whl."
        if not isinstance(text, str) or not text.isprintable() or len(text) > LONGEST_PACKAGE:
            raise UsageError(f"not a package: {str(text)[:80]!r}", location=named("pip"), hint=write)
        text = text.strip()
        if text.startswith("-"):
            hint = f"Put options into a requirements file. {write}"
            raise UsageError(f"an option, not a package: {text!r}", location=named("pip"), hint=hint)
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"not a package: {text!r} ({reason})", location=named("pip"), hint=write) from None
        if is_archive(wanted.name) or (wanted.url is not None and "://" not in wanted.url):
            raise UsageError(
                f"a path, not a package: {text!r}", location=named("pip"), hint="List it in a requirements file."
            )
        if wanted.url is not None:
            _check_added_url(wanted.url, text)
        found.append(text)
    if found and file is not None and file.hashes:
        raise UsageError(
            f"{found[0]!r} has no hash, but {file.path.name} uses hashes, so pip refuses packages without a hash",
            location=named("pip"),
            hint=f"Add it to {file.path.name} with its hash."
            if file.text is None
            else f"Add it to the file from which {file.path.name} was made, and lock again.",
        )
    return tuple(dict.fromkeys(found))


def _check_added_url(url: str, text: str) -> None:
    try:
        check_fetched(url, text, named("pip"))
    except FileURL:
        raise UsageError(
            f"a file URL cannot be used in the build: {text!r}",
            location=named("pip"),
            hint="List it in a requirements file.",
        ) from None


def read_requirements_txt(path: Path, root: Path) -> Requirements:
    """Read a requirements file and what it includes.

    :param root: nothing outside it is taken.
    :raises ProjectError: as :func:`dagger_aml.requirements.read.read_requirements`.
    """
    reader = _Reader(path, root)
    reader.read(path, constraint=False)
    return _found(reader, path)


def read_pip_lines(path: Path, lines: Iterable[tuple[int, str]], root: Path) -> Requirements:
    """Read what another file lists as a requirements file would.

    :param path: the file, whose folder pip runs in and paths are relative to.
    :param lines: each text, of one line or more, with the number of its first line in that file.
    :param root: nothing outside it is taken.
    :raises ProjectError: as :func:`read_requirements_txt`.
    """
    reader = _Reader(path, root)
    reader.travels(path)
    for first, text in lines:
        reader.lines(
            path,
            ((first + number - 1, line) for number, line in logical_lines(text)),
            constraint=False,
            within=(path.resolve(),),
        )
    return _found(reader, path)


def _found(reader: _Reader, path: Path) -> Requirements:
    """All that a reader has collected.

    :raises ProjectError: packages are taken from files of another machine.
    """
    reader.check()
    return Requirements(
        path,
        tuple(each.name for each in reader.listed if each.name is not None and not each.constraint),
        tuple(reader.files.values()),
        hashes=reader.hashes,
        listed=tuple(reader.listed),
        options=tuple(reader.options),
    )


class _Reader:
    """Collects packages, options and files while included files are followed."""

    def __init__(self, top: Path, root: Path) -> None:
        self.folder = top.parent
        self.root = root
        self.listed: list[Listed] = []
        self.options: list[Option] = []
        self.files: dict[Path, Path] = {}
        self.done: set[tuple[Path, bool]] = set()
        self.elsewhere: list[FileURL] = []

    def read(self, path: Path, *, constraint: bool, within: tuple[Path, ...] = ()) -> None:
        """Read a file, and what it includes.

        :param within: the files that lead here, which it may not include again.
        """
        within = (*within, path.resolve())
        if (within[-1], constraint) in self.done:
            return
        self.done.add((within[-1], constraint))
        self.travels(path)
        self.lines(path, logical_lines(requirements_text(path)), constraint=constraint, within=within)

    def lines(
        self, path: Path, lines: Iterable[tuple[int, str]], *, constraint: bool, within: tuple[Path, ...]
    ) -> None:
        """Read lines of a file, each with its number; ``constraint`` and ``within`` as of :meth:`read`."""
        for number, text in lines:
            location = FileLocation(str(path), path, number)
            for name in variables(text)[:1]:
                raise ProjectError(
                    f"uses the environment variable ${{{name}}}, and the build has no variables of this machine",
                    location=location,
                    hint=f"Write its value. A password or token does not go into the file: {as_a_secret()}",
                )
            if has_password(text):
                raise ProjectError(
                    "a URL with a password or token in it would stay in the image",
                    location=location,
                    hint=as_a_secret(),
                )
            line = cut(number, text, location)
            if line.text:
                self.package(line, location, constraint)
            else:
                self.said(path, line, location, within)

    def package(self, line: Line, location: str, constraint: bool) -> None:
        """A line that lists a package, and its options."""
        for word, value, written in line.options:
            if word in _REFUSED:
                raise ProjectError(f"{word} cannot be used here: {_REFUSED[word]}", location=location)
            _check_value(word, value, location)
            ignored = word not in _OF_PACKAGE
            self.options.append(Option(word, value, location, written, line.text, ignored))
        if line.rest:
            rest = " ".join(line.rest)
            self.options.append(Option(line.rest[0], "", location, rest, line.text, ignored=True))
        hashed = any(word == "--hash" for word, _, _ in line.options)
        try:
            listed, archive = entry(line.text, self.folder, location, hashed=hashed)
        except FileURL as error:
            self.elsewhere.append(error)
            return
        if archive is not None:
            self.travels(self.folder / archive, inside(self.folder / archive, archive, location, self.root))
        if constraint and (listed.name is None or "[" in line.text.partition("@")[0].partition(";")[0]):
            raise ProjectError(
                f"pip takes no such line in a constraints file: {line.text!r}",
                location=location,
                hint="Write NAME==VERSION, without extras.",
            )
        self.listed.append(evolve(listed, constraint=constraint))

    def said(self, path: Path, line: Line, location: str, within: tuple[Path, ...]) -> None:
        """A line of options; of those that name files, pip follows the first alone."""
        for word, _, written in line.options:
            if word in _REFUSED:
                raise ProjectError(f"{written} cannot be used here: {_REFUSED[word]}", location=location)
        if line.rest:
            raise ProjectError(f"not an option of a requirements file: {line.rest[0]}", location=location)
        words = [word for word, _, _ in line.options]
        include = next((each for each in ("--requirement", "--constraint") if each in words), None)
        followed: set[str] = set()
        for word, value, written in line.options:
            _check_value(word, value, location)
            ignored = word in _OF_PACKAGE or (include is not None and word != include)
            ignored = ignored or (word in ("--requirement", "--constraint", "--find-links") and word in followed)
            followed.add(word)
            self.options.append(Option(word, value, location, written, ignored=ignored))
            if ignored:
                continue
            if word == "--find-links":
                self.find_links(path, value, location)
            elif word == include:
                self.include(path, word, value, location, within)
            elif word in _INDEXES and not value.startswith(("http://", "https://")):
                raise ProjectError(
                    f"the build cannot reach this index: {value!r}",
                    location=location,
                    hint="Give an http or https URL. A folder of wheels in the project is --find-links FOLDER.",
                )

    def include(self, path: Path, word: str, value: str, location: str, within: tuple[Path, ...]) -> None:
        inner = inside(path.parent / value, value, location, self.root)
        if inner in within:
            raise ProjectError(
                f"{value} includes itself", location=location, hint="Remove the line that leads back to it."
            )
        if len(self.done) > _MOST_FILES:
            raise ProjectError(f"more than {_MOST_FILES} files are included", location=location)
        self.read(path.parent / value, constraint=word == "--constraint", within=within)

    def find_links(self, path: Path, value: str, location: str) -> None:
        """A folder of archives, all of which travel; as pip has it, beside the file that names it if it is there,
        else in the folder that pip runs in. A URL is left to pip."""
        if value.startswith(("http://", "https://")):
            return
        beside = path.parent / value
        folder = beside if os.path.exists(beside) else self.folder / value  # noqa: PTH110 - no error for any name
        inside(folder, value, location, self.root, folder=True)
        archives = [each for each in sorted(folder.iterdir()) if is_archive(each.name)]
        if not archives:
            hint = f"Put them into this folder, or remove the line: {folder}"
            raise ProjectError(f"there are no wheels or source archives in {value!r}", location=location, hint=hint)
        for each in archives:
            self.travels(each, inside(each, f"{value}/{each.name}", location, self.root))

    def travels(self, path: Path, found: Path | None = None) -> None:
        """Take a file along, once."""
        self.files.setdefault(found or path.resolve(), path)

    @property
    def hashes(self) -> bool:
        """Whether pip will take only what has a hash; a hash in a constraints file is enough for that."""
        words = {option.word for option in self.options if not option.ignored}
        return "--require-hashes" in words or ("--hash" in words and "--no-require-hashes" not in words)

    def check(self) -> None:
        """Tell at once of all packages that are taken from files of another machine.

        :raises ProjectError: there are some.
        """
        if len(self.elsewhere) < 2:
            for error in self.elsewhere:
                raise error
            return
        lines = [f"{error.location}: {error.package}" for error in self.elsewhere]
        raise ProjectError(
            f"{len(lines)} packages are taken from folders or file URLs, which cannot be used in the build",
            location=self.elsewhere[0].location,
            hint="`pip freeze` in a conda environment writes such lines. Make the list again there: "
            "pip list --format=freeze > requirements.txt\nOf your own packages, build wheels (pip wheel --no-deps "
            "DIR) and list them by their relative paths.\n" + "\n".join(f"- {line}" for line in lines),
        )


def _check_value(word: str, value: str, location: str) -> None:
    """Whether pip takes an option's value.

    :raises ProjectError: it does not.
    """
    if word == "--hash":
        algorithm, colon, _ = value.partition(":")
        if not colon or algorithm not in _STRONG:
            raise ProjectError(
                f"pip takes no hash of this kind: {value[:80]!r}",
                location=location,
                hint=f"Create the hashes again: pip takes {', '.join(_STRONG)}, as --hash=sha256:….",
            )
    if word == "--config-settings" and "=" not in value:
        raise ProjectError(f"{word} needs KEY=VALUE", location=location)
    if word in ("--no-binary", "--only-binary") and value.startswith("-"):
        raise ProjectError(f"the option {word} needs a value", location=location)
