"""The library inside other programs: their container, many builds in one process, cancelling, and its silence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import dagger
import pytest

from dagger_aml import (
    BaseError,
    BuildError,
    Engine,
    Graph,
    GraphError,
    Options,
    UsageError,
    build,
    connect,
    container,
    image,
    lay_out,
    load_project,
    sync,
)
from dagger_aml.events import OpDone, OpStarted
from dagger_aml.steps import base, code, run
from tests.support.builders import Need

pytestmark = [pytest.mark.anyio, pytest.mark.builders, pytest.mark.engine]

NOWHERE = "localhost:1/no/such:image"
BASE_LABEL = "org.opencontainers.image.base.name"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that doubles what it is given, on a base that is not there."""
    folder = tmp_path / "double"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "score.py").write_text(
        "import json\ndef init(): pass\ndef run(data): return 2 * json.loads(data)['data']\n"
    )
    return folder


async def _labels(of: dagger.Container) -> dict[str, str]:
    return {await each.name(): await each.value() for each in await of.labels()}


# --- somebody's container -----------------------------------------------------------------------------------------


async def test_a_recipe_is_carried_out_on_somebody_s_container(
    engine: Engine, project: Path, bases: dict[str, str]
) -> None:
    """The recipe's own base is not there and not missed; what theirs is, is asked of it."""
    theirs = (
        engine.client.container()
        .from_(bases["classic"])
        .with_user("0:0")
        .with_exec(["sh", "-c", "useradd --uid 4321 their && chown their: /var/azureml-app"])
        .with_env_variable("THEIRS", "kept")
        .with_user("their")
    )
    events: list[object] = []
    graph = await lay_out(load_project(project, Options(base=NOWHERE)))
    made = await container(graph, engine.client, base=theirs, on_event=events.append)
    seen = await made.with_exec(
        ["sh", "-c", "stat -c '%U %u' /var/azureml-app/score.py; id -un; echo $THEIRS $AZUREML_ENTRY_SCRIPT"]
    ).stdout()
    assert seen.splitlines() == ["their 4321", "their", "kept score.py"]
    assert BASE_LABEL not in await _labels(made)
    assert [type(event) for event in events[-2:]] == [OpStarted, OpDone]


async def test_a_graph_of_steps_alone(engine: Engine, project: Path, bases: dict[str, str]) -> None:
    graph = await code(Graph(), project / "code")
    made = await container(graph, engine.client, base=engine.client.container().from_(bases["classic"]))
    assert "score.py" in await made.directory("/var/azureml-app").entries()
    with pytest.raises(GraphError, match="has no base"):
        await container(graph, engine.client)


async def test_stages_on_the_same_base_move_along(engine: Engine, project: Path, bases: dict[str, str]) -> None:
    """`preinstalled` installs inside the base itself, and that is theirs too."""
    wheels = engine.client.container().from_(bases["classic"]).with_new_file("/wheels/mark", "theirs")
    (project / "requirements.txt").write_text("six==1.17.0\n")
    graph = await lay_out(load_project(project, Options(base=NOWHERE, recipe="preinstalled")))
    made = await container(graph, engine.client, base=wheels)
    assert "six.py" in await made.directory("/var/azureml-app/python-packages").entries()


async def test_onbuild_and_volumes_stay_as_they_are(engine: Engine, bases: dict[str, str]) -> None:
    """The engine does not tell them, and heeds neither: a write into a VOLUME is kept (docs/design.md, law 2)."""
    text = f"FROM {bases['classic']}\nUSER root\nRUN mkdir /data && echo 1 >/data/one\n"
    text += "VOLUME /data\nONBUILD RUN exit 7\n"
    theirs = engine.client.directory().with_new_file("Dockerfile", text).docker_build()
    graph = await run(Graph(), ["/bin/sh", "-c", "rm /data/one; echo 2 >/data/two"])
    made = await container(graph, engine.client, base=theirs)
    assert await made.directory("/data").entries() == ["two"]


async def test_what_is_wrong_with_theirs_is_told(engine: Engine, project: Path, bases: dict[str, str]) -> None:
    graph = await code(Graph(), project / "code")
    failing = engine.client.container().from_(bases["classic"]).with_exec(["sh", "-c", "echo theirs >&2; exit 3"])
    with pytest.raises(BuildError, match="exit code 3") as raised:
        await container(graph, engine.client, base=failing)
    assert raised.value.output == "theirs" and "given container" in str(raised.value)
    (project / "requirements.txt").write_text("six\n")
    dynamic = await lay_out(load_project(project, Options(base=NOWHERE, recipe="dynamic")))
    curated = engine.client.container().from_(bases["curated"])
    with pytest.raises(BaseError, match="ignores AZUREML_EXTRA"):
        await container(dynamic, engine.client, base=curated)


# --- many in one process ------------------------------------------------------------------------------------------


async def test_two_connections_and_ten_builds(project: Path, tiny: str, tmp_path: Path) -> None:
    """Ten images at once over two sessions, each with its own events and its own bytes."""
    mark, made = time.time_ns(), {}

    async def one(number: int, engine: Engine) -> None:
        graph = await code(await base(Graph(), tiny), project / "code")
        graph = await run(graph, ["/bin/sh", "-c", f"sleep 1; echo {mark} {number} >/number"], name=f"run {number}")
        _, done = await image(graph, engine)
        assert await done.container.file("/number").contents() == f"{mark} {number}\n"  # type: ignore[attr-defined]
        path = tmp_path / f"{number}.tar"
        made[number] = (await build(graph, engine, tags=[f"many:{number}"], output=path)).digest

    seen: tuple[list[object], list[object]] = ([], [])
    async with (
        connect(on_event=seen[0].append) as first,
        connect(on_event=seen[1].append) as second,
        anyio.create_task_group() as tasks,
    ):
        for number in range(10):
            tasks.start_soon(one, number, (first, second)[number % 2])
    assert len(set(made.values())) == 10
    for rest, events in enumerate(seen):
        ops = {event.name for event in events if isinstance(event, OpDone) and event.name.startswith("run")}
        assert ops == {f"run {number}" for number in range(rest, 10, 2)}


async def test_connections_that_overlap_have_sessions_of_their_own(engine: Engine) -> None:
    """One that is made while another is being made does not take that one's session, which ends before it."""
    before, environment, count = _children(), dict(os.environ), 6
    reached = [anyio.Event() for _ in range(count)]

    async def one(number: int) -> None:
        await anyio.sleep(0.15 * number)
        async with connect() as own:
            reached[number].set()
            for each in reached:
                await each.wait()
            await anyio.sleep(0.1 * number)
            assert await own.client.version()

    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(one, number)
        for each in reached:
            await each.wait()
        assert len(_children() - before) == count
    assert not _children() - before and dict(os.environ) == environment


def _running(mark: str) -> list[str]:
    """Numbers of the processes of this machine, containers included, that sleep for ``mark`` seconds."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"sleep\0{mark}\0" in path.read_text(errors="replace"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


async def _until(condition: Callable[[], object], within: float) -> float:
    """Wait; how many seconds it took."""
    begun = time.monotonic()
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(0.05)
    return time.monotonic() - begun


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def _sleeping(tiny: str, seconds: int) -> tuple[Graph, str]:
    """A graph with a step that sleeps, and what to find it by."""
    mark = f"{seconds}.{time.time_ns() % 10**9:09}"
    return await run(await base(Graph(), tiny), ["/bin/sleep", mark], name="sleep"), mark


async def test_a_cancelled_task_ends_the_command_and_the_session(engine: Engine, tiny: str) -> None:
    graph, mark = await _sleeping(tiny, 60)
    before = _children()

    async def work() -> None:
        async with connect() as own:
            await build(graph, own)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await _until(lambda: _running(mark), 30)
        session = _children() - before
        assert session
        begun = time.monotonic()
        tasks.cancel_scope.cancel()
    assert time.monotonic() - begun < 5
    assert not session & _children()
    await _until(lambda: not _running(mark), 5)


async def test_cancelling_one_build_leaves_the_others(engine: Engine, tiny: str) -> None:
    (long, long_mark), (short, short_mark) = await _sleeping(tiny, 60), await _sleeping(tiny, 6)
    done = []

    async def work(graph: Graph, scope: anyio.CancelScope) -> None:
        with scope:
            await build(graph, engine)
            done.append(graph)

    scopes = anyio.CancelScope(), anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, long, scopes[0])
        tasks.start_soon(work, short, scopes[1])
        await _until(lambda: _running(long_mark) and _running(short_mark), 30)
        scopes[0].cancel()
        await _until(lambda: not _running(long_mark), 5)
        assert _running(short_mark)
    assert done == [short]


_ASYNC = """
import asyncio, sys
from dagger_aml import Graph, build, connect, local_builder
from dagger_aml.steps import base, run

async def main():
    name, reference, mark = sys.argv[1:]
    graph = await run(await base(Graph(), reference), ["/bin/sleep", mark])
    if name != "dagger":
        return await build(graph, local_builder(name))
    async with connect() as engine:
        await build(graph, engine)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""

_SYNC = """
import asyncio, contextlib, sys
from dagger_aml import Graph, sync
from dagger_aml.steps import base, run

async def lay_out(reference, mark):
    return await run(await base(Graph(), reference), ["/bin/sleep", mark])

def cell():
    name, reference, mark = sys.argv[1:]
    graph = asyncio.run(lay_out(reference, mark))
    with sync.connect() if name == "dagger" else sync.local_builder(name) as builder:
        builder.build(graph)

try:
    cell()
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("program", [_ASYNC, _SYNC], ids=["async", "sync"])
@pytest.mark.parametrize("name", ["dagger", "buildah", "docker"])
async def test_ctrl_c_in_a_program_of_the_user_s(
    program: str, name: str, engine: Engine, need: Need, tiny: str
) -> None:
    """It comes out as the KeyboardInterrupt that it is; the command is ended, and so is every child."""
    need(name)
    mark = f"60.{time.time_ns() % 10**9:09}"
    process = subprocess.Popen(
        [sys.executable, "-c", program, name, tiny, mark],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    await _until(lambda: _running(mark) or process.poll() is not None, 40)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = await anyio.to_thread.run_sync(lambda: process.communicate(timeout=30))
    assert (process.returncode, out, err) == (0, "interrupted\n", "")
    assert time.monotonic() - begun < 8
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    await _until(lambda: not _running(mark), 5)


# --- without await ------------------------------------------------------------------------------------------------


async def test_twins_work_where_a_loop_runs(
    engine: Engine, project: Path, bases: dict[str, str], tmp_path: Path
) -> None:
    """As in a notebook cell: this test's own loop runs, and is blocked meanwhile."""
    graph = sync.lay_out(load_project(project, Options(base=bases["classic"])))
    with sync.connect() as connected:
        assert connected.probe(graph).base.digest
        made = connected.image(graph)
        assert made.export(tmp_path / "a.tar", ["double:1"]).output == tmp_path / "a.tar"
        assert connected.build(graph, output=tmp_path / "b.tar").output == tmp_path / "b.tar"
        with connected.serve(made) as endpoint:
            assert endpoint.healthy() and endpoint.url
            assert endpoint.score({"data": 21}).json == 42
            assert "score" in endpoint.logs()
        with pytest.raises(UsageError, match="needs a tag"):
            connected.build(graph, push=True)


# --- silence ------------------------------------------------------------------------------------------------------

_BUILD = """
import sys
from dagger_aml import BuildError, Options, load_project, sync

name, project, reference, tar = sys.argv[1:]
graph = sync.lay_out(load_project(project, Options(base=reference)))
with sync.connect() if name == "dagger" else sync.local_builder(name) as builder:
    result = builder.build(graph, tags=["silent:1"], output=tar)
    assert result.output and result.tags == ("silent:1",), result
    try:
        builder.build(sync.lay_out(load_project(project, Options(base=reference, recipe=sys.path[0] + "/fails.py"))))
    except BuildError as error:
        assert error.location == "fails" and "heard" in error.output, vars(error)
    else:
        raise AssertionError
"""

_FAILS = """
from dagger_aml.steps import base, run

async def recipe(graph, project):
    return await run(await base(graph, project.base), ["/bin/sh", "-c", "echo heard; exit 3"], name="fails")
"""


@pytest.mark.parametrize("name", ["dagger", "buildah", "docker"])
def test_a_build_says_nothing(
    name: str, engine: Engine, need: Need, project: Path, tiny: str, tmp_path: Path
) -> None:
    """Neither this process nor what it starts writes to the standard streams; a failure is an exception."""
    need(name)
    (tmp_path / "build.py").write_text(_BUILD)
    (tmp_path / "fails.py").write_text(_FAILS)
    done = subprocess.run(
        [sys.executable, tmp_path / "build.py", name, project, tiny, tmp_path / "made.tar"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with tarfile.open(tmp_path / "made.tar") as tar:
        assert "manifest.json" in tar.getnames()
