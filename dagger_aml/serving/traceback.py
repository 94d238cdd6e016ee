"""Reading Python tracebacks in a log."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<name>.+))?$')
_ERROR = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$")
_CHAIN = ("The above exception was the direct cause", "During handling of the above exception")
_OF_SERVER = "azureml_inference_server_http."
_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z] \[")


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
    """

    type: str
    text: str
    frames: tuple[Frame, ...]

    @property
    def name(self) -> str:
        """The class alone."""
        return self.type.rpartition(".")[2]

    @property
    def shown(self) -> str:
        """``ModuleNotFoundError: No module named 'cv2'``, one line."""
        first = self.text.splitlines()[0] if self.text else ""
        return f"{self.name}: {first}" if first else self.name


def tracebacks(lines: Iterable[str]) -> list[tuple[Raised, ...]]:
    """Every traceback of a log in order, each as the chain of its exceptions, the first raised first."""
    found: list[tuple[Raised, ...]] = []
    chain: list[Raised] = []
    frames: list[Frame] = []
    inside, chained = False, False
    text: list[str] | None = None
    kind = ""

    def finish() -> None:
        nonlocal text, frames
        if text is not None:
            chain.append(Raised(kind, "\n".join(text).strip(), tuple(frames)))
        text, frames = None, []

    def flush() -> None:
        finish()
        if chain:
            found.append(tuple(chain))
            chain.clear()

    for line in lines:
        if _BEGIN in line:
            finish()
            if not chained:
                flush()
            inside, chained = True, False
            continue
        if line.startswith(_CHAIN):
            finish()
            inside, chained = False, True
            continue
        if _RECORD.match(line):
            flush()
            inside, chained = False, False
            continue
        if not inside:
            if text is not None and line.strip() and not chained:
                text.append(line)
            continue
        frame = _FRAME.match(line)
        if frame:
            frames.append(Frame(frame["file"], int(frame["line"]), frame["name"] or ""))
        elif line.startswith("    ") and frames and not frames[-1].code:
            frames[-1] = Frame(frames[-1].file, frames[-1].line, frames[-1].name, line.strip())
        elif line[:1] not in (" ", "") and (error := _ERROR.match(line)):
            kind, text, inside = error["type"], [error["text"] or ""], False
    flush()
    return found


def users_own(chain: tuple[Raised, ...]) -> Raised:
    """The exception that the user's code raised: the last that is not the server's wrapping of another."""
    own = [raised for raised in chain if not raised.type.startswith(_OF_SERVER)]
    return own[-1] if own else chain[-1]
