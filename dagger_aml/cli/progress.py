"""Progress of a build, on standard error: for a person who watches, as plain lines, or as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol, cast

import click
from attrs import asdict

from ..backends.result import Result
from ..errors import DaggerAmlError, UsageError, first_of
from ..events import Event, Message, OpDone, OpStarted, Output, Transferred
from ..text import human_size
from .main import printable
from .rows import Rows

Mode = Literal["auto", "tty", "plain", "quiet", "json"]

_SELDOM = 5.0
"""Seconds between two lines about one transfer where nobody watches."""


class Progress:
    """Shows events; leaving its ``with`` block ends the moving line, so that an error is printed on its own.

    As JSON the error is an object as well, and the program ends there.

    :param mode: ``auto`` is ``tty`` on a terminal that can move its cursor, else ``plain``.
    :param quiet: makes ``auto`` show nothing.
    :param verbose: show also what the builder prints.
    :raises UsageError: ``tty`` without a terminal.
    """

    def __init__(self, mode: str = "auto", *, quiet: bool = False, verbose: bool = False) -> None:
        self.mode = _settled(cast("Mode", mode), quiet)
        self.quiet = self.mode == "quiet"
        self.verbose = verbose
        self.ops: list[OpDone] = []
        self._view: _View = _VIEWS[self.mode]()

    def of(self, project: str) -> Progress:
        """The progress of one of several projects, named in each line and object."""
        made = Progress(self.mode, verbose=self.verbose)
        made._view = self._view.of(project)
        return made

    def failed(self, error: DaggerAmlError, seconds: float) -> None:
        """Show that a project of several failed, the others going on."""
        self._view.failed(error, seconds)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.stop()
        if isinstance(error, BaseExceptionGroup):
            error = first_of(error, DaggerAmlError)
        if self.mode == "json" and isinstance(error, DaggerAmlError):
            _object("failed", **_parts(error))
            raise SystemExit(error.exit_code) from None

    def stop(self) -> None:
        """Let nothing move any longer."""
        self._view.stop()

    def on_event(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, OpDone):
            self.ops.append(event)
        if not isinstance(event, Output) or self.verbose:
            self._view.show(event)

    def warn(self, text: str) -> None:
        """Show something worth knowing about what was asked for."""
        self._view.warn(text)

    def finish(self, result: Result) -> None:
        """Show what was made: the steps' seconds, what was reused, each layer's bytes."""
        self._view.finish(result, self.ops)


class _View(Protocol):
    def of(self, project: str) -> _View: ...

    def failed(self, error: DaggerAmlError, seconds: float) -> None: ...

    def show(self, event: Event) -> None: ...

    def warn(self, text: str) -> None: ...

    def stop(self) -> None: ...

    def finish(self, result: Result, ops: list[OpDone]) -> None: ...


class _Plain:
    """A line for what begins and a line for what ends, and now and then one for what moves; no control codes."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def of(self, project: str) -> _View:
        return _PlainOf(project)

    def failed(self, error: DaggerAmlError, seconds: float) -> None:
        self.line(f"failed after {seconds:.1f} s: {str(error).splitlines()[0]}")

    def show(self, event: Event) -> None:
        if isinstance(event, OpStarted):
            self.started(event)
        elif isinstance(event, OpDone):
            self.done(event)
        elif isinstance(event, Transferred):
            self.transferred(event)
        else:
            self.line(event.text if isinstance(event, Message) else f"  | {event.text}")

    def warn(self, text: str) -> None:
        self.line(f"dagger-aml: warning: {text}")

    def started(self, event: OpStarted) -> None:
        self.line(f"[{event.number}/{event.total}] {event.name} ...")

    def done(self, event: OpDone) -> None:
        self.line(f"[{event.number}/{event.total}] {event.name}  {_took(event)}")

    def transferred(self, event: Transferred) -> None:
        now = time.monotonic()
        last = self._told.setdefault(event.name, now)
        if _is_over(event) or now - last >= _SELDOM:
            self._told[event.name] = now
            self.line(f"{event.name}: {_moved(event)}")

    def stop(self) -> None:
        """Nothing moves."""

    def finish(self, result: Result, ops: list[OpDone]) -> None:
        for line in _summary(result, ops):
            self.line(line)

    def line(self, text: str) -> None:
        click.echo(printable(text, sys.stderr), err=True)


class _PlainOf(_Plain):
    """The lines of one project of several, each with its name before it; of the summary the first line alone."""

    def __init__(self, project: str) -> None:
        super().__init__()
        self.project = project

    def warn(self, text: str) -> None:
        self.line(f"warning: {text}")

    def finish(self, result: Result, ops: list[OpDone]) -> None:
        for line in _summary(result, ops)[:1]:
            self.line(line.rstrip(":"))

    def line(self, text: str) -> None:
        for each in text.splitlines():
            super().line(f"{self.project}: {each}")


class _WatchedOf(_PlainOf):
    """The same above the lines that move, one of which is the project's."""

    def __init__(self, project: str, rows: Rows) -> None:
        super().__init__(project)
        self._rows = rows

    def show(self, event: Event) -> None:
        super().show(event)
        if isinstance(event, Message):
            self._put(event.text, anew=True)

    def started(self, event: OpStarted) -> None:
        self._put(_titled(event), anew=True)

    def done(self, event: OpDone) -> None:
        self.stop()
        super().done(event)

    def transferred(self, event: Transferred) -> None:
        if _is_over(event):
            super().transferred(event)
        else:
            self._put(f"{event.name}: {_moved(event)}")

    def stop(self) -> None:
        self._rows.drop(self.project)

    def _put(self, text: str, *, anew: bool = False) -> None:
        self._rows.put(self.project, f"{self.project}: {text}", anew=anew)

    def line(self, text: str) -> None:
        for each in text.splitlines():
            self._rows.above(f"{self.project}: {each}")


class _Watched(_Plain):
    """One line that moves, for what goes on; what has ended stands above it."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[OpStarted] = []
        self._rows = Rows()

    def of(self, project: str) -> _View:
        return _WatchedOf(project, self._rows)

    def started(self, event: OpStarted) -> None:
        self._open.append(event)
        self._rows.put(_ONE, _titled(event), anew=True)

    def done(self, event: OpDone) -> None:
        self._open = [each for each in self._open if (each.name, each.number) != (event.name, event.number)]
        super().done(event)
        if self._open:
            self._rows.put(_ONE, _titled(self._open[-1]), anew=True)

    def transferred(self, event: Transferred) -> None:
        if _is_over(event):
            super().transferred(event)
        elif event.kind == "sent" and self._open and self._open[-1].name == event.name:
            self._rows.put(_ONE, f"{_titled(self._open[-1])}  {_moved(event)}")
        else:
            self._rows.put(_ONE, f"{event.name}: {_moved(event)}")

    def stop(self) -> None:
        self._rows.stop()

    def line(self, text: str) -> None:
        self._rows.drop(_ONE)
        self._rows.above(text)


_ONE = ""
"""The name of the row that moves where one project is built."""


class _Json:
    """One object a line, for programs; docs/progress.md lists them.

    :param more: fields of every object.
    """

    def __init__(self, **more: str) -> None:
        self.more = more

    def of(self, project: str) -> _View:
        return _Json(project=project)

    def failed(self, error: DaggerAmlError, seconds: float) -> None:
        _object("failed", **self.more, seconds=seconds, **_parts(error))

    def show(self, event: Event) -> None:
        _object(_NAMES[type(event)], **self.more, **asdict(event))

    def warn(self, text: str) -> None:
        _object("warning", **self.more, text=text)

    def stop(self) -> None:
        """Nothing moves."""

    def finish(self, result: Result, ops: list[OpDone]) -> None:
        _object(
            "finished",
            **self.more,
            image=result.image_id,
            digest=result.digest,
            base=result.base,
            tags=list(result.tags),
            layers=[asdict(each) for each in result.layers],
            ops=[asdict(each) for each in ops],
            outputs=[{"path": str(each.path), "type": each.type, "digest": each.digest} for each in result.outputs],
        )


class _Quiet:
    """Shows nothing."""

    def of(self, _: str) -> _View:
        return self

    def failed(self, _: DaggerAmlError, __: float) -> None:
        """Nothing."""

    def show(self, event: Event) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing moves."""

    def finish(self, result: Result, ops: list[OpDone]) -> None:
        """Nothing."""


_VIEWS: dict[Mode, Callable[[], _View]] = {"plain": _Plain, "tty": _Watched, "json": _Json, "quiet": _Quiet}
_NAMES = {
    OpStarted: "op_started",
    OpDone: "op_done",
    Transferred: "transferred",
    Message: "message",
    Output: "output",
}


def _settled(mode: Mode, quiet: bool) -> Mode:
    if mode == "tty" and not sys.stderr.isatty():
        raise UsageError("standard error is not a terminal", location="--progress tty", hint="Use --progress plain.")
    if mode != "auto":
        return mode
    if quiet:
        return "quiet"
    return "tty" if sys.stderr.isatty() and os.environ.get("TERM") != "dumb" else "plain"


def _titled(event: OpStarted) -> str:
    return f"[{event.number}/{event.total}] {event.name}"


def _took(event: OpDone) -> str:
    return "CACHED" if event.cached else f"{event.seconds:.1f} s"


def _is_over(event: Transferred) -> bool:
    """Whether nothing follows. A step goes on after its files have been sent."""
    return event.kind != "sent" and event.total is not None


def _moved(event: Transferred) -> str:
    if _is_over(event) and event.kind == "pushed" and not event.done:
        return "nothing to push, the registry has every layer"
    if not event.done:
        return "preparing"
    of = f" of {human_size(event.total)}" if event.total and event.kind == "sent" else ""
    return f"{human_size(event.done)}{of} {event.kind}"


def _summary(result: Result, ops: list[OpDone]) -> list[str]:
    """The steps, with seconds and bytes as far as they are known."""
    if not ops:
        return []
    made = [layer for layer in result.layers if layer.op]
    base = [layer.size for layer in result.layers if not layer.op] if made else []
    rows = [("base", f"{len(base)} layer{'s' if len(base) > 1 else ''}", human_size(sum(base)))] if base else []
    for op in ops:
        layer = next((each for each in made if each.op == op.name), None)
        if layer:
            made.remove(layer)
        rows.append((op.name, _took(op), human_size(layer.size) if layer else ""))
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"  {name:{first}}  {took:>{second}}  {size:>9}".rstrip() for name, took, size in rows]
    known = [op.cached for op in ops if op.cached is not None]
    reused = f", {sum(known)} of them reused" if known else ""
    return [f"{len(ops)} step{'s' if len(ops) > 1 else ''}{reused}:", *lines]


def _parts(error: DaggerAmlError) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "text": str(error),
        "message": error.message,
        "location": error.location,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def _object(event: str, **fields: Any) -> None:
    click.echo(json.dumps({"event": event, **fields}), err=True)
