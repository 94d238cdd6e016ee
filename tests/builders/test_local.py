"""The builders behind `build --with docker|podman|buildah`, driven for real on the stand-in bases."""

import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest
from attrs import evolve

from dagger_aml import Graph, Options, Policy, build, load_project, load_recipe
from dagger_aml.backends.local.builder import LocalBuilder
from dagger_aml.backends.local.find import local_builder
from dagger_aml.building.plans import probe
from dagger_aml.errors import BuildError, DaggerAmlError, RegistryDenied, TransientError, UsageError
from dagger_aml.events import Event, Message, OpDone, OpStarted, Output
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Built, Copy, Run
from dagger_aml.graph.source import Text
from dagger_aml.steps import code, model
from dagger_aml.steps.model import Model
from tests.support.builders import Need
from tests.support.servers import PlainHandler, answering

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("docker", "podman", "buildah")

Make = Callable[..., LocalBuilder]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest, need: Need) -> str:
    """Each of the builders, where it is."""
    program: str = request.param
    need(program)
    return program


@pytest.fixture
def events() -> list[Event]:
    """What the builder told."""
    return []


@pytest.fixture
def builder(name: str, events: list[Event]) -> LocalBuilder:
    """A builder whose events are kept, and which soon tries again."""
    policy = Policy(retry_pauses_seconds=(0.02, 0.04))
    return local_builder(name, on_event=events.append, policy=policy)


@pytest.fixture(autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No temporary file may stay behind, and no container of an interrupted or failed build."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    yield
    assert not list(folder.iterdir())
    states = Path("/var/lib/containers/storage").glob("*-containers/*/userdata/buildah.json")
    assert not [state for state in states if str(folder) in state.read_text(errors="replace")]


def shell(script: str, step: str = "script") -> Run:
    """A step that runs a script as root."""
    return Run(["/bin/sh", "-ec", script], touches=(), name=step)


def tags_of(path: Path) -> list[str]:
    """The names that a Docker tar gives its one image."""
    with tarfile.open(path) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        (only,) = json.load(file)
        tags: list[str] = only["RepoTags"] or []
        return tags


async def test_an_image_is_built_exported_loaded_and_pushed(
    builder: LocalBuilder, tiny: str, tmp_path: Path, events: list[Event]
) -> None:
    """Examples through every recipe are built in test_examples.py."""
    tag = f"{tiny.partition('/')[0]}/dagger-aml-test/{builder.name}:1"
    (tmp_path / "weights").write_bytes(os.urandom(1000))
    graph = Graph(From.parse(tiny)).add(shell(f"echo {time.time_ns()} made by a step"))
    graph = await code(await model(graph, Model(tmp_path / "weights", "diabetes")), EXAMPLES / "diabetes" / "code")
    tar = tmp_path / "made" / "with:colon,and comma.tar"
    tar.parent.mkdir()
    old = os.umask(0o027)
    try:
        result = await build(graph, builder, tags=[tag], output=tar, load=True, push=True)
    finally:
        os.umask(old)
    assert tar.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tar.parent.iterdir()] == [tar.name]
    assert tags_of(tar) == [tag]
    assert result.digest
    assert result.base.startswith(tiny.rpartition(":")[0] + "@sha256:")
    assert len(result.layers) >= 3
    assert all(layer.size > 0 for layer in result.layers)

    found = await builder.tool.inspect(tag)
    assert found
    assert found.id == result.image_id
    assert found.config["User"] == "dockeruser"
    assert f"AZUREML_MODEL_DIR={'/var/azureml-app/azureml-models/diabetes/1'}" in found.config["Env"]
    assert found.config["Labels"]["org.opencontainers.image.base.digest"] == result.base.partition("@")[2]

    started = [event.name for event in events if isinstance(event, OpStarted)]
    done = [event for event in events if isinstance(event, OpDone)]
    assert started == [event.name for event in done]
    assert [event.number for event in done] == list(range(1, len(done) + 1))
    assert any("made by a step" in event.text for event in events if isinstance(event, Output))


async def test_the_tar_loads_under_its_tag(builder: LocalBuilder, tiny: str, tmp_path: Path, need: Need) -> None:
    loader = "docker" if builder.name == "docker" else "podman"
    need(loader)
    graph = Graph(From.parse(tiny)).add(Copy(Text(b"hello\n"), "/hello", "file"))
    tag = f"dagger-aml-test/short-{builder.name}:1"
    tar = tmp_path / "image.tar"
    result = await build(graph, builder, tags=[tag], output=tar)
    try:
        subprocess.run([loader, "load", "-i", tar], check=True, capture_output=True)
        command = [loader, "image", "inspect", "--format", "{{.Id}}", tag]
        inspected = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        assert inspected.removeprefix("sha256:") == (result.image_id or "").removeprefix("sha256:")
    finally:
        subprocess.run([loader, "rmi", f"docker.io/{tag}"], check=False, capture_output=True)


async def test_facts_are_the_base_s_own(builder: LocalBuilder, bases: dict[str, str]) -> None:
    paths = ["/var/azureml-app", "/var/azureml-app/none", "/tmp", "/etc/passwd"]
    digest, facts = await builder.probe(From.parse(bases["classic"]), paths)
    assert digest and digest.startswith("sha256:")
    assert (facts.user, facts.uid, facts.gid) == ("dockeruser", 1000, 1000)
    assert facts.environment == "/opt/miniconda/envs/amlenv"
    assert (facts.environment_uid, facts.python, facts.extras) == (1000, "3.11", True)
    assert facts.cmd == ("runsvdir", "/var/runit")
    assert facts.onbuild == ()
    assert facts.volumes == ()
    assert {path: (fact.type, fact.mode) for path, fact in facts.paths.items()} == {
        "/var/azureml-app": ("dir", 0o755),
        "/tmp": ("dir", 0o1777),
        "/etc/passwd": ("file", 0o644),
    }
    again, same = await builder.probe(From.parse(f"{bases['classic'].rpartition(':')[0]}@{digest}"), [])
    assert again == digest
    assert same == evolve(facts, paths={})


async def test_a_second_build_runs_nothing_again(builder: LocalBuilder, tiny: str) -> None:
    graph = Graph(From.parse(tiny)).add(shell(f"echo {time.time_ns()}; cat /proc/sys/kernel/random/uuid >/u"))
    planned = await probe(graph, builder)
    first = await builder.image(planned)
    assert (await builder.image(planned)).id == first.id
    fresh = local_builder(builder.name, no_cache=True)
    assert (await fresh.image(planned)).id != first.id


async def test_a_failing_requirement_names_its_step(
    builder: LocalBuilder, bases: dict[str, str], tmp_path: Path, events: list[Event]
) -> None:
    (tmp_path / "requirements.txt").write_text("joblib==99.99.99\n")
    project = load_project(tmp_path, Options(base=bases["classic"]))
    graph = await load_recipe("extended")(Graph(), project)
    with pytest.raises(BuildError) as caught:
        await build(graph, builder)
    assert caught.value.location and caught.value.location.startswith("pip")
    # Behind the script that checks before and after (dagger_aml/steps/pip_check.py).
    command = caught.value.command
    start = command.index("-m")
    assert command[start : start + 3] == ("-m", "pip", "install")
    assert "exit code 1" in caught.value.message
    assert "No matching distribution found for joblib==99.99.99" in caught.value.output
    assert "Traceback" not in str(caught.value)


async def test_a_failing_stage_names_its_step(builder: LocalBuilder, tiny: str) -> None:
    base = From.parse(tiny)
    inner = Graph(base).add(shell("mkdir /made; echo one"), shell("echo lost; exit 7", "the inner step"))
    graph = Graph(base).add(Copy(Built(inner, "/made"), "/outer"), shell("echo outer"))
    with pytest.raises(BuildError) as caught:
        await build(graph, builder)
    assert caught.value.location == "the inner step"
    assert caught.value.command == ("/bin/sh", "-ec", "echo lost; exit 7")
    assert "exit code 7" in caught.value.message
    assert caught.value.output.splitlines() == ["lost"]


async def test_docker_s_old_client_builds_by_buildkit(
    tiny: str, need: Need, monkeypatch: pytest.MonkeyPatch, events: list[Event], tmp_path: Path
) -> None:
    need("docker")
    clients = [Path(folder) / "docker" for folder in os.environ["PATH"].split(":")]
    for client in filter(Path.is_file, clients):
        monkeypatch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
        try:
            builder = local_builder("docker", format="buildkit", on_event=events.append)
            break
        except UsageError:
            continue
    else:
        pytest.skip("no docker client here does BuildKit")
    (tmp_path / "file").write_text("text")
    base = From.parse(tiny)
    mark = time.time_ns()
    inner = Graph(base).add(shell(f"mkdir /made; echo {mark} >/made/f", "inner"))
    graph = Graph(base).add(
        Copy(Built(inner, "/made"), "/outer"), Copy(local(tmp_path / "file"), "/file", "file", name="file")
    )
    await build(graph.add(shell(f"echo {mark}", "outer")), builder)
    names = [event.name for event in events if isinstance(event, OpStarted)]
    assert names[0] == "outer" or "outer" in names
    assert any(event == Message("inner") for event in events)
    for number, failing in enumerate((inner.add(shell(f"echo {mark}; exit 9", "bad")), inner)):
        graph = Graph(base).add(Copy(Built(failing, "/made"), "/outer"))
        if number:
            graph = graph.add(shell(f"echo {mark}; exit 9", "bad"))
        with pytest.raises(BuildError, match="exit code 9") as caught:
            await build(graph, builder)
        assert caught.value.location == "bad"
        assert caught.value.output == str(mark)


async def test_a_base_that_is_not_there(builder: LocalBuilder, bases: dict[str, str]) -> None:
    registry = bases["classic"].partition("/")[0]
    with pytest.raises(BuildError, match="no such image") as caught:
        await builder.probe(From.parse(f"{registry}/azureml/nothing:1"), [])
    assert caught.value.exit_code == 1
    with pytest.raises(TransientError):
        await builder.probe(From.parse("nothing.invalid/azureml/nothing:1"), [])


async def test_a_base_that_only_the_store_has(builder: LocalBuilder, tiny: str, events: list[Event]) -> None:
    graph = Graph(From.parse(tiny)).add(Copy(Text(b"hello\n"), "/hello", "file"))
    tag = f"localhost:9/dagger-aml-test/{builder.name}:only"
    await build(graph, builder, tags=[tag], load=True)
    mark = str(time.time_ns())
    await build(Graph(From.parse(tag)).add(shell(f"cat /hello; echo {mark}")), builder)
    assert any("using the copy of" in event.text for event in events if isinstance(event, Message))
    assert any(event.text.split()[-1:] == [mark] for event in events if isinstance(event, Output))


async def test_a_base_for_another_processor(builder: LocalBuilder, bases: dict[str, str]) -> None:
    with pytest.raises(DaggerAmlError, match="amd64"):
        await builder.probe(From.parse(bases["classic"], "linux/arm64"), [])


async def test_a_folder_is_copied_out(builder: LocalBuilder, bases: dict[str, str], tmp_path: Path) -> None:
    script = (
        "mkdir -p '/made/a b/c'; echo hi >'/made/a b/c/f'; chmod 0750 '/made/a b'; chmod 0755 '/made/a b/c/f';"
        "ln -s 'c/f' '/made/a b/link'; ln -s /nowhere /made/dangling; chown -R 1000:1000 /made"
    )
    planned = await probe(Graph(From.parse(bases["classic"])).add(shell(script)), builder)
    await builder.folder(planned, "/made", tmp_path)
    inner = tmp_path / "a b"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b", "dangling"]
    assert inner.stat().st_mode & 0o777 == 0o750
    assert (inner / "c/f").read_text() == "hi\n"
    assert (inner / "c/f").stat().st_mode & 0o777 == 0o755
    assert (inner / "link").readlink() == Path("c/f")
    assert (tmp_path / "dangling").readlink() == Path("/nowhere")
    assert (inner / "c/f").stat().st_uid == os.geteuid()
    with pytest.raises(BuildError):
        await builder.folder(planned, "/none", tmp_path)


# --- registries that refuse ---------------------------------------------------------------------------------------


@contextmanager
def refusing(*statuses: int) -> Iterator[tuple[str, list[int]]]:
    """A registry whose every answer but the first ping is the next status, the last one for good."""
    told: list[int] = []
    codes = {401: "UNAUTHORIZED", 403: "DENIED", 404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}

    class Handler(PlainHandler):
        def answer(self) -> None:
            ping = self.path.rstrip("/") == "/v2"
            status = 200 if ping else statuses[min(len(told), len(statuses) - 1)]
            if not ping:
                told.append(status)
            errors = [{"code": codes.get(status, "UNKNOWN"), "message": codes.get(status, "oh").lower()}]
            body = b"{}" if ping else json.dumps({"errors": errors}).encode()
            self.send_response(status)
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with answering(server):
        yield f"localhost:{server.server_port}", told


@pytest.mark.parametrize(
    ("status", "error"), [(401, RegistryDenied), (403, RegistryDenied), (404, BuildError), (503, TransientError)]
)
async def test_a_pull_that_is_refused(builder: LocalBuilder, status: int, error: type[DaggerAmlError]) -> None:
    with refusing(status) as (registry, _), pytest.raises(error):
        await builder.probe(From.parse(f"{registry}/some/base:1"), [])


async def test_a_push_is_tried_three_times(builder: LocalBuilder, tiny: str, events: list[Event]) -> None:
    planned = await probe(Graph(From.parse(tiny)).add(Copy(Text(b"hi\n"), "/hi", "file")), builder)
    image = await builder.image(planned)

    def said() -> list[str]:
        return [event.text for event in events if isinstance(event, Message)]

    def again() -> list[str]:
        return [text.rpartition("; ")[2] for text in said() if "retrying in" in text]

    with refusing(503) as (registry, told), pytest.raises(TransientError):
        # docker tries five times by itself in 50 s where it gets an answer, podman and buildah where they get none;
        # from 5 and 1.44 on these do so three times where they get one, too.
        await image.publish(f"{'localhost:9' if builder.name == 'docker' else registry}/some/image:1")
    by_itself = any(text.startswith(f"{builder.name} retries in") for text in said())
    assert again() == ([] if by_itself else [f"retrying in 0 s ({number} of 3)" for number in (2, 3)])
    assert builder.name == "docker" or len(told) >= 3
    events.clear()
    with refusing(403) as (registry, _), pytest.raises(RegistryDenied):
        await image.publish(f"{registry}/some/image:1")
    assert not again()


# --- interrupted --------------------------------------------------------------------------------------------------


def _containers(name: str, mark: str) -> set[str]:
    """Containers, running or not; of docker, whose store others use meanwhile, those of commands with a mark."""
    argv = {
        "docker": ["docker", "ps", "--all", "--no-trunc", "--format={{.ID}} {{.Command}}"],
        "buildah": ["buildah", "containers", "--quiet"],
    }
    command = argv.get(name, ["podman", "ps", "--all", "--external", "--quiet"])
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line for line in lines if name != "docker" or mark in line}


def _running(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in path.read_text(errors="replace"):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


async def test_a_cancelled_build_leaves_nothing(builder: LocalBuilder, tiny: str, events: list[Event]) -> None:
    mark = f"8{time.time_ns() % 10**9}"
    graph = Graph(From.parse(tiny)).add(shell(f"true {mark}"), shell(f"echo begun; exec sleep {mark}"))
    planned = await probe(graph, builder)
    before = _containers(builder.name, mark)
    with anyio.move_on_after(60) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(builder.image, planned)
            while not any(isinstance(event, Output) and event.text.endswith("begun") for event in events):
                await anyio.sleep(0.05)
            if builder.name == "docker" and builder.tool.form == "classic":
                # BuildKit's are none of docker's.
                assert _containers("docker", mark)
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught
    await anyio.sleep(0.5)
    assert not _running(f"sleep\0{mark}")
    assert not _containers(builder.name, mark) - before


async def test_a_missing_program_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in NAMES:
        with pytest.raises(DaggerAmlError, match="is not installed") as caught:
            local_builder(name)
        assert caught.value.exit_code == 1
        assert "apt-get install" in str(caught.value)
    with pytest.raises(UsageError, match="no such builder"):
        local_builder("kaniko")


async def test_a_daemon_that_does_not_answer(need: Need, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    need("docker")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(DaggerAmlError, match="does not answer"):
        local_builder("docker")
