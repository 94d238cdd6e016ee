"""The lines of a requirements file, as pip cuts and reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ..data import frozen
from ..errors import ProjectError
from ..text import pattern
from .files import decoded, read_bytes

FLAGS: Final = frozenset(
    {
        "--no-index",
        "--no-require-hashes",
        "--pre",
        "--prefer-binary",
        "--require-hashes",
    }
)


VALUES: Final[Mapping[str, str]] = {
    "--all-releases": "",
    "--config-settings": "-C",
    "--constraint": "-c",
    "--editable": "-e",
    "--extra-index-url": "",
    "--find-links": "-f",
    "--hash": "",
    "--index-url": "-i",
    "--no-binary": "",
    "--only-binary": "",
    "--only-final": "",
    "--requirement": "-r",
    "--trusted-host": "",
    "--use-feature": "",
}
"""Options with a value, and their short names, as pip 26.3 has them; the base's pip may be older."""


_OTHER_NAMES: Final[Mapping[str, str]] = {"--config-setting": "--config-settings", "--pypi-url": "--index-url"}


_COMMENT = pattern(r"(?:^|(?<!\s)\s+)#.*$")


_VARIABLE = pattern(r"\$\{([A-Z0-9_]+)\}")


MOST_CHARACTERS: Final = 100_000
"""Of the options of one line, more than a thousand hashes; what cuts them into words takes long for more."""


_CODING = pattern(rb"coding[:=]\s*([-\w.]+)")


@frozen
class Line:
    """A line of a requirements file, its continuations joined.

    :param number: of its first line in the file, from 1.
    :param text: what stands before the options; empty on a line of options.
    :param options: long name, value and the option as it is written.
    :param rest: words after options that belong to none; pip drops them.
    """

    number: int
    text: str
    options: tuple[tuple[str, str, str], ...] = ()
    rest: tuple[str, ...] = ()


def requirements_text(path: Path) -> str:
    """A requirements file as pip decodes it: by its byte order mark, else its coding line (PEP 263), else as UTF-8.

    :raises ProjectError: missing, unreadable, not such a text.
    """
    data = read_bytes(path)
    return decoded(data, path, coding(data))


def coding(data: bytes) -> str:
    """The encoding that a file's coding line names; UTF-8 without one."""
    for line in data.split(b"\n")[:2]:
        found = _CODING.search(line) if line.startswith(b"#") else None
        if found:
            return found[1].decode("ascii")
    return "utf-8"


def has_coding_line(text: str) -> bool:
    """Whether a text says, as PEP 263 has it, what its encoding is, or was."""
    return any(line.startswith("#") and _CODING.search(line.encode()) for line in text.split("\n")[:2])


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments and with continuations joined, each with the number of its first line."""
    for number, line in joined(text):
        whole = _COMMENT.sub("", line).strip()
        if whole:
            yield number, whole


def joined(text: str) -> Iterator[tuple[int, str]]:
    """Lines as they are, but each with those that continue it; with the number of its first line."""
    start, held = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        comment = _COMMENT.match(line)
        if line.endswith("\\") and not comment:
            start = start or number
            held += line.strip("\\")
            continue
        yield start or number, f"{held} {line}" if held and comment else held + line
        start, held = 0, ""
    if held:
        yield start, held


def variables(line: str) -> tuple[str, ...]:
    """The environment variables that pip would put into a line: ``X`` of ``${X}``."""
    return tuple(dict.fromkeys(_VARIABLE.findall(line)))


def cut(number: int, line: str, location: str) -> Line:
    """A line as pip cuts it: what begins with a dash after a blank, and all behind it, are options.

    :raises ProjectError: the options are none of a requirements file, or a quote is open.
    """
    tokens = line.split(" ")
    first = next((at for at, token in enumerate(tokens) if token.startswith("-")), len(tokens))
    text, options = " ".join(tokens[:first]).strip(), " ".join(tokens[first:])
    if not options:
        return Line(number, text)
    if len(options) > MOST_CHARACTERS:
        raise ProjectError(
            f"the options of one line have more than {MOST_CHARACTERS:,} characters",
            location=location,
            hint="Write one package a line.",
        )
    import shlex

    try:
        words = shlex.split(options)
    except ValueError as error:
        raise ProjectError(
            f"not options of a requirements file: {options!r} ({error})", location=location, hint="Close the quote."
        ) from None
    if "--" in words:
        raise ProjectError("not an option of a requirements file: --", location=location)
    found: list[tuple[str, str, str]] = []
    rest: list[str] = []
    at = 0
    while at < len(words):
        if words[at] == "-" or not words[at].startswith("-"):
            rest.append(words[at])
            at += 1
            continue
        name, value, used = _first(words[at : at + 2], location)
        found.append((_LONG.get(name, name), value, _written(name, words[at])))
        at += used
    return Line(number, text, tuple(found), tuple(rest))


def _first(words: list[str], location: str) -> tuple[str, str, int]:
    """The option with which words begin, its value, and how many words both are.

    :param words: two, or the last one.
    :raises ProjectError: it is none, or has no value.
    """
    import getopt

    for used in range(1, len(words) + 1):
        try:
            [(name, value)], _ = getopt.getopt(words[:used], _SHORT_NAMES, _LONG_NAMES)
        except getopt.GetoptError as error:
            name = error.opt
            continue
        return name, value, used
    raise _not_taken(words[0], name, location)


_LONG = {**{short: word for word, short in VALUES.items() if short}, **_OTHER_NAMES}


_SHORT_NAMES = "".join(f"{short[1]}:" for short in VALUES.values() if short)


_LONG_NAMES = [each[2:] for each in (*FLAGS, *(f"{word}=" for word in (*VALUES, *_OTHER_NAMES)))]


def _written(name: str, word: str) -> str:
    """An option as the line has it: pip takes a long name cut short too, and a value right behind a short name."""
    return word.partition("=")[0] if name.startswith("--") else word


def _not_taken(word: str, name: str, location: str) -> ProjectError:
    """The error for an option that is unknown, has a value too many, or lacks one.

    :param word: as the line has it. :param name: the option without dashes.
    """
    dashed = f"-{name}" if len(name) == 1 else f"--{name}"
    given = word if word.startswith(dashed) else dashed
    if given == dashed and (dashed in _LONG or dashed in VALUES):
        return ProjectError(f"the option {given} needs a value", location=location)
    return ProjectError(f"not an option of a requirements file: {given}", location=location)
