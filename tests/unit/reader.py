"""A reader of the Dockerfiles that the encoder writes, made after the builders' parsers, not after the encoder.

Rules of moby's ``frontend/dockerfile/parser`` and ``shell`` and, where they differ, of the older ones in buildah's
imagebuilder: how lines go on, what is a comment, flags, the JSON form, quoted words of ENV and LABEL, and the word
expansion of COPY, ENV, LABEL, USER and WORKDIR. Variables expand to nothing, as most do in a build.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

LONGEST_LINE = 65_535
_GO_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_GO_SPACE += "\u2028\u2029\u202f\u205f\u3000"
_DIRECTIVE = re.compile(r"^#[ \t]*([a-zA-Z][a-zA-Z0-9]*)[ \t]*=[ \t]*(.+?)[ \t]*$")
_HEREDOC = re.compile(r"^\d*<<-?[^<]*$")
_GOES_ON = {
    "moby": re.compile(r"([^\\])\\[ \t]*\Z|^\\[ \t]*\Z"),
    "imagebuilder": re.compile(r"\\[ \t]*\Z"),
}
_ORDINARY = re.compile(rf"""[^\\"'${re.escape(_GO_SPACE)}]+""")
"""Characters that mean themselves in every state, taken together to be quick."""
_QUOTED = {'"': re.compile(r'(?s)"(?:[^"\\]+|\\.)*+'), "'": re.compile("'[^']*+")}
"""A quoted part up to its closing quote, a backslash taking the next character along within double ones."""
_PLAIN_OR_ESCAPED = re.compile(r'(?:[^"$\\]+|\\["$\\]?)*+')
_ESCAPED = re.compile(r'\\(["$\\])')

JSON_FORM = ("RUN", "CMD", "ENTRYPOINT", "COPY")


class Misread(AssertionError):
    """A builder would read something else than was meant, or fail."""


@dataclass(frozen=True)
class Instruction:
    """One instruction as a builder understands it."""

    name: str
    flags: tuple[str, ...]
    value: Any


def read(text: str, rules: str = "moby") -> list[Instruction]:
    """The instructions of a Dockerfile, every value expanded."""
    found: list[Instruction] = []
    lines = text.encode().split(b"\n")
    assert lines.pop() == b"", "the file's last line has no end"
    numbers = iter(range(len(lines)))
    directives = True
    for number in numbers:
        line = _plain(lines[number]).lstrip(_GO_SPACE)
        if line.startswith("#"):
            if directives and _DIRECTIVE.match(line):
                raise Misread(f"a parser directive: {line}")
            directives = False
            continue
        if not line:
            continue
        directives = False
        whole, goes_on = _without_end(line, rules)
        while goes_on:
            try:
                number = next(numbers)
            except StopIteration:
                raise Misread(f"goes on after the end: {line[-40:]!r}") from None
            line = _plain(lines[number])
            bare = line.lstrip(_GO_SPACE)
            if bare.startswith("#") or not bare:
                raise Misread(f"a continued line is dropped: {line[:40]!r}")
            line, goes_on = _without_end(line, rules)
            whole += line
        found.append(_instruction(whole))
    return found


def _plain(line: bytes) -> str:
    if len(line) > LONGEST_LINE:
        raise Misread(f"a line of {len(line)} bytes")
    return line.rstrip(b"\r").decode()


def _without_end(line: str, rules: str) -> tuple[str, bool]:
    # The first is far quicker of long lines, most of which end here.
    if not line.rstrip(" \t").endswith("\\") or not _GOES_ON[rules].search(line):
        return line, False
    return _GOES_ON[rules].sub(lambda match: (match[1] or "") if match.re.groups else "", line), True


def _instruction(line: str) -> Instruction:
    name, _, rest = line.strip(_GO_SPACE).partition(" ")
    flags, rest = _flags(rest.strip(_GO_SPACE))
    if name in ("RUN", "COPY") and "<<" in line and any(map(_HEREDOC.match, _raw_words(line))):
        raise Misread(f"a heredoc: {line[:80]}")
    if name in JSON_FORM:
        try:
            words = json.loads(rest)
        except json.JSONDecodeError:
            raise Misread(f"not the JSON form: {rest[:80]!r}") from None
        assert isinstance(words, list) and all(isinstance(word, str) for word in words)
        value: Any = [expand(word) for word in words] if name == "COPY" else words
    elif name in ("ENV", "LABEL"):
        pairs = _quoted_words(rest)
        if len(pairs) != 1 or "=" not in pairs[0]:
            raise Misread(f"not one pair: {rest[:80]!r}")
        key, _, text = pairs[0].partition("=")
        value = (expand(key), expand(text))
    else:
        value = expand(rest)
    return Instruction(name, flags, value)


def _flags(text: str) -> tuple[tuple[str, ...], str]:
    found = []
    while text.startswith("--"):
        word, _, text = text.partition(" ")
        found.append(word)
        text = text.lstrip(_GO_SPACE)
    return tuple(found), text


def _raw_words(line: str) -> list[str]:
    """Words split at white space outside quotes, quotes and escapes kept."""
    words, word, quote = [""], "", ""
    position = 0
    while position < len(line):
        if ordinary := _ORDINARY.match(line, position):
            word += ordinary[0]
            position = ordinary.end()
            continue
        char = line[position]
        if char == "\\" and quote != "'" and position + 1 < len(line):
            word += line[position : position + 2]
            position += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in _GO_SPACE:
            words.append(word)
            word = ""
            position += 1
            continue
        word += char
        position += 1
    return [*words, word]


def _quoted_words(rest: str) -> list[str]:
    """moby's parseWords: white space ends a word unless quoted; a backslash takes the next character along."""
    words: list[str] = []
    word, position = "", 0
    while position < len(rest):
        char = rest[position]
        if run := _ORDINARY.match(rest, position):
            word += run[0]
            position = run.end()
        elif char in _QUOTED and (run := _QUOTED[char].match(rest, position)):
            word += run[0] + rest[run.end() : run.end() + 1].replace("\\", "")
            position = run.end() + 1
        elif char in _GO_SPACE:
            if word:
                words.append(word)
            word = ""
            position += 1
        elif char != "\\":
            word += char
            position += 1
        elif position + 1 == len(rest):
            break
        else:
            word += rest[position : position + 2]
            position += 2
    return [*words, word] if word else words


def expand(word: str) -> str:
    """moby's ProcessWord: quotes taken off, escapes resolved, variables replaced by nothing."""
    result, position = "", 0
    while position < len(word):
        if ordinary := _ORDINARY.match(word, position):
            result += ordinary[0]
            position = ordinary.end()
            continue
        char = word[position]
        if char == "'":
            end = word.find("'", position + 1)
            if end < 0:
                raise Misread(f"a single quote is not closed: {word[:80]!r}")
            result += word[position + 1 : end]
            position = end + 1
        elif char == '"':
            text, position = _double_quoted(word, position + 1)
            result += text
        elif char == "$":
            text, position = _variable(word, position)
            result += text
        elif char == "\\":
            result += word[position + 1 : position + 2]
            position += 2
        else:
            result += char
            position += 1
    return result


def _double_quoted(word: str, position: int) -> tuple[str, int]:
    result = ""
    while position < len(word):
        if (run := _PLAIN_OR_ESCAPED.match(word, position)) and run[0]:
            result += _ESCAPED.sub(lambda match: match[1], run[0])
            position = run.end()
            continue
        if word[position] == '"':
            return result, position + 1
        text, position = _variable(word, position)
        result += text
    raise Misread(f"a double quote is not closed: {word[:80]!r}")


def _variable(word: str, position: int) -> tuple[str, int]:
    if word[position + 1 : position + 2] == "{":
        end = word.find("}", position)
        if end < 0:
            raise Misread(f"a variable is not closed: {word[:80]!r}")
        return "", end + 1
    name = re.compile(r"\w*").match(word, position + 1)
    assert name
    return ("" if name[0] else "$"), name.end()
