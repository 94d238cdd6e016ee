"""Variables in the words of a Dockerfile, replaced as BuildKit replaces them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Unknown(Exception):
    """A word holds a variable whose value is not known here, or a form that is not followed."""


def expanded(word: str, values: Mapping[str, str | None], escape: str = "\\", *, whole: bool = False) -> str | None:
    """A word without its quotes, its variables replaced; None where it cannot be told.

    :param values: of the variables; None for one that is set to what is not known.
    :param whole: whether ``values`` has all variables that there are, so that another one is empty; otherwise it may
        be the base image's, and is not known.
    """
    try:
        return _Reader(word, values, escape, whole=whole).read()
    except Unknown:
        return None


class _Reader:
    def __init__(self, word: str, values: Mapping[str, str | None], escape: str, *, whole: bool) -> None:
        self.word, self.values, self.escape, self.whole = word, values, escape, whole
        self.at = 0

    def read(self, until: str = "") -> str:
        """Up to the end, or a character that is no part of it."""
        made: list[str] = []
        while self.at < len(self.word) and self.word[self.at] != until:
            letter = self.word[self.at]
            if letter == "'":
                end = self.word.find("'", self.at + 1)
                if end < 0:
                    raise Unknown
                made.append(self.word[self.at + 1 : end])
                self.at = end + 1
            elif letter == '"':
                self.at += 1
                made.append(self._quoted())
            elif letter == "$":
                made.append(self._variable())
            elif letter == self.escape and self.at + 1 < len(self.word):
                made.append(self.word[self.at + 1])
                self.at += 2
            else:
                made.append(letter)
                self.at += 1
        return "".join(made)

    def _quoted(self) -> str:
        made: list[str] = []
        while True:
            if self.at >= len(self.word):
                raise Unknown
            letter = self.word[self.at]
            if letter == '"':
                self.at += 1
                return "".join(made)
            if letter == "$":
                made.append(self._variable())
            elif letter == self.escape and self.word[self.at + 1 : self.at + 2] in ('"', "$", self.escape):
                made.append(self.word[self.at + 1])
                self.at += 2
            else:
                made.append(letter)
                self.at += 1

    def _variable(self) -> str:
        self.at += 1
        braces = self.word[self.at : self.at + 1] == "{"
        found = _NAME.match(self.word, self.at + braces)
        if found is None:
            if braces:
                raise Unknown
            return "$"
        self.at = found.end()
        if not braces:
            return self._value(found[0])
        return self._modified(found[0])

    def _modified(self, name: str) -> str:
        """The part behind the name in ``${NAME:-word}``."""
        form = self.word[self.at : self.at + 1]
        if form == "}":
            self.at += 1
            return self._value(name)
        colon = form == ":"
        sign = self.word[self.at + colon : self.at + colon + 1]
        if sign not in ("-", "+"):
            raise Unknown
        self.at += colon + 1
        other = self.read("}")
        if self.word[self.at : self.at + 1] != "}":
            raise Unknown
        self.at += 1
        if name not in self.values and not self.whole:
            raise Unknown
        value = self.values.get(name)
        if name in self.values and value is None:
            raise Unknown
        there = bool(value) if colon else name in self.values
        if sign == "+":
            return other if there else ""
        return str(value) if there else other

    def _value(self, name: str) -> str:
        if name in self.values:
            value = self.values[name]
            if value is None:
                raise Unknown
            return value
        if not self.whole:
            raise Unknown
        return ""
