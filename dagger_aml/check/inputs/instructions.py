"""The instructions of a Dockerfile, each with its words and where they stand.

What an instruction is, the library ``dockerfile`` tells, which is BuildKit's own parser. It crashes Python on some
texts and is slow on huge ones, so a file is held within bounds before. Where the words stand it does not tell, and
they are looked for in the lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ...data import frozen
from ...errors import ProjectError, UsageError
from ...finding import FileLocation
from ...fs.lookup import is_file, is_there
from ...requirements.files import read_text
from ...text import pattern

LONGEST = 100_000
"""Characters of a file. Azure ML itself takes 102,400."""

MOST_LINES = 5_000

LONGEST_WORD = 20_000
"""Characters without a blank between them, in whose number the library takes its square."""

_ESCAPE = pattern(r"#\s*escape\s*=\s*(\S)\s*$", re.IGNORECASE)
_SYNTAX = pattern(r"#\s*syntax\s*=\s*(\S+)\s*$", re.IGNORECASE)
_DIRECTIVE = pattern(r"#\s*[A-Za-z][A-Za-z0-9]*\s*=")


@frozen
class Word:
    """A word of an instruction.

    :param begin: where it stands in the instruction's text, ``end`` behind it; both 0 where that is not known.
    """

    text: str
    begin: int = 0
    end: int = 0


@frozen
class Instruction:
    """One instruction.

    :param keyword: in capitals.
    :param flags: each whole, as ``--chown=1000:1000``.
    :param words: what is behind the flags, as it stands there, quotes and all; of a shell form one word with all of
        it, of ``ENV`` and ``LABEL`` names and values in turn.
    :param json: whether it has the form of a JSON list.
    :param text: of the whole instruction in one line, continued lines joined; a heredoc's lines stay lines.
    :param spots: of each character of the text its line, from 1, and its column.
    """

    path: Path
    keyword: str
    flags: tuple[str, ...]
    words: tuple[Word, ...]
    json: bool
    line: int
    text: str
    spots: tuple[tuple[int, int], ...]

    def flag(self, name: str) -> str | None:
        """What ``--name=`` says, the last one; None without."""
        said = [each.partition("=")[2] for each in self.flags if each.startswith(f"--{name}=")]
        return said[-1] if said else None

    def at(self, word: Word | None = None) -> FileLocation:
        """The place of a word, or of the instruction."""
        if word is None or word.end <= word.begin:
            return FileLocation(self.path.name, self.path, self.line)
        line, column = self.spots[word.begin]
        last = max(place for row, place in self.spots[word.begin : word.end] if row == line)
        return FileLocation(self.path.name, self.path, line, (column, last + 1))

    def at_flag(self, name: str) -> FileLocation:
        """The place of a flag."""
        found = re.search(rf"--{name}(=\S*)?", self.text)
        return self.at(Word("", *found.span()) if found else None)


@frozen
class Dockerfile:
    """A Dockerfile.

    :param path: absolute. :param escape: the character that continues lines.
    :param other_syntax: whether a directive at its top has a builder of somebody else's read it.
    """

    path: Path
    instructions: tuple[Instruction, ...]
    escape: str = "\\"
    other_syntax: bool = False


def read(path: Path) -> Dockerfile:
    """Read a Dockerfile.

    :raises UsageError: the library that reads them is not installed.
    :raises ProjectError: it cannot be read, is no Dockerfile, or is beyond the bounds.
    """
    try:
        dockerfile = import_module("dockerfile")
    except ImportError:
        raise UsageError(
            "a Dockerfile is read by the package dockerfile, which is not installed",
            location=str(path),
            hint='pip install "dagger-aml[check]"  (Linux on x86-64, macOS)',
        ) from None
    if is_there(path) and not is_file(path):
        raise ProjectError("is no file, but a pipe or a device", location=str(path))
    text = read_text(path)
    lines = text.replace("\r\n", "\n").split("\n")
    longest = max(map(len, text.split()), default=0)
    if len(text) > LONGEST or len(lines) > MOST_LINES or longest > LONGEST_WORD:
        raise ProjectError(
            f"is too large: {len(text)} characters, {len(lines)} lines, {longest} characters in one word",
            location=str(path),
            hint=f"A Dockerfile may have {LONGEST} characters, {MOST_LINES} lines and {LONGEST_WORD} in one word.",
        )
    try:
        commands = dockerfile.parse_string(text)
    except (dockerfile.GoParseError, UnicodeError) as error:
        raise ProjectError(f"is no Dockerfile that BuildKit takes: {error}", location=str(path)) from None
    escape = _escape(lines)
    absolute = path.absolute()
    made = tuple(_instruction(absolute, each, lines, escape) for each in commands)
    if not any(each.keyword == "FROM" for each in made):
        raise ProjectError("has no FROM, so no builder makes an image of it", location=str(path))
    return Dockerfile(absolute, made, escape, _has_other_syntax(lines))


def _escape(lines: Sequence[str]) -> str:
    """What the directive at the top of a file says of the character that continues lines."""
    for line in lines:
        if not _DIRECTIVE.match(line.strip()):
            break
        if found := _ESCAPE.match(line.strip()):
            return found[1]
    return "\\"


def _has_other_syntax(lines: Sequence[str]) -> bool:
    """Whether the directive at the top of a file names another reader than Docker's own of today."""
    for line in lines:
        if not _DIRECTIVE.match(line.strip()):
            return False
        if found := _SYNTAX.match(line.strip()):
            return not re.fullmatch(r"(docker\.io/)?docker/dockerfile(:1[.\d]*)?", found[1])
    return False


def _instruction(path: Path, command: Any, lines: Sequence[str], escape: str) -> Instruction:
    """The library's command with its own words, each with its place."""
    text, spots = _joined(lines, command.start_line, command.end_line, escape, heredocs=bool(command.heredocs))
    keyword = (command.cmd or "").upper()
    words = tuple(_placed(text, keyword, command))
    return Instruction(path, keyword, tuple(command.flags), words, command.json, command.start_line, text, spots)


def _joined(
    lines: Sequence[str], first: int, last: int, escape: str, *, heredocs: bool
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Lines as one, and each character's place; comments between continued lines are left out."""
    text: list[str] = []
    spots: list[tuple[int, int]] = []
    body = False
    for number in range(first, min(last, len(lines)) + 1):
        line = lines[number - 1]
        if not body and number > first and (not line.strip() or line.lstrip().startswith("#")):
            continue
        bare = line.rstrip()
        continued = not body and bare.endswith(escape)
        kept = bare[: -len(escape)] if continued else line
        text += kept
        spots += [(number, column) for column in range(1, len(kept) + 1)]
        if not continued:
            body = heredocs
            text.append("\n")
            spots.append((number, len(kept) + 1))
    return "".join(text).rstrip("\n"), tuple(spots)


def _placed(text: str, keyword: str, command: Any) -> Iterator[Word]:
    """The command's words, each where it stands behind the flags."""
    cursor = len(text) - len(text.lstrip()) + len(keyword)
    for flag in command.flags:
        found = text.find(flag, cursor)
        cursor = found + len(flag) if found >= 0 else cursor
    if command.heredocs and keyword == "RUN":
        begin = cursor + len(text[cursor:]) - len(text[cursor:].lstrip())
        yield Word(text[begin:], begin, len(text))
        return
    for value in command.value:
        found = text.find(value, cursor) if value else -1
        if found < 0:
            # A shell form whose blanks the parser has changed: all that is left.
            begin = cursor + len(text[cursor:]) - len(text[cursor:].lstrip())
            yield Word(value, begin, len(text)) if len(command.value) == 1 and not command.json else Word(value)
            continue
        cursor = found + len(value)
        yield Word(value, found, cursor)
