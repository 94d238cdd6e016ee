"""Images served, scored and gated for real: by the engine, docker and podman. Nothing may run afterwards."""

import contextlib
import json
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from dagger_aml import (
    Engine,
    Graph,
    Options,
    ServeError,
    Smoke,
    StartFailed,
    UsageError,
    build,
    load_project,
    load_recipe,
    serve,
)
from dagger_aml.backends.base import Builder
from dagger_aml.backends.local.containers import LABEL
from dagger_aml.backends.local.find import local_builder
from dagger_aml.backends.runtime import Published
from dagger_aml.oci.registry import resolve_digest
from dagger_aml.serving.endpoint import Endpoint
from dagger_aml.serving.smoke import default_smoke
from tests.support.builders import need_programs
from tests.support.cli import argv
from tests.support.cli import run as cli
from tests.support.depth import depth_of

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

EXAMPLE = Path(__file__).parents[2] / "examples" / "diabetes"
PLAIN_RUN = "def run(data):\n    return {'ok': True}\n"


class Broken(NamedTuple):
    """A project that does not hold, and what must be said of it."""

    code: str
    kind: str
    said: tuple[str, ...]
    model: bool = False
    answer: str = '{"ok": true}'


BROKEN = {
    "import": Broken(
        "import cv2\ndef init(): pass\n" + PLAIN_RUN, "import", ("code/score.py:1", "'cv2'", "opencv-python-headless")
    ),
    "no-model": Broken(
        "import os\ndef init():\n    os.environ['AZUREML_MODEL_DIR']\n" + PLAIN_RUN,
        "file", ("code/score.py:3", "the image has no model"),
    ),
    "wrong-file": Broken(
        "import os\ndef init():\n    open(os.environ['AZUREML_MODEL_DIR'] + '/nope.bin')\n" + PLAIN_RUN,
        "file", ("code/score.py:3", "nope.bin", "AZUREML_MODEL_DIR"), model=True,
    ),
    "wrong-answer": Broken(
        "def init(): pass\n" + PLAIN_RUN, "answer", ("answer.json", "$.ok is true, expected false"),
        answer='{"ok": false}',
    ),
    "writes-into-the-model": Broken(
        "import os\ndef init():\n    open(os.environ['AZUREML_MODEL_DIR'] + '/cache', 'w')\n" + PLAIN_RUN,
        "write", ("code/score.py:3", "azureml-models/project/1/cache", "/tmp"), model=True,
    ),
    "needs-root": Broken(
        "def init():\n    open('/etc/mine.conf', 'w')\n" + PLAIN_RUN, "write", ("code/score.py:2", "/etc/mine.conf")
    ),
    "unserialisable": Broken(
        "def init(): pass\ndef run(data):\n    return {1, 2}\n",
        "answer",
        ("cannot be converted to JSON: set", ".tolist()"),
    ),
    "library": Broken(
        "import ctypes\ndef init():\n    ctypes.CDLL('libGL.so.1')\n" + PLAIN_RUN, "library", ("libGL.so.1", "libgl1")
    ),
    "run-raises": Broken(
        "def init(): pass\ndef run(data):\n    raise ValueError('mine')\n", "raised", ("code/score.py:3", "mine")
    ),
    "network": Broken(
        "import urllib.request\ndef init():\n    urllib.request.urlopen('http://models.invalid/m')\n" + PLAIN_RUN,
        "network", ("code/score.py:3", "init() could not reach the network", "the image was started with"),
    ),
    "group": Broken(
        "def init():\n    raise ExceptionGroup('no models', [ValueError('mine')])\n" + PLAIN_RUN,
        "raised", ("code/score.py:2", "init() raised ValueError: mine (the exception in an ExceptionGroup: no "
                   "models)"),
    ),
    "worker-dies": Broken(
        "import os\ndef init():\n    os._exit(7)\n" + PLAIN_RUN, "crash", ("exited with code 7",)
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No container of ours is there that was not there before."""
    before = containers()
    yield
    assert containers() <= before


def containers() -> set[str]:
    """Containers that serving made, running or not."""
    found: set[str] = set()
    for program in ("docker", "podman"):
        try:
            command = [program, "ps", "--all", "--quiet", f"--filter=label={LABEL}"]
            found |= set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())
        except FileNotFoundError:
            continue
    return found


def write(folder: Path, code: str, *, model: bool = False, answer: str = '{"ok": true}') -> Path:
    """Write a project that needs no packages."""
    root = folder / "project"
    (root / "code").mkdir(parents=True)
    (root / "code/score.py").write_text(code)
    (root / "request.json").write_text('{"data": 1}')
    (root / "answer.json").write_text(answer)
    if model:
        (root / "model").mkdir()
        (root / "model/m.txt").write_text("m")
    return root


async def laid_out(root: Path, base: str, recipe: str = "extended", via: str = "start-script") -> Graph:
    """The graph of a project."""
    project = load_project(root, Options(base=base, recipe=recipe, via=via))
    return await load_recipe(recipe)(Graph(), project)


async def gated(root: Path, base: str, builder: Builder, tag: str) -> None:
    """Build, check and push a project as the command line does."""
    graph = await laid_out(root, base)
    smoke, _ = default_smoke(load_project(root, Options(base=base)), graph, None, push=True)
    assert smoke
    await build(graph, builder, tags=[tag], push=True, check=smoke.check)


async def listens(port: int) -> bool:
    try:
        await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


async def printed(endpoint: Endpoint, text: str) -> None:
    """Wait for a line with the text: an engine at work elsewhere brings what was printed seconds later."""
    with anyio.move_on_after(30):
        while not any(text in line for line in await endpoint.settled()):
            pass
    assert text in endpoint.logs()


# --- the four recipes ---


@pytest.mark.engine
@pytest.mark.parametrize(
    ("recipe", "base", "via"),
    [("extended", "classic", "start-script"), ("extended", "curated", "start-script"),
     ("dynamic", "classic", "start-script"), ("preinstalled", "classic", "start-script"),
     ("preinstalled", "curated", "pythonpath"), ("package", "classic", "start-script")],
)  # fmt: skip
async def test_each_recipe_on_the_engine(
    recipe: str, base: str, via: str, engine: Engine, bases: dict[str, str]
) -> None:
    graph = await laid_out(EXAMPLE, bases[base], recipe, via)
    async with serve(graph, engine, offline=recipe != "dynamic") as endpoint:
        scored = await endpoint.score((EXAMPLE / "request.json").read_bytes())
        assert (scored.status, scored.json) == (200, json.loads((EXAMPLE / "answer.json").read_text()))
        assert scored.headers["x-ms-server-version"].startswith("azmlinfsrv/")
        assert float(scored.headers["x-ms-run-fn-exec-ms"]) > 0 and not scored.run_failed
        assert endpoint.uid == 1000 and await endpoint.healthy()
        await printed(endpoint, "scored 2 rows")
        refused = await endpoint.score({"data": "x"})
        assert refused.status == 400
        url = endpoint.url
    with anyio.fail_after(5):
        # The session closes its tunnel on its own time.
        while await listens(int(url.rpartition(":")[2])):
            await anyio.sleep(0.1)


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("program", ["docker", "podman"])
async def test_on_docker_and_podman(program: str, offline: bool, bases: dict[str, str]) -> None:
    need_programs(program)
    graph = await laid_out(EXAMPLE, bases["classic"])
    async with serve(graph, local_builder(program), offline=offline) as endpoint:
        scored = await endpoint.score((EXAMPLE / "request.json").read_bytes())
        assert (scored.status, scored.json) == (200, json.loads((EXAMPLE / "answer.json").read_text()))
        assert endpoint.uid == 1000
        await printed(endpoint, "scored 2 rows")


@pytest.mark.engine
async def test_a_tar_and_a_reference(
    engine: Engine, bases: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    need_programs("docker")
    root = write(tmp_path, "def init(): pass\n" + PLAIN_RUN)
    tag = f"{bases['classic'].partition('/')[0]}/dagger-aml-serve/target:1"
    tar = tmp_path / "image.tar"
    await build(await laid_out(root, bases["classic"]), engine, tags=[tag], push=True, output=tar)
    every = depth_of(request.config).every_builder
    for what, builders in ((tag, (engine, "docker") if every else (engine,)), (tar, (engine, "docker"))):
        for by in builders:
            async with serve(what, by) as endpoint:  # type: ignore[arg-type]
                assert (await endpoint.score({})).json == {"ok": True}


@pytest.mark.engine
async def test_connections_that_are_being_made_do_not_hold_the_end_up(
    engine: Engine, bases: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """Nor do they keep the service alive: a tunnel that is stopped while it makes one waits for that one's end."""
    graph = await laid_out(EXAMPLE, bases["curated"], "preinstalled", "pythonpath")

    async def storm(port: int) -> None:
        async with AsyncExitStack() as kept:
            with contextlib.suppress(OSError):
                while True:
                    await kept.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
                    await anyio.sleep(0.001)

    for _ in range(depth_of(request.config).storms):
        async with anyio.create_task_group() as tasks:
            async with serve(graph, engine, offline=True) as endpoint:
                port = int(endpoint.url.rpartition(":")[2])
                for _ in range(3):
                    tasks.start_soon(storm, port)
                await anyio.sleep(0.05)
                begun = time.monotonic()
            assert time.monotonic() - begun < 15
            tasks.cancel_scope.cancel()
        assert not await listens(port)


# --- what does not hold ---


@pytest.mark.engine
@pytest.mark.parametrize("name", BROKEN)
async def test_broken_projects_are_not_published(
    name: str, engine: Engine, bases: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _stopped(name, engine, bases, tmp_path, monkeypatch)


@pytest.mark.twin("podman", of="docker", why="where each is run")
@pytest.mark.parametrize("name", ["import", "writes-into-the-model", "unserialisable", "network"])
@pytest.mark.parametrize("program", ["docker", "podman"])
async def test_broken_projects_are_not_published_by_others(
    name: str, program: str, bases: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_programs(program)
    await _stopped(name, local_builder(program), bases, tmp_path, monkeypatch)


async def _stopped(
    name: str, builder: Builder, bases: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = BROKEN[name]
    root = write(tmp_path, broken.code, model=broken.model, answer=broken.answer)
    monkeypatch.chdir(root)
    tag = f"{bases['classic'].partition('/')[0]}/dagger-aml-serve/broken-{name}:1"
    with pytest.raises(ServeError) as error:
        await gated(root, bases["classic"], builder, tag)
    assert error.value.cause.kind == broken.kind, str(error.value)
    for each in broken.said:
        assert each in str(error.value), str(error.value)
    assert "site-packages" not in str(error.value)
    assert not await _is_published(tag)


async def _is_published(tag: str) -> bool:
    from dagger_aml import DaggerAmlError
    from dagger_aml.graph.base import From

    try:
        return bool(await resolve_digest(From.parse(tag)))
    except DaggerAmlError:
        return False


@pytest.mark.engine
async def test_writing_beside_the_code_is_allowed(engine: Engine, bases: dict[str, str], tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\ndef init():\n    (Path(__file__).parent / 'cache').write_text('x')\n" + PLAIN_RUN
    )
    tag = f"{bases['classic'].partition('/')[0]}/dagger-aml-serve/beside:1"
    await gated(write(tmp_path, code), bases["classic"], engine, tag)
    assert await _is_published(tag)


@pytest.mark.engine
async def test_a_slow_init_is_waited_for_or_named(engine: Engine, bases: dict[str, str], tmp_path: Path) -> None:
    root = write(tmp_path, "import time\ndef init():\n    time.sleep(9)\n" + PLAIN_RUN)
    graph = await laid_out(root, bases["classic"])
    with pytest.raises(StartFailed, match=r"init\(\) still runs after 4 s"):
        async with serve(graph, engine, ready_timeout=4):
            pass
    async with serve(graph, engine) as endpoint:
        assert endpoint.ready_seconds > 9
        assert (await endpoint.score({})).status == 200


async def test_a_requirement_that_is_not_there_at_start(bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    root = write(tmp_path, "def init(): pass\n" + PLAIN_RUN)
    (root / "requirements.txt").write_text("joblib==0.0.0.1\n")
    graph = await laid_out(root, bases["classic"], "dynamic")
    with pytest.raises(StartFailed) as error:
        async with serve(graph, local_builder("docker"), env={"STANDIN_ERROR_SLEEP": "0"}):
            pass
    assert error.value.cause.code == 95 and "joblib==0.0.0.1" in error.value.cause.message


@pytest.mark.engine
async def test_importing_alone(engine: Engine, bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    builders: list[Builder] = [engine, local_builder("docker")]
    fine = write(tmp_path / "fine", "def init():\n    raise RuntimeError('not called')\n" + PLAIN_RUN)
    wrong = write(tmp_path / "wrong", BROKEN["import"].code)
    smoke = Smoke("import")
    for builder in builders:
        await build(await laid_out(fine, bases["classic"]), builder, check=smoke.check)
        with pytest.raises(StartFailed, match="needs the module 'cv2'"):
            await build(await laid_out(wrong, bases["classic"]), builder, check=smoke.check)


# --- ends ---


async def test_an_error_in_the_block_comes_out_as_it_is(bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    graph = await laid_out(write(tmp_path, "def init(): pass\n" + PLAIN_RUN), bases["classic"])
    with pytest.raises(ZeroDivisionError):
        async with serve(graph, local_builder("docker")):
            raise ZeroDivisionError


async def test_a_taken_port_and_a_taken_name(bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    builder = local_builder("docker")
    graph = await laid_out(write(tmp_path, "def init(): pass\n" + PLAIN_RUN), bases["classic"])
    async with serve(graph, builder, name=f"dagger-aml-test-{tmp_path.name}") as endpoint:
        port = int(endpoint.url.rpartition(":")[2])
        with pytest.raises(UsageError, match="in use"):
            async with serve(graph, builder, published=Published(port)):
                pass
        with pytest.raises(UsageError, match="already has a container with that name"):
            async with serve(graph, builder, name=endpoint.container):
                pass
        assert await endpoint.healthy()


@pytest.mark.parametrize("after", [0.3, 1.0, 2.5])
async def test_a_cancelled_start_leaves_nothing(after: float, bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    root = write(tmp_path, "import time\ndef init():\n    time.sleep(60)\n" + PLAIN_RUN)
    graph = await laid_out(root, bases["classic"])
    await build(graph, local_builder("docker"))
    with anyio.move_on_after(after) as scope:
        async with serve(graph, local_builder("docker")):
            pass
    assert scope.cancelled_caught


@pytest.mark.engine
async def test_a_port_that_the_engine_cannot_have(engine: Engine, bases: dict[str, str], tmp_path: Path) -> None:
    graph = await laid_out(write(tmp_path, "def init(): pass\n" + PLAIN_RUN), bases["classic"])
    async with serve(graph, engine) as endpoint:
        port = int(endpoint.url.rpartition(":")[2])
        with pytest.raises(UsageError, match="in use"):
            async with serve(graph, engine, published=Published(port)):
                pass


# --- the commands ---


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("by", [["--with", "dagger"], ["--with", "docker"], ["--with", "podman"], ["--local"]])
def test_run_until_it_is_stopped(
    by: list[str],
    end: signal.Signals,
    bases: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    need_programs(*(word for word in by if word in ("docker", "podman")))
    if by == ["--local"] and end == signal.SIGTERM:
        pytest.skip("once is enough: it installs the server each time")
    once = (by[-1], end) in (("docker", signal.SIGTERM), ("podman", signal.SIGINT))
    if once and not depth_of(request.config).every_builder:
        pytest.skip("only with --depth nightly: docker is ended by SIGINT, podman by SIGTERM, by the same code")
    code = "def init():\n    print('mine')\ndef run(data):\n    raise ValueError('mine too')\n"
    root = write(tmp_path, code)
    words = argv("run", str(root), *by, "--base", bases["classic"])
    printed: list[str] = []
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout
        for line in process.stdout:
            printed.append(line)
            if line.startswith("ready after"):
                url = line.split()[-1]
                scored = cli("score", url, "--request", root / "request.json", "--json")
                assert scored.returncode == 1
                assert json.loads(scored.stdout)["status"] == 500
            if "ValueError: mine too" in line:
                process.send_signal(end)
    text = "".join(printed)
    assert process.returncode == (130 if end == signal.SIGINT else 143), text
    assert "mine\n" in text and "curl http://" in text
    assert "Azure ML Inferencing HTTP server" not in text and "Traceback (most recent call last)" in text
    assert not list((root / "code").glob("__pycache__"))


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
def test_build_tells_that_nothing_is_published(bases: dict[str, str], tmp_path: Path) -> None:
    root = write(tmp_path, BROKEN["import"].code)
    tar = tmp_path / "image.tar"
    words = ("build", root, "-t", "x:1", "-o", tar, "--smoke", "--base", bases["classic"])
    done = cli(*words, cwd=root)
    assert done.returncode == 1 and not tar.exists()
    assert "nothing is published" in done.stderr
    assert "error: code/score.py:1: the entry script needs the module 'cv2'" in done.stderr
    done = cli(*words, "--smoke=import", cwd=root)
    assert done.returncode == 1 and not tar.exists()


def test_detached(bases: dict[str, str], tmp_path: Path) -> None:
    need_programs("docker")
    root, name = write(tmp_path, "def init(): pass\n" + PLAIN_RUN), f"dagger-aml-test-{secrets.token_hex(4)}"
    words = ("run", root, "--with", "docker", "-d", "--name", name, "-q", "--base", bases["classic"])
    try:
        done = cli(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        asked = ("--request", root / "request.json", "--expect", root / "answer.json")
        scored = cli("score", done.stdout.strip(), *asked, "-n", "20", "-c", "4")
        assert scored.returncode == 0, scored.stderr
        assert "20 of 20 gave 200" in scored.stdout and "the answer is the expected one" in scored.stdout
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
    refused = cli("run", root, "-d")
    assert refused.returncode == 2 and "when this command and its session end" in refused.stderr
