"""The commands of a shell line, as far as words tell them: no variable is replaced, nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...data import frozen
from ...text import pattern
from .instructions import Instruction, Word

_ENDS = frozenset(";&|\n()")
_BEFORE = frozenset(
    {"then", "do", "else", "elif", "if", "while", "until", "!", "{", "}"}
    | {"exec", "command", "nice", "time", "env", "sudo", "-E", "set"}
)
"""Words before the program, for one of which the next word is looked at."""

SHELLS = ("sh", "bash", "dash", "ash")

_HEREDOC = pattern(r"(?<!<)<<-?[ \t]*(['\"]?)([A-Za-z_]\w*)\1")

_ASSIGNMENT = pattern(r"[A-Za-z_][A-Za-z0-9_]*\+?=")


@frozen
class Call:
    """A program that is called.

    :param words: it and what follows, without quotes; each with its place in the instruction's text.
    :param sudo: whether ``sudo`` stands before it.
    """

    words: tuple[Word, ...]
    sudo: bool = False

    @property
    def program(self) -> str:
        """Its name without folders."""
        return self.words[0].text.rpartition("/")[2]

    @property
    def texts(self) -> tuple[str, ...]:
        """The words behind the program."""
        return tuple(each.text for each in self.words[1:])


def calls(instruction: Instruction) -> tuple[Call, ...]:
    """What a ``RUN``, ``CMD`` or ``ENTRYPOINT`` calls, in order."""
    if instruction.json:
        # The list's strings lie in quotes, so a word's place is that of what is between them.
        found = tuple(instruction.words)
        shell = (
            len(found) == 3 and found[0].text.rpartition("/")[2] in ("sh", "bash") and found[1].text in ("-c", "-lc")
        )
        if not shell:
            return (Call(found),) if found else ()
        return tuple(_calls(found[2].text, None))
    line = instruction.words[0] if instruction.words else Word("")
    lines = instruction.text[line.begin : line.end].split("\n")
    return tuple(_calls("\n".join(_commands(lines)), line.begin))


def _commands(lines: Sequence[str]) -> Iterator[str]:
    """Lines of commands, blanks in place of heredocs that no shell runs, so that all else keeps its place."""
    at = 0
    while at < len(lines):
        line = lines[at]
        yield line
        at += 1
        for found in _HEREDOC.finditer(line):
            end = next((place for place in range(at, len(lines)) if lines[place].strip("\t ") == found[2]), None)
            if end is None:
                continue
            words = [word.rpartition("/")[2] for word in _HEREDOC.sub(" ", line).split()]
            first = lines[at].split() if end > at and lines[at].startswith("#!") else []
            words += [word.rpartition("/")[2] for word in first]
            if not words or set(words) & {*SHELLS}:
                break  # Its lines are commands like all others.
            yield from (" " * len(each) for each in lines[at:end])
            yield lines[end]
            at = end + 1


def _calls(text: str, begin: int | None) -> Iterator[Call]:
    """The calls of a line.

    :param begin: of the line in the instruction's text; None where its words have no place in it.
    """
    words: list[Word] = []
    for word in [*_words(text), None]:
        if word is not None:
            words.append(word if begin is not None else Word(word.text))
            if begin is not None:
                words[-1] = Word(word.text, word.begin + begin, word.end + begin)
            continue
        found = _call(words)
        if found:
            yield found
        words = []


def _call(words: Sequence[Word]) -> Call | None:
    sudo = False
    for place, word in enumerate(words):
        if word.text in _BEFORE or _ASSIGNMENT.match(word.text) or word.text.startswith("<<"):
            sudo = sudo or word.text == "sudo"
            continue
        return Call(tuple(words[place:]), sudo)
    return None


def _words(text: str) -> Iterator[Word | None]:
    """Words without their quotes, and None between two commands."""
    made: list[str] = []
    begin: int | None = None
    at = 0
    while at < len(text):
        letter = text[at]
        ends = letter in _ENDS and not (letter == "&" and ">" in (text[at - 1 : at], text[at + 1 : at + 2]))
        if letter in " \t\r" or ends:
            if begin is not None:
                yield Word("".join(made), begin, at)
                made, begin = [], None
            if ends:
                yield None
            at += 1
            continue
        if letter == "#" and begin is None:
            line = text.find("\n", at)
            at = len(text) if line < 0 else line
            continue
        begin = at if begin is None else begin
        if letter in "'\"":
            end = _closing(text, at, letter)
            made.append(text[at + 1 : end])
            at = end + 1
        elif letter == "\\" and at + 1 < len(text):
            made.append(text[at + 1])
            at += 2
        elif text.startswith("$(", at):
            end = _closing(text, at + 1, ")")
            made.append(text[at : end + 1])
            at = end + 1
        else:
            made.append(letter)
            at += 1
    if begin is not None:
        yield Word("".join(made), begin, len(text))


def _closing(text: str, at: int, letter: str) -> int:
    """Where a quote that opens at a place is closed; the text's end where it is not."""
    at, depth = at + 1, 1
    while at < len(text):
        if text[at] == letter:
            depth -= 1
            if not depth:
                break
        depth += letter == ")" and text[at] == "("
        at += 2 if text[at] == "\\" and letter != "'" else 1
    return min(at, len(text))
