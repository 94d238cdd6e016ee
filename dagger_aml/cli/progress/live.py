"""The live display at the foot of a terminal: a line for each thing that goes on, redrawn while time goes by."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time

import click

from ..console import printable

FOOT = "\0"
"""The name of the line that stands below all others, however many there are."""

_REDRAW = 0.2
"""Seconds between two pictures."""


class LiveDisplay:
    """Lines that move, below all that has been printed; wiped when nothing is left to show."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()
        self._signs = itertools.cycle("|/-\\")
        self._drawn = 0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, name: str, text: str, *, anew: bool = False) -> None:
        """Show what goes on under a name; its clock goes on unless it begins ``anew``."""
        with self._lock:
            self._texts[name] = text
            if anew or name not in self._since:
                self._since[name] = time.monotonic()
            self._draw()
        if self._thread is None:
            self._over.clear()
            self._thread = threading.Thread(target=self._keep_drawing, daemon=True)
            self._thread.start()

    def drop(self, name: str) -> None:
        """Show what is under a name no longer."""
        with self._lock:
            self._texts.pop(name, None)
            self._since.pop(name, None)
            self._draw()

    def above(self, text: str) -> None:
        """Print lines that stay, above those that move."""
        with self._lock:
            self._wipe()
            click.echo(printable(text, sys.stderr), err=True)
            self._draw()

    def stop(self) -> None:
        """Wipe the lines; the next ``put`` begins again."""
        if self._thread:
            self._over.set()
            self._thread.join()
            self._thread = None
        with self._lock:
            self._texts.clear()
            self._since.clear()
            self._wipe()

    def _keep_drawing(self) -> None:
        while not self._over.wait(_REDRAW):
            with self._lock:
                self._draw()

    def _wipe(self) -> None:
        if self._drawn:
            sys.stderr.write(f"\r\033[{self._drawn - 1}A\033[J" if self._drawn > 1 else "\r\033[K")
            sys.stderr.flush()
            self._drawn = 0

    def _draw(self) -> None:
        self._wipe()
        columns, lines = _size()
        sign, now = next(self._signs), time.monotonic()
        rows = []
        foot = [(FOOT, self._texts[FOOT])] if FOOT in self._texts else []
        others = [each for each in self._texts.items() if each[0] != FOOT]
        for name, text in (*others[: max(lines - 1 - len(foot), 1 - len(foot))], *foot):
            clock = f" {sign} {now - self._since[name]:.0f} s"
            rows.append(f"{printable(text, sys.stderr)[: max(columns - len(clock) - 1, 0)]}{clock}")
        if rows:
            sys.stderr.write("\n".join(rows))
            sys.stderr.flush()
        self._drawn = len(rows)


def _size() -> tuple[int, int]:
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
        return size.columns or 80, size.lines or 24
    except (OSError, ValueError):
        return 80, 24
