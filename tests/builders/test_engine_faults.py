"""Engines that are not there, are killed, or are cut off; commands that are stopped: docs/faults.md, "The engine".

Those that end an engine have one of their own (tests/builders/second_engine.py), never the machine's.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import anyio
import pytest

from dagger_aml import Engine, EngineGone, Options, build, connect, lay_out, load_project
from dagger_aml.diff import read_image
from dagger_aml.oci.docker_archive import read_tar
from tests.builders.second_engine import NoSecondEngine, Relay, SecondEngine, children, second_engine
from tests.standin import StandInError, registry
from tests.standin.tiny import push_tiny
from tests.support.cli import argv
from tests.support.depth import depth_of
from tests.support.projects import small

pytestmark = [pytest.mark.anyio, pytest.mark.builders, pytest.mark.engine]

APT = b"""#!/bin/sh
# Stands for apt-get: its packages are what it sleeps for.
if [ "$1" = install ]; then
    for package; do
        case $package in sleep*) sleep "${package#sleep}" ;; esac
    done
    echo "$@" >/var/installed
fi
"""

MEGABYTE = 1_000_000

WEIGHTS = 8 * MEGABYTE
"""Of a model that compression makes no smaller; transfers are held back after 3 MB of it."""

WEIGHTS_PATH = "/var/azureml-app/azureml-models/project/1/weights.bin"

SEED = 6

RANDOM_RECIPE = """
from dagger_aml import Graph, Project
from dagger_aml.steps import base, code, run

async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    graph = await run(graph, ["/bin/sh", "-c", "sleep 1; cat /proc/sys/kernel/random/uuid >/random"], name="random")
    return await code(graph, project.code)
"""

ADDRESS = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"


@pytest.fixture(scope="module")
def tiny() -> Iterator[str]:
    """A tiny base with something that stands for apt, in a registry on this machine."""
    link = {"type": tarfile.SYMTYPE, "linkname": "/bin/busybox"}
    more = [{"name": "bin/apt-get", "data": APT}, {"name": "bin/rm", **link}, {"name": "usr/bin/env", **link}]
    try:
        with registry() as host:
            yield push_tiny(host, "faults", more=more)
    except StandInError as error:
        pytest.skip(f"there is no tiny base: {error}")


@pytest.fixture(scope="module")
def one_engine(tiny: str) -> Iterator[SecondEngine]:
    """An engine of these tests alone."""
    try:
        with second_engine(tiny.partition("/")[0]) as engine:
            yield engine
    except NoSecondEngine as error:
        pytest.skip(str(error))


@pytest.fixture
def second(one_engine: SecondEngine) -> SecondEngine:
    """That engine, running, and holding nothing back."""
    one_engine.relay.release()
    one_engine.start()
    return one_engine


class Folder:
    """A project, a folder for what is made of it, and the temporary folder of the command.

    :param address: of the engine that builds it.
    """

    def __init__(self, above: Path, base: str, address: str, *, weights: int = 1000, apt: str = "") -> None:
        self.base, self.address = base, address
        self.project, self.out, self.tmp = above / "project", above / "out", above / "tmp"
        for each in (self.out, self.tmp):
            each.mkdir(parents=True)
        small(self.project, weights=weights)
        if apt:
            (self.project / "apt.txt").write_text(f"{apt}\n")

    def build(self, *words: str | Path, **variables: str) -> subprocess.Popen[str]:
        """Start a build of it by the command line."""
        return self.start("build", self.project, "--base", self.base, *words, **variables)

    def start(self, *words: str | Path, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
        """Start the command line with this folder's engine and temporary folder."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("DAGGER_SESSION")}
        return subprocess.Popen(
            argv(*words),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
            env={**env, "TMPDIR": str(self.tmp), ADDRESS: self.address, **variables},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip

    def left(self) -> list[Path]:
        """What lies where outputs and temporary files go."""
        return [*self.out.rglob("*"), *self.tmp.rglob("*")]

    def builds_now(self) -> None:
        """The next build works."""
        process = self.build("-t", "faults:1", "-o", self.out / "next.tar")
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
        files = read_image(self.out / "next.tar").files
        assert files[WEIGHTS_PATH].size == (self.project / "model" / "weights.bin").stat().st_size


def the_error(said: str) -> str:
    """The one error that standard error tells, which is no traceback and nothing of GraphQL."""
    assert said.count("dagger-aml: error: ") == 1, said
    assert not re.search(r"Traceback|graphql|traceparent|127\.0\.0\.1:\d+/query", said, re.I), said
    return said.partition("dagger-aml: error: ")[2]


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until something holds while a process runs."""
    give_up = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.1)


def before(address: str) -> tuple[Relay, str]:
    """A relay on TCP in front of an engine, and its address. Skips where the engine is at no address."""
    url = urlsplit(address)
    if url.scheme not in ("unix", "tcp"):
        pytest.skip(f"a relay leads to unix:// and tcp:// alone, and ${ADDRESS} is {address!r}")

    def connect() -> socket.socket:
        if url.scheme == "tcp":
            return socket.create_connection((url.hostname, url.port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(url.path)
        return server

    listener = socket.create_server(("127.0.0.1", 0))
    return Relay(listener, connect), f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def gone(pids: list[int]) -> bool:
    """Whether none of these processes runs any more."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.parametrize("address", ["unix:///nowhere/engine.sock", "tcp://127.0.0.1:9"])
async def test_absent(tmp_path: Path, address: str) -> None:
    """No engine where one is named: said at once, with what else there is. One that never answers: test_engine.py."""
    folder = Folder(tmp_path, "localhost:9/nothing:1", address)
    begun = time.monotonic()
    process = folder.build("-o", folder.out / "never.tar")
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 1 and time.monotonic() - begun < 8
    error = the_error(said)
    assert error.startswith("no Dagger engine answers") and address in error
    assert "--with buildah" in error and "dagger-aml dockerfile" in error
    assert not folder.left()


@pytest.mark.parametrize("moment", ["apt", "upload", "export", "push"])
async def test_killed_in_the_middle(second: SecondEngine, tiny: str, tmp_path: Path, moment: str) -> None:
    """Exit 75 within seconds, one error that names the step, no output; an engine started anew builds the same."""
    folder = Folder(tmp_path, tiny, second.address, weights=WEIGHTS, apt="sleep3" if moment == "apt" else "")
    host = tiny.partition("/")[0]
    assert second.to_registry
    if moment == "push":
        held = second.to_registry.hold("up", 3 * MEGABYTE)
        process = folder.build("-t", f"{host}/tests/faults:1", "--push", "--metadata-file", folder.out / "said.json")
    else:
        held = second.relay.hold("down" if moment == "export" else "up", 3 * MEGABYTE)
        process = folder.build("-o", folder.out / "never.tar", "--metadata-file", folder.out / "said.json")
    wait_for(lambda: second.runs("sleep") if moment == "apt" else held.is_set(), process)
    if moment == "export":
        assert [each for each in folder.left() if each.is_file()], "a part of the tar is there"
    started = children(process.pid)
    assert started, "the session is a child of ours"
    second.kill()
    begun = time.monotonic()
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 75, said
    assert time.monotonic() - begun < 8
    step = {"apt": "apt sleep3", "upload": "model project 8.0 MB", "export": "export ", "push": "push "}[moment]
    error = the_error(said)
    assert (
        error.startswith(step)
        and "the connection to the Dagger engine was lost" in error
        and "Run the same command again" in error
    )
    assert "retrying in" not in said, "nothing that goes through a dead engine can help"
    assert gone(started) and not folder.left()
    second.start()
    folder.builds_now()


def test_killed_under_several_projects(second: SecondEngine, tiny: str, tmp_path: Path) -> None:
    """Those that it was at work on fail with 75, the rest is built once it is back; the same call makes all."""
    folder, host = Folder(tmp_path, tiny, second.address), tiny.partition("/")[0]
    recipe = RANDOM_RECIPE.replace("sleep 1;", "sleep 1; echo $NAME;")
    projects = [small(tmp_path / name, mark=f"{name} {uuid4().hex}") for name in "abcdef"]
    for each in projects:
        (each / "mine.py").write_text(recipe.replace("$NAME", f"{each.name} {uuid4().hex}"))
        (each / "dagger-aml.toml").write_text(f'name = "{each.name}"\nrecipe = "./mine.py"\n')
    words = ("build", *projects, "--base", tiny, "-t", f"{host}/tests/several-{uuid4().hex[:8]}/{{name}}:1", "--push",
             "--layers", "builder", "--jobs", "2", "--no-smoke", "--progress", "json")  # fmt: skip
    process, told = folder.start(*words), list[dict[str, Any]]()
    assert process.stderr
    for line in process.stderr:
        told.append(json.loads(line))
        if told[-1]["event"] == "finished" and not any(each.get("error") for each in told):
            break
    wait_for(lambda: second.runs("/bin/sh") or second.runs("sleep"), process)
    second.kill()
    second.start()
    out, said = process.communicate(timeout=120)
    told += [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    failed = [each for each in told if each["event"] == "failed" and each.get("project")]
    assert process.returncode == 75 and 1 <= len(failed) <= 2, (out, told)
    assert all(each["error"] == "EngineGone" for each in failed)
    assert sum("connecting again for" in str(each.get("text")) for each in told) == 1
    words_of = [line.split()[1] for line in out.splitlines()[1:]]
    assert words_of.count("ok") == 6 - len(failed) and words_of.count("FAILED") == len(failed)
    again = folder.start(*words)
    out, said = again.communicate(timeout=120)
    assert again.returncode == 0 and [line.split()[1] for line in out.splitlines()[1:]] == ["ok"] * 6, said


async def test_told_to_stop_in_the_middle(second: SecondEngine, tiny: str, tmp_path: Path) -> None:
    """SIGTERM: the same as when it is killed, and our session does not hold the engine up."""
    folder = Folder(tmp_path, tiny, second.address, apt="sleep602")
    process = folder.build("-o", folder.out / "never.tar")
    wait_for(lambda: second.runs("sleep"), process)
    second.stop()
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 75
    assert the_error(said).startswith(
        "apt sleep602: the connection to the Dagger engine was lost (engine is shutting down)"
    )
    assert not folder.left()


async def test_gone_between_two_calls(
    second: SecondEngine, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the library: the second call says so, the session ends at once, and a new one does the work."""
    folder = Folder(tmp_path, tiny, second.address)
    monkeypatch.setenv(ADDRESS, second.address)
    monkeypatch.delenv("DAGGER_SESSION_PORT", raising=False)
    graph = await lay_out(load_project(folder.project, Options(base=tiny)))
    others = children(os.getpid())
    begun = time.monotonic()
    with pytest.raises(EngineGone, match=f"base {tiny}: the connection to the Dagger engine was lost"):
        async with connect() as engine:
            await build(graph, engine, output=folder.out / "first.tar")
            second.kill()
            begun = time.monotonic()
            await build(graph, engine, output=folder.out / "never.tar")
    assert time.monotonic() - begun < 5
    assert [each.name for each in folder.out.iterdir()] == ["first.tar"]
    assert not [pid for pid in children(os.getpid()) if pid not in others and b"dagger\0session" in _words(pid)]
    second.start()
    folder.builds_now()


async def test_cut_off_from_a_remote_engine(second: SecondEngine, tiny: str, tmp_path: Path) -> None:
    """The connection breaks and the engine lives: told as if it were gone, and the engine ends the command too."""
    relay, address = before(f"unix://{second.folder}/engine.sock")
    folder = Folder(tmp_path, tiny, address, apt="sleep600")
    process = folder.build("-o", folder.out / "never.tar")
    wait_for(lambda: second.runs("sleep"), process)
    relay.close()
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 75 and the_error(said).startswith(
        "apt sleep600: the connection to the Dagger engine was lost"
    )
    assert not folder.left()
    give_up = time.monotonic() + 30
    while second.runs("sleep"):
        assert time.monotonic() < give_up, "the engine goes on with what nobody waits for"
        time.sleep(0.2)


@pytest.mark.parametrize("words", [("run",), ("build", "--smoke", "-t", "smoke:1", "-o", "never.tar")])
async def test_cut_off_while_it_serves(
    engine: Engine, bases: dict[str, str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """`run` and the check before publishing say that the engine is gone, not that the server ended."""
    relay, address = before(os.environ.get(ADDRESS, ""))
    folder = Folder(tmp_path, bases["classic"], address)
    score = folder.project / "code" / "score.py"
    score.write_text(f"import time\n{score.read_text().replace('pass', 'print(4711); time.sleep(600)')}")
    (folder.project / "request.json").write_text("{}")
    process = folder.start(*words[:1], folder.project, "--base", folder.base, *words[1:], cwd=folder.out)
    assert process.stderr
    for line in process.stderr:
        if "code (1 file)  " in line:
            break
    await anyio.sleep(2)
    relay.close()
    begun = time.monotonic()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 75 and the_error(said).startswith(
        "run: the connection to the Dagger engine was lost"
    ), said
    assert time.monotonic() - begun < 10 and not folder.left()


async def test_killed_commands_leave_nothing_running(second: SecondEngine, tiny: str, tmp_path: Path) -> None:
    """SIGKILL, which nobody can handle: the session ends by itself, and so does what the engine does for it."""
    folder = Folder(tmp_path, tiny, second.address, apt="sleep601")
    process = folder.build("-o", folder.out / "never.tar")
    wait_for(lambda: second.runs("sleep"), process)
    started = children(process.pid)
    process.kill()
    process.communicate()
    give_up = time.monotonic() + 30
    while second.runs("sleep") or not gone(started):
        assert time.monotonic() < give_up
        time.sleep(0.2)
    assert not folder.left()


async def test_two_processes_build_one_project(second: SecondEngine, tiny: str, tmp_path: Path) -> None:
    """Started at once: a step that makes random bytes runs once, and both have the same image."""
    recipe = tmp_path / "random_recipe.py"
    recipe.write_text(RANDOM_RECIPE)
    folder = Folder(tmp_path, tiny, second.address)
    names = ("first.tar", "second.tar")
    running = [folder.build("--recipe", recipe, "-t", "two:1", "-o", folder.out / name) for name in names]
    for process in running:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
    digests = {read_tar(folder.out / name)[0] for name in names}
    assert len(digests) == 1 and None not in digests
    assert not list(folder.tmp.iterdir())


async def test_many_processes_build_as_many_projects(
    second: SecondEngine, tiny: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Started at once on one engine, however few processors there are."""
    numbers = range(depth_of(request.config).at_once)
    folders = [Folder(tmp_path / str(number), tiny, second.address, weights=20_000 + number) for number in numbers]
    running = [folder.build("-t", "ten:1", "-o", folder.out / "image.tar") for folder in folders]
    for number, (folder, process) in enumerate(zip(folders, running, strict=True)):
        said = process.communicate(timeout=240)[1]
        assert process.returncode == 0, said
        assert read_image(folder.out / "image.tar").files[WEIGHTS_PATH].size == 20_000 + number
        assert [each.name for each in folder.left()] == ["image.tar"]


async def test_stopped_at_any_moment(
    second: SecondEngine, tiny: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Ctrl-C and SIGTERM at random moments of a build: 130 and 143, nothing is left, and the next build works."""
    moments = depth_of(request.config).moments
    folder = Folder(tmp_path, tiny, second.address, weights=WEIGHTS, apt="sleep1")
    dice = random.Random(SEED)

    def started() -> subprocess.Popen[str]:
        (folder.project / "model" / "weights.bin").write_bytes(dice.randbytes(WEIGHTS))
        process = folder.build("-t", "stopped:1", "-o", folder.out / "image.tar", "--no-cache")
        wait_for(lambda: _catches(process.pid, signal.SIGTERM), process)
        return process

    process, begun = started(), time.monotonic()
    assert process.communicate(timeout=120) and process.returncode == 0
    whole = time.monotonic() - begun
    (folder.out / "image.tar").unlink()
    stopped = 0
    for part in range(moments):
        number, code, word = dice.choice([(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
        moment = (part + dice.random()) / moments * whole
        process = started()
        time.sleep(moment)
        below = children(process.pid)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
        print(f"{number.name} after {moment:.2f} s of about {whole:.2f} s: {process.returncode}")
        assert "Traceback" not in said and gone(below), said
        if process.returncode != 0:
            stopped += 1
            # Python itself ends by the signal where it arrives when all is over, which a shell calls the same; or by
            # SIGINT, as which we handle SIGTERM, where that came while code made of text was run, as attrs does.
            assert process.returncode in (code, -number, -signal.SIGINT), said
            assert process.returncode < 0 or said.endswith(f"dagger-aml: {word}\n"), said
        # It takes its place in one move, after which a signal may still come.
        if (folder.out / "image.tar").exists():
            assert WEIGHTS_PATH in read_image(folder.out / "image.tar").files
            (folder.out / "image.tar").unlink()
        else:
            assert process.returncode != 0
        assert not folder.left()
    assert stopped >= moments // 2
    folder.builds_now()


async def test_the_clock_goes_back(second: SecondEngine, tiny: str, tmp_path: Path) -> None:
    """By two days in the middle of a build; then the image is found again, and what has changed is seen."""
    faketime = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if faketime is None:
        pytest.skip("faketime is not installed")
    folder = Folder(tmp_path, tiny, second.address, apt="sleep2")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    setting = {
        "LD_PRELOAD": str(faketime),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

    def built(name: str, variables: dict[str, str], *, back: bool = False) -> str | None:
        process = folder.build("-t", "clock:1", "-o", folder.out / name, **variables)
        if back:
            wait_for(lambda: second.runs("sleep"), process)
            clock.write_text("-2d")
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
        return read_tar(folder.out / name)[0]

    first = built("first.tar", setting, back=True)
    assert built("second.tar", {}) == first, "with the right clock"
    score = folder.project / "code" / "score.py"
    score.write_text(score.read_text().replace("data", "dada"))
    os.utime(score, (1e9, 1e9))
    assert built("third.tar", setting) != first, "a file of the same size and an older time"
    assert not list(folder.tmp.iterdir())


def _words(pid: int) -> bytes:
    """The command of a process, its words apart by NUL; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process handles a signal by itself."""
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    return bool(caught and int(caught[1], 16) >> (number - 1) & 1)
