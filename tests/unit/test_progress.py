"""Progress where a person watches: one moving line, gone when a step ends or fails."""

from __future__ import annotations

import io
import json
import re
import sys
import threading
import time
from typing import get_args

import pytest

from dagger_aml.backends.result import Result
from dagger_aml.cli.progress import Progress, as_json, live, plain
from dagger_aml.errors import TransientError, UsageError
from dagger_aml.events import Event, Message, OpDone, OpStarted, Output, Transferred
from dagger_aml.oci.model import Layer


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def moving() -> int:
    return sum("_draw" in thread.name for thread in threading.enumerate())


def test_a_failed_step_leaves_no_moving_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    before = moving()
    with pytest.raises(ValueError), Progress() as progress:
        progress.on_event(OpStarted("pip", 1, 2))
        assert moving() == before + 1
        raise ValueError
    assert moving() == before
    assert sys.stderr.getvalue().endswith("\r\033[K"), "an error is printed on a line of its own"


def test_each_step_has_one_line_in_the_end(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress() as progress:
        progress.on_event(OpStarted("apt", 1, 1))
        progress.on_event(OpDone("apt", 1, 1, 2.0))
        progress.on_event(Message("pushing x"))
    lines = [line.rpartition("\r\033[K")[2] for line in sys.stderr.getvalue().rstrip().split("\n")]
    assert lines == ["[1/1] apt  2.0 s", "pushing x"]


def test_without_a_terminal_there_are_no_control_codes(capsys):
    with Progress() as progress:
        progress.on_event(OpStarted("apt", 1, 1))
        progress.on_event(OpDone("apt", 1, 1, 2.0))
    assert capsys.readouterr().err == "[1/1] apt ...\n[1/1] apt  2.0 s\n"


EVENTS = [
    Message("probing the base image"),
    OpStarted("apt file", 1, 2),
    OpDone("apt file", 1, 2, 2.04, cached=False),
    OpStarted("model m 2.0 MB", 2, 2),
    Transferred("sent", "model m 2.0 MB", 1_000_000, 2_000_000),
    OpDone("model m 2.0 MB", 2, 2, 0.01, cached=True),
    Transferred("written", "m.tar", 0),
    Transferred("written", "m.tar", 3_000_000),
    Transferred("written", "m.tar", 3_000_000, 3_000_000),
    Transferred("pushed", "r/m:1", 0),
    Transferred("pushed", "r/m:1", 0, 0),
    Output("noise"),
]
RESULT = Result(
    "sha256:d",
    "sha256:i",
    ("r/m:1",),
    (
        Layer("sha256:1", 5_000_000),
        Layer("sha256:2", 700, "apt file"),
        Layer("sha256:3", 1_900_000, "model m 2.0 MB"),
    ),
    base="b@sha256:b",
)


def shown(mode: str, capsys: pytest.CaptureFixture[str], **kwargs: bool) -> str:
    """What standard error gets of a whole build."""
    with Progress(mode, **kwargs) as progress:
        progress.warn("mind this")
        for event in EVENTS:
            progress.on_event(event)
    progress.finish(RESULT)
    out, err = capsys.readouterr()
    assert out == ""
    return err


@pytest.mark.parametrize("mode", ["plain", "auto"])
def test_plain_lines(capsys, mode):
    assert shown(mode, capsys).splitlines() == [
        "dagger-aml: warning: mind this",
        "probing the base image",
        "[1/2] apt file ...",
        "[1/2] apt file  2.0 s",
        "[2/2] model m 2.0 MB ...",
        "[2/2] model m 2.0 MB  CACHED",
        "m.tar: 3.0 MB written",
        "r/m:1: nothing to push, the registry has every layer",
        "2 steps, 1 of them reused:",
        "  base            1 layer     5.0 MB",
        "  apt file          2.0 s      700 B",
        "  model m 2.0 MB   CACHED     1.9 MB",
    ]


def test_a_long_transfer_is_told_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(plain, "_SELDOM", 0.0)
    assert "model m 2.0 MB: 1.0 MB of 2.0 MB sent" in shown("plain", capsys).splitlines()


def test_quiet_is_quiet(capsys):
    assert shown("quiet", capsys) == ""
    assert shown("auto", capsys, quiet=True) == ""
    assert shown("plain", capsys, quiet=True) != "", "what is asked for by name counts more"


def test_verbose_shows_the_builders_lines(capsys):
    assert "  | noise" in shown("plain", capsys, verbose=True).splitlines()


def test_json_is_an_object_a_line(capsys):
    read = [json.loads(line) for line in shown("json", capsys, verbose=True).splitlines()]
    assert [each["event"] for each in read] == [
        "warning",
        "message",
        "op_started",
        "op_done",
        "op_started",
        "transferred",
        "op_done",
        *["transferred"] * 5,
        "output",
        "finished",
    ]
    assert read[3] == {
        "event": "op_done", "name": "apt file", "number": 1, "total": 2, "seconds": 2.04, "cached": False,
    }  # fmt: skip
    assert read[5] == {
        "event": "transferred", "kind": "sent", "name": "model m 2.0 MB", "done": 1_000_000, "total": 2_000_000,
    }  # fmt: skip
    assert (read[-1]["image"], read[-1]["digest"], read[-1]["tags"]) == ("sha256:i", "sha256:d", ["r/m:1"])
    assert read[-1]["layers"][1] == {"digest": "sha256:2", "size": 700, "op": "apt file"}
    assert [each["cached"] for each in read[-1]["ops"]] == [False, True]


def test_every_kind_of_event_has_a_name_in_json():
    assert set(as_json._NAMES) == set(get_args(Event))


def test_an_error_is_an_object_too(capsys):
    error = ExceptionGroup("several", [TransientError("the engine went away", location="apt", hint="Try again.")])
    with pytest.raises(SystemExit) as ended, Progress("json"):
        raise error
    assert ended.value.code == 75
    assert json.loads(capsys.readouterr().err) == {
        "event": "failed",
        "error": "TransientError",
        "text": "apt: the engine went away\n  Try again.",
        "message": "the engine went away",
        "location": "apt",
        "hint": "Try again.",
        "exit_code": 75,
    }


@pytest.mark.parametrize("mode", ["plain", "quiet"])
def test_other_modes_leave_the_error_to_its_printer(mode):
    with pytest.raises(TransientError), Progress(mode):
        raise TransientError("gone")


def test_a_terminal_is_watched_unless_it_is_dumb(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert Progress().mode == "tty"
    assert Progress(quiet=True).mode == "quiet"
    monkeypatch.setenv("TERM", "dumb")
    assert Progress().mode == "plain"
    assert Progress("tty").mode == "tty"


def test_tty_needs_a_terminal():
    with pytest.raises(UsageError, match="not a terminal"):
        Progress("tty")


def test_what_moves_is_one_line_and_what_ended_stays(capsys, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("tty") as progress:
        for event in EVENTS[:5]:
            progress.on_event(event)
        time.sleep(0.5)
        assert "[2/2] model m 2.0 MB  1.0 MB of 2.0 MB sent" in terminal.getvalue().rpartition("\r\033[K")[2]
        for event in EVENTS[5:]:
            progress.on_event(event)
    left = [line.rpartition("\r\033[K")[2] for line in terminal.getvalue().rstrip().split("\n")]
    assert left == [
        "probing the base image",
        "[1/2] apt file  2.0 s",
        "[2/2] model m 2.0 MB  CACHED",
        "m.tar: 3.0 MB written",
        "r/m:1: nothing to push, the registry has every layer",
    ]
    assert moving() == 0


def test_a_step_inside_another_gives_the_line_back(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("tty") as progress:
        progress.on_event(OpStarted("outer", 2, 2))
        progress.on_event(OpStarted("inner", 1, 1))
        progress.on_event(OpDone("inner", 1, 1, 0.1))
        assert moving() == 1
        time.sleep(0.1)
        assert "[2/2] outer" in terminal.getvalue().rpartition("inner")[2]
        progress.on_event(OpDone("outer", 2, 2, 0.1))
    assert moving() == 0


def test_a_line_is_never_wider_than_the_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(live, "_size", lambda: (40, 24))
    with Progress("tty") as progress:
        progress.on_event(OpStarted("a name " * 30, 1, 1))
        time.sleep(0.1)
    assert max(len(picture) for picture in terminal.getvalue().split("\r\033[K")) < 40


def several(mode: str, names: str = "abcdef") -> Progress:
    """Six projects, two at once: the first is made, the second fails, the third goes on."""
    with Progress(mode) as progress:
        progress.expect(names)
        first, second = progress.of(names[0]), progress.of(names[1])
        first.on_event(OpDone("apt", 1, 1, 2.0))
        first.stop()
        first.finish(Result("sha256:d"))
        third = progress.of(names[2])
        third.on_event(OpStarted("pip", 1, 1))
        second.stop()
        second.failed(TransientError("gone"), 1.0)
    return progress


def test_several_are_counted_in_plain_lines(capsys):
    several("plain")
    assert [re.sub(r"\d\.\d s", "… s", each) for each in capsys.readouterr().err.splitlines()] == [
        "a: [1/1] apt  … s",
        "a: 1 step",
        "after … s: 1 of 6 done; waiting: c, d, e and 1 more",
        "c: [1/1] pip ...",
        "b: failed after … s: gone",
        "after … s: 2 of 6 done, 1 failed; waiting: d, e, f",
    ]


def test_several_are_counted_in_json(capsys):
    several("json")
    read = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    counted = [each for each in read if each["event"] == "progress"]
    assert [(each["done"], each["total"], each["failed"]) for each in counted] == [(1, 6, 0), (2, 6, 1)]
    assert (counted[0]["running"], counted[0]["waiting"]) == (["b"], ["c", "d", "e", "f"])
    assert counted[0]["seconds"] >= 0 and "project" not in counted[0]
    assert [each["event"] for each in read] == ["op_done", "finished", "progress", "op_started", "failed", "progress"]


def test_a_terminal_has_the_count_at_its_foot(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    several("tty")
    pictures = [each for each in re.split(r"\r\x1b\[\d*A?\x1b?\[?[JK]", terminal.getvalue()) if "of 6 done" in each]
    assert re.match(r"0 of 6 done; waiting: a, b, c and 3 more [|/\\-] 0 s", pictures[0])
    last = pictures[-1].rstrip().split("\n")
    assert re.match(r"2 of 6 done, 1 failed; waiting: d, e, f [|/\\-] \d s", last[-1])
    assert re.match(r"c: \[1/1\] pip", last[-2])
    kept = re.sub(r"\r\x1b\[K|\r\x1b\[\d+A\x1b\[J", "\0", terminal.getvalue())
    assert "b: failed after 1.0 s: gone\n" in kept and moving() == 0


def test_the_foot_is_there_however_low_the_terminal_is(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(live, "_size", lambda: (80, 3))
    with Progress("tty") as progress:
        progress.expect("abcdef")
        for name in "abcdef":
            progress.of(name).on_event(OpStarted("pip", 1, 1))
        picture = terminal.getvalue().rpartition("\033[J")[2].split("\n")
    assert len(picture) == 2 and picture[0].startswith("a: [1/1] pip") and picture[1].startswith("0 of 6 done ")


def test_quiet_counts_nothing_aloud(capsys):
    several("quiet")
    assert capsys.readouterr().err == ""
