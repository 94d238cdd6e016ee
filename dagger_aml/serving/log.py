"""What a served image prints: kept, and the user's own lines told apart from the server's.

The forms are those of the PyPI package ``azureml-inference-server-http`` 1.5.1 (``logging.json``, ``amlserver.py``,
``appinsights_client.py``) and of the prebuilt images' start script.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Literal

import anyio

from ..data import frozen

_RECORD = re.compile(
    r"\d{4}-\d\d-\d\d (?P<time>\d\d:\d\d:\d\d),\d+ (?P<level>[A-Z]) \[\d+\] (?P<logger>\S+) - (?P<text>.*)"
)
_REQUEST = re.compile(r"(GET|POST|OPTIONS) /\S* \d{3} ")
_PRINTED = "azmlinfsrv.print"
_OF_SERVER = frozenset(
    {
        "azmlinfsrv",
        "azmlinfsrv.swagger",
        "azmlinfsrv.trace",
        "azmlinfsrv.user_script",
        "gunicorn.access",
        "gunicorn.error",
    }
)
_SAID_ANYWAY = re.compile(r"WORKER TIMEOUT|was sent SIG(?!TERM)")
"""What gunicorn says that the user must see; by SIGTERM it ends the other workers when one could not begin."""

_BANNER = re.compile(
    r"\s*$|Azure ML Inferencing HTTP server v|Server (Settings|Routes)$|-{10,}$|Initializing logger$"
    r"|(Entry Script Name|Model Directory|Config File|Worker (Count|Timeout.*)|(Server|Health) Port"
    r"|Application Insights (Enabled|Key)|Inferencing HTTP server version|CORS for the specified origins"
    r"|Create dedicated endpoint for health|Liveness Probe|Score): "
    r"|Dynamic Python package installation is disabled|Use the --model_dir command line argument"
    r"|The environment variable 'AZUREML_MODEL_DIR' has not been set|Extra keys = \["
    r"|!! (Starting the inference server in DEBUGGING|This environment variable should not be set)"
    r"|\*\* (A debugger can|Connecting to debugger at port)"
    r"|nginx ended with exit code|Exit code -?\d+ is not normal\. Killing image\."
)
_IN_TRACEBACK = re.compile(
    r"\s|$|Traceback \(most recent|The above exception was|During handling of the above"
    r"|[\w.]+(Error|Exception|Exit)\b"
)

WORKER_DIED = re.compile(
    r"Worker \(pid:\d+\) (?:was sent (?P<signal>SIG(?!TERM)\w+)!(?P<more>.*)|exited with code (?P<code>\d+))"
)
"""What gunicorn says of a worker that ended by a signal or by itself; it starts another, again and again."""

MOST_DEATHS = 3
"""So many workers of one server that end before it is ready mean that none will be."""

KEPT_LINES = 50_000
"""The last lines of a server's output that are kept."""

Kind = Literal["user", "error", "request", "server"]


@frozen
class Line:
    """One line of a served image's output.

    :param kind: ``user``: the entry script's own; ``error``: what the server says of a failure, tracebacks included;
        ``request``: one request and its status; ``server``: the rest, which is noise.
    :param text: the message, without the server's prefix.
    :param time: ``HH:MM:SS`` (UTC) of a log record; empty for bare output.
    :param level: ``I``, ``W``, ``E`` or ``C`` of a log record.
    :param logger: its name; empty for bare output and for ``print()``.
    """

    kind: Kind
    text: str
    time: str = ""
    level: str = ""
    logger: str = ""

    @property
    def shown(self) -> str:
        """The line as it is shown to a person."""
        named = f"{self.level} {self.logger.removeprefix('azmlinfsrv.')}: " if self.logger else ""
        return f"{self.time} {named}{self.text}" if self.time else self.text


class Reader:
    """Tells whose each line is; a traceback belongs to the record that it follows.

    Until the server's first record the start script speaks.
    """

    def __init__(self) -> None:
        self._begun = False
        self._after: Kind = "server"
        self._in_traceback = False

    def read(self, raw: str) -> Line:
        """The next line of the output."""
        raw = raw.rstrip("\r\n")
        record = _RECORD.match(raw)
        if not record:
            return Line(self._bare(raw), raw)
        self._begun = True
        level, logger, text = record["level"], record["logger"], record["text"]
        kind: Kind = "user"
        if logger in _OF_SERVER:
            failed = level in "EC" and logger == "azmlinfsrv"
            kind = "error" if failed or _SAID_ANYWAY.search(text) else "server"
            if logger == "azmlinfsrv" and _REQUEST.match(text):
                kind = "request"
        self._after, self._in_traceback = kind, "Traceback (most recent" in text or level in "EC"
        own = logger in (_PRINTED, "azmlinfsrv")
        return Line(kind, text, record["time"], level, "" if own else logger)

    def _bare(self, raw: str) -> Kind:
        if self._in_traceback and _IN_TRACEBACK.match(raw):
            return self._after
        if raw.startswith("Traceback (most recent"):
            self._after, self._in_traceback = "error", True
            return "error"
        self._in_traceback = False
        return "server" if not self._begun or _BANNER.match(raw) else "user"


class Log:
    """A server's output so far, and whether it has ended.

    ``ended`` is set when it has, ``dying`` when its workers end one after another; ``count`` is of all its lines,
    of those too that are kept no more, and ``posts`` is how many requests the server says it has answered.

    :param on_line: called with each line as it comes.
    """

    def __init__(self, on_line: Callable[[Line], None] | None = None) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.count: int = 0
        self.posts: int = 0
        self.ended: anyio.Event = anyio.Event()
        self.exit_code: int | None = None
        self.dying: anyio.Event = anyio.Event()
        self._deaths = 0
        self._on_line = on_line
        self._reader = Reader()
        self._rest = ""

    def add(self, raw: str) -> None:
        """Take a line."""
        self.lines.append(raw)
        self.count += 1
        self._deaths += bool(WORKER_DIED.search(raw))
        if self._deaths >= MOST_DEATHS:
            self.dying.set()
        line = self._reader.read(raw)
        self.posts += line.kind == "request" and line.text.startswith("POST ")
        if self._on_line:
            self._on_line(line)

    def add_text(self, text: str) -> None:
        """Take a piece of output; a line that is not complete waits for its end."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self.add(line)

    def since(self, count: int) -> list[str]:
        """The lines that came after so many, of those that are kept."""
        return list(self.lines)[max(0, len(self.lines) - (self.count - count)) :]

    def end(self, exit_code: int | None) -> None:
        """Note that the server ended; None where nobody knows its exit code."""
        if self._rest:
            self.add_text("\n")
        if not self.ended.is_set():
            self.exit_code = exit_code
            self.ended.set()

    @property
    def text(self) -> str:
        """All that is kept."""
        return "\n".join([*self.lines, *([self._rest] if self._rest else [])])
