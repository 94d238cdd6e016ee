"""Progress of a build, on standard error: a line a step, with a moving clock where a person watches."""

from __future__ import annotations

import itertools
import sys
import threading
import time

import click

from ..events import Event, Output, Said, StepDone, StepStarted

_REDRAW = 0.2
"""Seconds between two pictures of the moving line."""


class Progress:
    """Prints events; leaving its ``with`` block ends the moving line, so that an error is printed on its own.

    :param quiet: print nothing.
    :param verbose: print also what the builder prints.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.watched = sys.stderr.isatty() and not quiet
        self._moving: _Moving | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def on_event(self, event: Event) -> None:
        """Print one event."""
        if self.quiet:
            return
        if isinstance(event, StepStarted):
            text = f"[{event.number}/{event.total}] {event.name}"
            self._stop()
            if self.watched:
                self._moving = _Moving(text)
            else:
                _line(f"{text} ...")
        elif isinstance(event, StepDone):
            self._stop()
            _line(f"[{event.number}/{event.total}] {event.name}  {event.seconds:.1f} s")
        elif isinstance(event, Said):
            self._stop()
            _line(event.text)
        elif isinstance(event, Output) and self.verbose:
            self._stop()
            _line(f"  | {event.text}")

    def _stop(self) -> None:
        if self._moving:
            self._moving.stop()
            self._moving = None


class _Moving:
    """One line that shows that time goes by; wiped when it stops."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()

    def _draw(self) -> None:
        begun = time.monotonic()
        for sign in itertools.cycle("|/-\\"):
            sys.stderr.write(f"\r\033[K{self._text[:100]} {sign} {time.monotonic() - begun:.0f} s")
            sys.stderr.flush()
            if self._over.wait(_REDRAW):
                return


def _line(text: str) -> None:
    encoding = sys.stderr.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=True)
