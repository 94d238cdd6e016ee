"""Progress where a person watches: one moving line, gone when a step ends or fails."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from dagger_aml.cli.progress import Progress
from dagger_aml.events import Said, StepDone, StepStarted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def moving() -> int:
    return sum("_draw" in thread.name for thread in threading.enumerate())


def test_a_failed_step_leaves_no_moving_line(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    before = moving()
    with pytest.raises(ValueError), Progress() as progress:
        progress.on_event(StepStarted("pip", 1, 2))
        assert moving() == before + 1
        raise ValueError
    assert moving() == before
    assert sys.stderr.getvalue().endswith("\r\033[K"), "an error is printed on a line of its own"


def test_each_step_has_one_line_in_the_end(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress() as progress:
        progress.on_event(StepStarted("apt", 1, 1))
        progress.on_event(StepDone("apt", 1, 1, 2.0))
        progress.on_event(Said("pushing x"))
    lines = [line.rpartition("\r\033[K")[2] for line in sys.stderr.getvalue().rstrip().split("\n")]
    assert lines == ["[1/1] apt  2.0 s", "pushing x"]


def test_without_a_terminal_there_are_no_control_codes(capsys):
    with Progress() as progress:
        progress.on_event(StepStarted("apt", 1, 1))
        progress.on_event(StepDone("apt", 1, 1, 2.0))
    assert capsys.readouterr().err == "[1/1] apt ...\n[1/1] apt  2.0 s\n"
