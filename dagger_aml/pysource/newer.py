"""What Pythons newer than ours can parse, rewritten so that ours can: to tell new syntax from none at all.

Known are Python 3.12's f-strings (PEP 701), ``type`` statements and type parameters (PEP 695), 3.13's defaults of
these, and 3.14's t-strings and ``except A, B:``. Lines stay where they are; columns do not. What was rewritten is no
longer the same program: an f-string is a plain string with its texts, and type parameters are gone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from attrs import Factory

from ..data import define, frozen
from .pythons import KNOWN, Python
from .quiet import quietly

_STRING = re.compile(r"([A-Za-z]{0,2})('''|\"\"\"|'|\")")
_WORD = re.compile(r"[^\W\d]\w*")
_PREFIXES = frozenset({"", "r", "b", "u", "br", "rb", "f", "fr", "rf", "t", "tr", "rt"})
_TYPE = re.compile(r"type[ \t]+([^\W\d]\w*)(?=[ \t]*[=\[])")
_GENERIC = re.compile(r"(?:def|class)[ \t]+[^\W\d]\w*[ \t]*(?=\[)")
_KEYWORDS = frozenset({"and", "as", "else", "if", "in", "is", "not", "or"})
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class NoPythonError(ValueError):
    """A text that no Python of those that are known parses; as far as this module looks."""


@frozen
class Rewritten:
    """A text for older Pythons.

    :param text: with as many lines as before.
    :param used: the versions of what was rewritten and their lines, in the order of the text.
    """

    text: str
    used: tuple[tuple[Python, int, str], ...]


def rewritten(text: str, python: Python) -> Rewritten:
    """Rewrite what is new in a Python.

    :param python: for which the text is; what is newer than that is left as it is.
    :raises NoPythonError: a string or a bracket has no end, or what stands in an f-string is no expression.
    """
    writer = _Writer(text, python)
    writer.statements(len(text))
    return Rewritten("".join(writer.out), tuple(writer.used))


@define
class _Writer:
    text: str
    python: Python
    at: int = 0
    out: list[str] = Factory(list)
    used: list[tuple[Python, int, str]] = Factory(list)

    def use(self, version: Python, at: int, what: str) -> None:
        self.used.append((version, self.text.count("\n", 0, at) + 1, what))

    def take(self, end: int) -> None:
        self.out.append(self.text[self.at : end])
        self.at = end

    def statements(self, end: int) -> None:
        """Copy everything, rewritten where it is new."""
        while self.at < end:
            self.token()

    def token(self) -> None:
        """Copy one token, or what begins with it and is new."""
        text, at = self.text, self.at
        char = text[at]
        if char == "#":
            self.take(_end_of_line(text, at))
        elif char == "\\" and at + 1 < len(text):
            self.take(at + 2)
        elif found := _string_at(text, at):
            self.string(*found)
        elif word := _WORD.match(text, at):
            self.word(word)
        else:
            self.take(at + 1)

    def word(self, word: re.Match[str]) -> None:
        text, at = self.text, self.at
        if word[0] == "type" and self.python >= (3, 12) and (found := _TYPE.match(text, at)):
            if found[1] in _KEYWORDS:
                self.take(word.end())
                return
            self.use((3, 12), at, "`type` statement")
            self.out.append(found[1])
            self.at = found.end()
            self.parameters()
        elif word[0] in ("def", "class") and self.python >= (3, 12) and (found := _GENERIC.match(text, at)):
            self.use((3, 12), at, "type parameters")
            self.take(found.end())
            self.parameters()
        elif word[0] == "except" and self.python >= (3, 14):
            self.handler()
        else:
            self.take(word.end())

    def parameters(self) -> None:
        """Leave out ``[T: int = str]``, if it is there."""
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.take(self.at + 1)
        if self.text[self.at : self.at + 1] == "[":
            end = _after_bracket(self.text, self.at)
            self.out.append("\\\n" * self.text.count("\n", self.at, end))
            self.at = end

    def handler(self) -> None:
        """Put brackets around the types of ``except A, B:``."""
        start = self.at + len("except")
        end, comma, named = start, False, False
        while end < len(self.text) and self.text[end] not in ":\n":
            if self.text[end] in _CLOSING:
                end = _after_bracket(self.text, end)
                continue
            comma = comma or self.text[end] == ","
            named = named or re.match(r"\bas\b", self.text[end:]) is not None
            end += 1
        self.take(start)
        if comma and not named and self.text[end : end + 1] == ":":
            self.use((3, 14), start, "`except` with several types and no brackets")
            types = self.text[self.at : end]
            star = "*" if types.lstrip().startswith("*") else ""
            self.out.append(f"{star} ({types.replace('*', '', 1) if star else types})")
            self.at = end

    def string(self, prefix: str, quote: str, body: int) -> None:
        low = prefix.lower()
        if "f" not in low and not ("t" in low and self.python >= (3, 14)):
            self.take(_after_string(self.text, body, quote))
            return
        if "t" in low:
            self.use((3, 14), self.at, "t-string")
        pieces = list(self.pieces(body, quote, raw="r" in low, depth=0))
        plain = "".join(pieces)
        self.out.append(("r" if "r" in low else "") + quote + plain + quote)

    def pieces(self, body: int, quote: str, *, raw: bool, depth: int) -> Iterator[str]:
        """The texts of an f-string, with a space for each expression; ends behind its quote, or at a spec's ``}``.

        :param depth: above 0 in a format's specification.
        """
        text, at = self.text, body
        while True:
            if at >= len(text):
                raise NoPythonError("an f-string has no end")
            if text.startswith(quote, at):
                if depth:
                    raise NoPythonError("a replacement field of an f-string has no end")
                self.at = at + len(quote)
                return
            char = text[at]
            if char == "\n" and len(quote) == 1:
                raise NoPythonError("an f-string has no end on its line")
            if char == "\\":
                step = 1 if text[at + 1 : at + 2] in ("{", "}", "") else 2
                if not raw and text.startswith("N{", at + 1):
                    step = text.find("}", at) - at + 1
                if step < 1:
                    raise NoPythonError("a name of a character has no end")
                yield text[at : at + step] if step > 1 else "\\" * 2
                at += step
            elif char in "{}" and text[at + 1 : at + 2] == char and not depth:
                yield char * 2
                at += 2
            elif char == "{":
                start = at
                at = self.field(at + 1, quote, raw=raw, depth=depth)
                yield " " + ("\\\n" if len(quote) == 1 else "\n") * text.count("\n", start, at)
            elif char == "}":
                if not depth:
                    raise NoPythonError("an f-string has a single `}`")
                self.at = at
                return
            else:
                yield char
                at += 1

    def field(self, at: int, quote: str, *, raw: bool, depth: int) -> int:
        """The place behind a replacement field's ``}``; its expression is checked."""
        text, start = self.text, at
        if depth > 20:
            raise NoPythonError("an f-string is nested too deeply")
        expression, newer = "", False
        while True:
            if at >= len(text):
                raise NoPythonError("a replacement field of an f-string has no end")
            char = text[at]
            if char in "}:" or (char == "!" and text[at + 1 : at + 2] != "="):
                break
            if found := _string_at(text, at):
                end = _after_any(text, at, found)
            elif char in _CLOSING:
                end = _after_bracket(text, at)
            elif char == "#":
                end, newer = _end_of_line(text, at), True
            else:
                end = at + 1
            inside = text[at:end]
            expression += inside if char != "#" else ""
            newer = newer or "\\" in inside or quote in inside or ("\n" in inside and len(quote) == 1)
            at = end
        _check(expression, self.python)
        if char == "!":
            word = _WORD.match(text, at + 1)
            at = word.end() if word else at + 1
            while text[at : at + 1].isspace():
                at += 1
        if newer:
            self.use((3, 12), start, "f-string with quotes, a backslash, a comment or lines of its own in its braces")
        if text[at : at + 1] == ":":
            for _ in self.pieces(at + 1, quote, raw=raw, depth=depth + 1):
                pass
            at = self.at
            if depth >= 1:
                self.use((3, 12), start, "f-string nested twice in a format")
        if text[at : at + 1] != "}":
            raise NoPythonError("a replacement field of an f-string has no end")
        return at + 1


def _check(expression: str, python: Python) -> None:
    """Whether what stands in an f-string's braces is an expression.

    :raises NoPythonError: it is none.
    """
    text = re.sub(r"(?<![=!<>])=\s*$", "", expression)
    try:
        with quietly():
            ast.parse(f"({rewritten(text, python).text}\n)", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoPythonError(f"an f-string has {expression.strip()!r} in its braces") from error


def _string_at(text: str, at: int) -> tuple[str, str, int] | None:
    """Prefix and quote of a string that begins at a place, and where its text does; None where none does."""
    if text[at] not in "'\"" and at and (text[at - 1].isalnum() or text[at - 1] == "_"):
        return None
    found = _STRING.match(text, at)
    if found is None or found[1].lower() not in _PREFIXES:
        return None
    return found[1], found[2], found.end()


def _after_string(text: str, body: int, quote: str) -> int:
    while body < len(text):
        if text[body] == "\\":
            body += 2
        elif text.startswith(quote, body):
            return body + len(quote)
        elif text[body] == "\n" and len(quote) == 1:
            raise NoPythonError("a string has no end on its line")
        else:
            body += 1
    raise NoPythonError("a string has no end")


def _after_any(text: str, at: int, found: tuple[str, str, int]) -> int:
    prefix, quote, body = found
    if not set(prefix.lower()) & {"f", "t"}:
        return _after_string(text, body, quote)
    inner = _Writer(text, KNOWN, body)
    for _ in inner.pieces(body, quote, raw="r" in prefix.lower(), depth=0):
        pass
    return inner.at


def _after_bracket(text: str, at: int) -> int:
    """The place behind the bracket that closes the one at a place; strings and comments are passed over."""
    waiting = [_CLOSING[text[at]]]
    at += 1
    while waiting:
        if at >= len(text):
            raise NoPythonError("a bracket has no end")
        char = text[at]
        if char == "#":
            at = _end_of_line(text, at)
        elif found := _string_at(text, at):
            at = _after_any(text, at, found)
        else:
            if char in _CLOSING:
                waiting.append(_CLOSING[char])
            elif char in ")]}" and waiting.pop() != char:
                raise NoPythonError("brackets do not match")
            at += 1
    return at


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
