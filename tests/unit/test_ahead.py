"""Files that several processes read: what is said is what one says, and none of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dagger_aml.cli.commands.check import ended_by_signals
from dagger_aml.pysource import ahead
from dagger_aml.pysource import reached as module
from dagger_aml.pysource.ahead import read_each, reading_ahead
from dagger_aml.pysource.reached import Reached, reached
from dagger_aml.pysource.source import parsed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")

_BODY = (
    "import os\nfrom os import path\nA = os.environ['AZUREML_MODEL_DIR'] + '/model/{0}.pkl'\nB = os.getenv('X{0}')\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that imports sixty modules, of which one is no Python and one cannot be read."""
    monkeypatch.setattr(module, "LEAST", 10)
    monkeypatch.setattr(ahead, "LEAST", 10)
    monkeypatch.setattr(ahead, "_AT_ONCE", 7)
    for number in range(60):
        (tmp_path / f"m{number}.py").write_text(_BODY.format(number))
    (tmp_path / "m7.py").write_text("def\n")
    (tmp_path / "m8.py").write_bytes(b"import m9\0")
    (tmp_path / "score.py").write_text("".join(f"import m{number}\n" for number in range(60)))
    return tmp_path


def _fresh(folder: Path, jobs: int | None) -> Reached:
    parsed.cache_clear()
    with reading_ahead(jobs, ended_by_signals):
        return reached(folder, "score.py", (3, 11))


_BY_TWO = """
import os, signal, sys, time
from pathlib import Path
from dagger_aml.pysource import ahead, reached as module
from dagger_aml.pysource.source import parsed

module.LEAST, ahead.LEAST, ahead._AT_ONCE = 10, 10, 7
one = module.reached(Path(sys.argv[1]), "score.py", (3, 11))
parsed.cache_clear()
read, taken, seen = ahead._read_some, [], Path(sys.argv[1], "seen")
this = os.getpid()

def read_some(paths, python):
    # The fork has three parts before this process has one; then it is killed, if so is said.
    until = time.monotonic() + 60
    while os.getpid() == this and not seen.exists() and time.monotonic() < until:
        time.sleep(0.01)
    taken.append(paths)
    if os.getpid() != this and len(taken) == 4:
        seen.touch()
        if sys.argv[2] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    return read(paths, python)

ahead._read_some = read_some
with ahead.reading_ahead(2, lambda: None):
    several = module.reached(Path(sys.argv[1]), "score.py", (3, 11))
assert several == one and several.sources == one.sources and list(several.sources) == list(one.sources)
assert len(one.environment) == 2 * 58 and len(one.problems) == 2 and one.model_paths
print(parsed.cache_info().misses)
"""


def _by_two(folder: Path, how: str) -> int:
    """How many files were read by the process itself. In one of its own: those of the tests have threads."""
    words = [sys.executable, "-c", _BY_TWO, str(folder), how]
    return int(subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout)


def test_processes_say_what_one_says(folder: Path) -> None:
    assert _by_two(folder, "as they are") <= 61 - 3 * 7, "the script is parsed here, and what the fork leaves"


def test_what_a_killed_process_had_is_read_here(folder: Path) -> None:
    assert 7 < _by_two(folder, "killed") <= 61 - 3 * 7


@pytest.mark.parametrize("jobs", [1, None])
def test_one_process_reads_itself(folder: Path, jobs: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(ahead, "_may_fork", lambda: True)
    monkeypatch.setattr(ahead, "_read_by", None)
    assert len(_fresh(folder, jobs).sources) == 61


def test_few_files_are_read_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", 61)
    monkeypatch.setattr(ahead, "LEAST", 61)
    monkeypatch.setattr(ahead, "_may_fork", lambda: True)
    monkeypatch.setattr(ahead, "_read_by", None)
    assert len(_fresh(folder, 2).sources) == 61


def test_what_is_read_already_waits_no_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_may_fork", lambda: True)
    monkeypatch.setattr(ahead, "_read_by", None)
    for number in range(60):
        (folder / f"m{number}.py").write_text(f"import m{number + 1}\n")
    (folder / "score.py").write_text("import m0\n")
    assert len(_fresh(folder, 2).sources) == 61


_BESIDE = """
import sys
from pathlib import Path
from dagger_aml.pysource import ahead, reached as module

module.LEAST, ahead.LEAST, ahead._AT_ONCE = 10, 10, 7
read, met = ahead._read_some, []
ahead._read_some = lambda paths, python: met.append("read") or read(paths, python)
with ahead.reading_ahead(2, lambda: met.append("begun"), lambda: met.append("beside")):
    module.reached(Path(sys.argv[1]), "score.py", (3, 11))
print(*dict.fromkeys(met), met.count("beside"))
"""


def test_this_process_does_something_else_before_it_reads_too(folder: Path) -> None:
    said = subprocess.run([sys.executable, "-c", _BESIDE, str(folder)], capture_output=True, text=True)
    assert said.stdout in ("beside read 1\n", "beside 1\n"), "a fork may have read all by then"


def test_nothing_is_started_unless_it_is_said() -> None:
    loaded = "import sys; from dagger_aml.pysource import reached; print('dagger_aml.pysource.forks' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "False\n"
    assert read_each([Path("a.py")] * 10_000, None) == {}


def test_where_no_process_can_be_started_files_are_read_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError("no more processes")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(ahead, "_may_fork", lambda: True)
    monkeypatch.setattr(os, "fork", refused)
    assert _fresh(folder, 2) == reached(folder, "score.py", (3, 11))
    assert len(os.listdir("/proc/self/fd")) == before, "no pipe is left open"


_SLOW = """
import os, signal, sys, time
from pathlib import Path
from dagger_aml.cli.commands.check import ended_by_signals
from dagger_aml.pysource import ahead

def slow(paths, python):
    (Path(sys.argv[1]) / str(os.getpid())).touch()
    if sys.argv[2] != "one idle" or paths[0] == Path("0.py"):
        time.sleep(600)

if sys.argv[2] == "heeds":  # Of itself Python only does where SIGINT is not ignored as it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
ahead._read_some = slow
with ahead.reading_ahead(2, ended_by_signals):
    ahead.read_each([Path(f"{number}.py") for number in range(1000)], None)
"""


@contextmanager
def _reading(folder: Path, how: str, *, ignored: bool = False) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that has two others read, and the numbers of these; none is left after the block.

    :param ignored: whether interrupts are ignored where it starts.
    """
    words = [sys.executable, "-c", _SLOW, str(folder), how]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert _within_half_a_minute(lambda: len(list(folder.iterdir())) == 2)
        yield process, [int(each.name) for each in folder.iterdir()]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _within_half_a_minute(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + 30
    while not is_so() and time.monotonic() < until:
        time.sleep(0.02)
    return is_so()


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("ignored", [False, True])
def test_an_interrupt_ends_all_processes(tmp_path: Path, ignored: bool) -> None:
    with _reading(tmp_path, "heeds", ignored=ignored) as (process, workers):
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert said.count("Traceback") <= 1 and "Process" not in said, "the processes end without a word"
    assert not any(Path(f"/proc/{each}").exists() for each in workers)


def test_where_interrupts_are_ignored_no_process_heeds_them(tmp_path: Path) -> None:
    with _reading(tmp_path, "ignores", ignored=True) as (process, workers):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None and all(map(_runs, workers))


@pytest.mark.parametrize("doing", ["both at work", "one idle"])
def test_no_process_outlives_one_that_was_killed(tmp_path: Path, doing: str) -> None:
    with _reading(tmp_path, doing) as (process, workers):
        process.kill()
        assert _within_half_a_minute(lambda: not any(map(_runs, workers)))


_LARGE = """
import os, sys
from dagger_aml.pysource.forks import MOST_PARTS, Work, by_forks

this = os.getpid()
work = Work(lambda: None, lambda size: (bytes(size), os.getpid() != this), list, lambda size, made: tuple(made))
parts = [0, 1, 5_000_000, *range(MOST_PARTS - 3)]
found = by_forks(4, work, parts)
assert [len(found[at][0]) for at in range(MOST_PARTS)] == parts
print(len({each[1] for each in found.values()}))
"""


def test_parts_of_any_size_and_as_many_as_there_may_be_come_whole() -> None:
    said = subprocess.run([sys.executable, "-c", _LARGE], capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr


_RAISES = """
import os, sys, time
from dagger_aml.pysource.forks import Work, by_forks

this = os.getpid()

def make(part):
    if (os.getpid() == this) == (sys.argv[1] == "here"):
        raise ValueError("no")
    time.sleep(0 if os.getpid() == this else 300)
    return part

try:
    print(len(by_forks(3, Work(lambda: None, make, str, lambda part, made: part), [*range(500)])))
except ValueError:
    print("raised")
print(len(os.listdir("/proc/self/fd")), open(f"/proc/self/task/{this}/children").read().split())
"""


@pytest.mark.parametrize("where", ["here", "there"])
def test_what_raises_here_goes_on_and_what_raises_in_a_fork_ends_that_alone(where: str) -> None:
    said = subprocess.run([sys.executable, "-c", _RAISES, where], capture_output=True, text=True, timeout=60)
    first, last = said.stdout.splitlines()
    assert said.stderr == "" and last.endswith(" []"), "no process is left, and nobody is told of a fork's end"
    assert first == "raised" if where == "here" else 498 <= int(first) <= 500
