"""Reading Python tracebacks in a log."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..data import frozen

_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<name>.+))?$')
_ERROR = re.compile(r"(?P<type>[A-Za-z_]\w*(?:\.(?:<locals>|\w+))*)(?:: (?P<text>.*))?$")
_CHAIN = ("The above exception was the direct cause", "During handling of the above exception")
_OF_SERVER = "azureml_inference_server_http."
_OF_GUNICORN = "gunicorn."
_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z] \[")

_GROUP = f"+ Exception Group {_BEGIN}"
_MARGIN = re.compile(r"\s+[|+]")
_MEMBER = re.compile(r"\s+(?P<first>\+-)?\+-{16} (?:\d+|\.\.\.) -{16}$")
_END = re.compile(r"\s+\+-{36}$")
"""How Python draws an ExceptionGroup: a margin of ``|``, and a line before each exception in it."""


@frozen
class Frame:
    """One place of a traceback.

    :param code: the line of source that was shown, without indentation.
    """

    file: str
    line: int
    name: str = ""
    code: str = ""


@frozen
class Raised:
    """One exception of a traceback.

    :param type: its class, with its module where that is not ``builtins``.
    :param text: its message, all lines.
    :param frames: outermost first.
    :param members: of an ExceptionGroup, the exceptions in it that are no groups themselves.
    """

    type: str
    text: str
    frames: tuple[Frame, ...]
    members: tuple[Raised, ...] = ()

    @property
    def name(self) -> str:
        """The class alone."""
        return self.type.rpartition(".")[2]

    @property
    def shown(self) -> str:
        """``ModuleNotFoundError: No module named 'cv2'``, one line."""
        first = self.text.splitlines()[0] if self.text else ""
        return f"{self.name}: {first}" if first else self.name


def tracebacks(lines: Iterable[str], *, groups: bool = True) -> list[tuple[Raised, ...]]:
    """Every traceback of a log in order, each as the chain of its exceptions, the first raised first.

    :param groups: whether it may hold an ExceptionGroup's.
    """
    reader = _Reader()
    rest = list(lines)
    rest.reverse()
    while rest:
        line = rest.pop()
        if not groups or _GROUP not in line:
            reader.read(line)
            continue
        drawn = []
        while rest and _MARGIN.match(rest[-1]):
            drawn.append(rest.pop())
        own, members = _members(drawn)
        reader.read(line.replace(_GROUP, _BEGIN))
        for each in own:
            reader.read(each)
        reader.members = members
    reader.flush()
    return reader.found


def users_own(chain: tuple[Raised, ...]) -> Raised:
    """The exception that the user's code raised: the last that is not the server's wrapping of another."""
    own = [raised for raised in chain if not raised.type.startswith(_OF_SERVER)]
    return own[-1] if own else chain[-1]


def is_servers(chain: tuple[Raised, ...]) -> bool:
    """Whether the server reports it of the user's code: it ends in an exception of the server's own."""
    return chain[-1].type.startswith(_OF_SERVER)


def is_gunicorns(chain: tuple[Raised, ...]) -> bool:
    """Whether it is only how gunicorn ends: with several workers, that prints a traceback too."""
    return chain[-1].type.startswith(_OF_GUNICORN)


def _members(drawn: list[str]) -> tuple[list[str], tuple[Raised, ...]]:
    """The lines of a group's own traceback, and the exceptions in it; a group in it is left out for those in it."""
    parts: list[list[str]] = [[]]
    for line in drawn:
        member = _MEMBER.match(line)
        if member:
            if member["first"] and len(parts) > 1:
                parts.pop()
            parts.append([])
        elif not _END.match(line):
            parts[-1].append(re.sub(r"^\s+[|+] ?", "", line))
    found = []
    for part in parts[1:]:
        chains = tracebacks(part if any(_BEGIN in line for line in part) else [_BEGIN, *part], groups=False)
        found += [users_own(chains[-1])] if chains else []
    return parts[0], tuple(found)


class _Reader:
    """Puts lines together to tracebacks."""

    def __init__(self) -> None:
        self.found: list[tuple[Raised, ...]] = []
        self.members: tuple[Raised, ...] = ()
        self._chain: list[Raised] = []
        self._frames: list[Frame] = []
        self._kind = ""
        self._text: list[str] | None = None
        self._inside = self._chained = False

    def read(self, line: str) -> None:
        """The next line."""
        if _BEGIN in line:
            self._finish()
            if not self._chained:
                self.flush()
            self._inside, self._chained = True, False
        elif line.startswith(_CHAIN):
            self._finish()
            self._inside, self._chained = False, True
        elif _RECORD.match(line):
            self.flush()
            self._inside = self._chained = False
        elif self._inside:
            self._of_traceback(line)
        elif self._text is not None and line.strip() and not self._chained:
            self._text.append(line)

    def flush(self) -> None:
        """What was read so far is whole."""
        self._finish()
        if self._chain:
            self.found.append(tuple(self._chain))
            self._chain.clear()

    def _of_traceback(self, line: str) -> None:
        frame = _FRAME.match(line)
        if frame:
            self._frames.append(Frame(frame["file"], int(frame["line"]), frame["name"] or ""))
        elif line.startswith("    ") and self._frames and not self._frames[-1].code:
            last = self._frames[-1]
            self._frames[-1] = Frame(last.file, last.line, last.name, line.strip())
        elif line[:1] not in (" ", "") and (error := _ERROR.match(line)):
            self._kind, self._text, self._inside = error["type"], [error["text"] or ""], False

    def _finish(self) -> None:
        if self._text is not None:
            text = "\n".join(self._text).strip()
            self._chain.append(Raised(self._kind, text, tuple(self._frames), self.members))
        self._text, self._frames, self.members = None, [], ()
