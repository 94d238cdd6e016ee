"""What tests/support does: one count, one version, the lines of all workers of pytest-xdist; forked processes."""

from __future__ import annotations

import inspect
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dagger_aml.check.base import today
from tests.support import loaded, scratch
from tests.support.cases import for_each
from tests.support.cli import address, run, run_bytes, shared_program
from tests.support.day import DAY
from tests.support.markdown import _KEPT, _call_of
from tests.support.users import open_to_all

ROOT = Path(__file__).parents[2]

PLUGIN = """
import pytest
from tests.support.report import ENGINE_VERSION, SAID, Report, pytest_runtest_makereport

def pytest_configure(config):
    config.addinivalue_line("markers", "engine: x")
    config.pluginmanager.register(Report(config))

@pytest.fixture(autouse=True)
def told(request):
    request.config.stash[SAID].append(f"told by {request.node.name}")
    request.config.stash[ENGINE_VERSION] = "v1"
"""
TESTS = """
import pytest

@pytest.mark.engine
@pytest.mark.parametrize("number", range(4))
def test_engine(number):
    assert number < 3

@pytest.mark.engine
def test_skipped():
    pytest.skip("none")

@pytest.mark.parametrize("what", ["engine"])
def test_other(what):
    pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_report_counts_the_tests_of_all_workers(workers: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(PLUGIN)
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "xdist.plugin",
        "-n",
        workers,
        "--rootdir",
        tmp_path,
        tmp_path,
    ]
    environment = {
        "PATH": "",
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_DEBUG_TEMPROOT": str(tmp_path),
        "DAGGER_AML_ENGINE_REPORT": str(tmp_path / "report"),
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 1 and "1 failed, 4 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "report").read_text() == "4 v1\n"
    said = [line for line in done.stdout.splitlines() if line.startswith("told by ")]
    assert len(said) == 6 and len(set(said)) == 6


# --- cases that are one test --------------------------------------------------------------------------------------


def test_each_case_is_tried_and_those_that_fail_are_named(tmp_path: Path) -> None:
    tried = []

    @for_each("end", ["", "x"])
    @for_each(("number", "word"), [(1, "a"), pytest.param(2, "b", id="two"), (3, "c")])
    def small(tmp_path: Path, number: int, word: str, end: str) -> None:
        (tmp_path / "mine").mkdir()
        tried.append(f"{number}{word}{end}")
        if number == 2:
            pytest.skip("would hide the others")
        assert number < 3, "too large"

    assert list(inspect.signature(small).parameters) == ["tmp_path"]
    with pytest.raises(BaseExceptionGroup, match="2 of 2 cases fail: ''; 'x'") as caught:
        small(tmp_path=tmp_path)
    assert tried == ["1a", "2b", "3c", "1ax", "2bx", "3cx"]
    first, second = caught.value.exceptions
    assert [each.__notes__ for each in first.exceptions] == [["the case: 2, 'b'"], ["the case: 3, 'c'"]]
    assert str(first.exceptions[0]) == "a case may not skip: would hide the others"
    assert second.__notes__ == ["the case: 'x'"] and "too large" in str(second.exceptions[1])


def test_more_cases_than_python_shows_are_named_too() -> None:
    @for_each("number", ["x" * 10_000, *range(40)])
    def small(number: object) -> None:
        raise ValueError("no")

    with pytest.raises(BaseExceptionGroup) as caught:
        small()
    said = caught.value.message
    assert said.endswith("; 38; 39") and f"'{'x' * 299}…; 0; 1" in said and len(caught.value.exceptions) == 41


def test_without_cases_there_is_no_test() -> None:
    with pytest.raises(ValueError, match="there are no cases"):
        for_each("number", [])
    with pytest.raises(TypeError, match="bears marks"):
        for_each("number", [pytest.param(1, marks=pytest.mark.xfail)])


# --- processes that are forked ------------------------------------------------------------------------------------

SLEEPING = """import os, sys
import anyio
async def recipe(graph, project):
    print(os.getpid(), file=sys.stderr, flush=True)
    await anyio.sleep(600)
"""


TELLING = """import os, sys
async def recipe(graph, project):
    print(oct(os.umask(0)), os.getcwd(), os.environ["A"], flush=True)
    os._exit(7)
"""


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program that a shell would have called, and the number of the process that was forked for it."""
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    words = [shared_program(), "plan", tmp_path, "--recipe", tmp_path / "sleeping.py"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        yield process, int(process.stderr.readline())
        process.kill()


def test_a_signal_is_handed_on_to_what_was_forked(sleeping: tuple[subprocess.Popen[str], int]) -> None:
    process, _ = sleeping
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143 and "terminated" in process.communicate()[1]


def test_what_was_forked_goes_with_whoever_called_it(sleeping: tuple[subprocess.Popen[str], int]) -> None:
    process, forked = sleeping
    process.kill()
    until = time.monotonic() + 30
    while Path(f"/proc/{forked}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(forked, 0)


def test_a_forked_process_has_what_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    (tmp_path / "telling.py").write_text(TELLING)
    script = 'cd "$1"; umask 077; export A=b; "$2" plan --recipe telling.py; echo "$?"; "$2" --version >&-; echo "$?"'
    done = subprocess.run(["sh", "-c", script, "sh", tmp_path, shared_program()], capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == [f"0o77 {tmp_path} b", "7", "0"]
    told = run("plan", "--recipe", "telling.py", env={"A": "c"}, cwd=tmp_path)
    assert (told.returncode, told.stdout) == (7, f"0o22 {tmp_path} c\n")


@pytest.mark.parametrize("sent", [b"", b"\0\0\0\x40", b"\0\0\0\x40half of it"])
def test_one_that_ends_while_it_asks_is_forgotten(sent: bytes) -> None:
    """Nothing waits for the rest of it, and what it sent the handles of is open no more."""
    asking, asked = socket.socketpair()
    reading, writing = os.pipe()
    with asked, open(reading, "rb") as pipe:
        asked.settimeout(30)
        with asking:
            if sent:
                socket.send_fds(asking, [sent[:4]], [writing])
            asking.sendall(sent[4:])
            os.close(writing)
        with pytest.raises(ConnectionAbortedError):
            loaded.received(asked, 1)
        assert pipe.read() == b""


def test_others_are_served_after_one_that_ended_while_it_asked(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address())
        connection.sendall(b"\0\0\0\x40half of it")
    assert run("--version", timeout=60).returncode == 0


def test_one_that_takes_too_long_is_killed_and_what_it_said_is_there(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        run_bytes("plan", tmp_path, "--recipe", tmp_path / "sleeping.py", timeout=1)
    with pytest.raises(ProcessLookupError):
        os.kill(int(caught.value.stderr or 0), 0)


@pytest.mark.parametrize(
    ("args", "free", "said", "found"),
    [
        (["tests/unit", "tests/golden"], 5 << 30, {}, True),
        (["tests/unit/test_score.py::test_a[x::y]"], 5 << 30, {}, True),
        (["tests/unit", "tests/golden"], 64 << 20, {}, False),
        (["tests/unit", "tests/builders"], 5 << 30, {}, False),
        (["tests"], 5 << 30, {}, False),
        ([], 5 << 30, {}, False),
        (["tests/unit"], 5 << 30, {"TMPDIR": "/var/tmp"}, False),
        (["tests/unit"], 5 << 30, {"PYTEST_DEBUG_TEMPROOT": "/var/tmp"}, False),
    ],
)
def test_fast_tests_alone_have_their_folders_in_memory(monkeypatch, tmp_path, args, free, said, found) -> None:
    for each in ("TMPDIR", "PYTEST_DEBUG_TEMPROOT"):
        monkeypatch.delenv(each, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    monkeypatch.setattr(scratch.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert scratch.in_memory(args) is found
    monkeypatch.setattr(scratch, "MEMORY", tmp_path / "absent")
    assert not scratch.in_memory(args)


@pytest.mark.skipif(sys.platform == "win32", reason="runs have pytest's own folders there")
def test_another_run_has_a_folder_of_its_own_and_what_the_caller_says(tmp_path: Path) -> None:
    """It does not shut this one's. A test of another folder has, in a run of all tests too, what the caller says:
    DAGGER_AML_REQUIRE says which builders may not be missing."""
    (tmp_path / "test_seen.py").write_text(
        "import os\n\ndef test_it(tmp_path):\n    assert os.environ['DAGGER_AML_SAID'] == 'x'\n"
        "    assert tmp_path.is_relative_to(os.environ['PYTEST_DEBUG_TEMPROOT'])\n"
    )
    own = Path(os.environ["PYTEST_DEBUG_TEMPROOT"])
    assert tmp_path.is_relative_to(own)
    open_to_all(tmp_path)
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_DEBUG_TEMPROOT"}
    env |= {"DAGGER_AML_SAID": "x", "TMPDIR": str(own.parent)}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml"]
    files = ["tests/unit/test_oracles.py", tmp_path / "test_seen.py"]
    done = subprocess.run([*words, *files], env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    shut = [
        each for each in (tmp_path, *tmp_path.parents) if each.is_relative_to(own) and not each.stat().st_mode & 0o5
    ]
    assert not shut


def test_folders_of_runs_that_are_over_go_but_for_the_latest(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    for number, name in enumerate([f"aml-{ended.stdout.strip()}", "aml-x", f"aml-{os.getppid()}"]):
        (tmp_path / name / "pytest-of-me").mkdir(parents=True)
        os.utime(tmp_path / name, (number, number))
    later = [
        tmp_path / f"aml-{4_194_305 + number}" for number in range(scratch.KEPT)
    ]  # No process has such a number.
    for each in later:
        each.mkdir()
    mine = tmp_path / "aml-4194304"  # Somebody's, who calls it so.
    mine.mkdir()
    (mine / "notes.txt").write_text("")
    os.utime(mine, (0, 0))
    made = scratch.own_root(tmp_path)
    assert made.name == f"aml-{os.getpid()}" and set(tmp_path.iterdir()) == {
        made, mine, *later, tmp_path / "aml-x", tmp_path / f"aml-{os.getppid()}"
    }  # fmt: skip


def test_one_day_holds_here_and_in_what_is_forked(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init(): ...\ndef run(data): ...\n")
    (tmp_path / "mine.py").write_text(
        "from dagger_aml.check.base import today\nfrom dagger_aml.steps import base\n\n\n"
        "async def recipe(graph, project):\n"
        "    return (await base(graph, project.base)).warn(f'the day is {today()}')\n"
    )
    done = run("plan", tmp_path, "--recipe", tmp_path / "mine.py", "--base", "python:3.12-slim")
    assert f"the day is {DAY}" in done.stdout + done.stderr and today() == DAY


@for_each(
    ("text", "call"),
    [
        ("dagger-aml plan 'a b' -t x/{name}:1", ({}, ["plan", "a b", "-t", "x/{name}:1"])),
        ('A=b_C="d e" dagger-aml plan', ({"A": "b_C=d e"}, ["plan"])),
        *((text, None) for text in ("dagger-aml plan | cat", "dagger-aml plan > x", "dagger-aml plan && true")),
        *(
            (f"dagger-aml plan {text}", None)
            for text in ("*.py", "$HOME", '"`id`"', "~/x", "{a,b}", "x # y", "a\\\nb")
        ),
        *((text, None) for text in ("echo $?", "cat dagger-aml", "cp -r a b", "", "A=b")),
    ],
)
def test_a_command_is_called_here_only_where_a_shell_would_change_nothing(text, call):
    assert _call_of(text) == call


def test_what_a_shell_keeps_is_seen():
    assert not _KEPT.search("dagger-aml plan A=b --set x")
    for text in ("cd x", "x && cd y", "A=b", "A=$(dagger-aml plan x)", 'eval "$(x)"', ". ./x"):
        assert _KEPT.search(text), text
