"""What only a real Dagger engine shows: caching, layers, outputs, errors, interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from dagger_aml import Graph, build, container
from dagger_aml.backends.dagger.builder import Engine
from dagger_aml.building.plans import probe
from dagger_aml.diff import read_image
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy
from dagger_aml.oci.registry import manifest_layers
from dagger_aml.steps import base, code, copy, env, labels, model, run
from dagger_aml.steps.model import Model
from tests.support.cli import argv
from tests.support.cli import run as cli
from tests.support.projects import small

pytestmark = [pytest.mark.anyio, pytest.mark.builders, pytest.mark.engine]

EXAMPLES = Path(__file__).parents[2] / "examples"

RANDOM_RECIPE = """
from dagger_aml import Graph, Project
from dagger_aml.steps import base, code, run

async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    graph = await run(graph, ["/bin/sh", "-c", "cat /proc/sys/kernel/random/uuid >/random"], name="random")
    return await code(graph, project.code)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project that scores nothing but builds fast."""
    return small(tmp_path / "small", weights=200_000)


async def test_no_cache_metadata_and_iidfile(
    engine: Engine, project: Path, tmp_path: Path, bases: dict[str, str]
) -> None:
    """--no-cache runs the step again; the files say what was made, in buildx's words."""
    recipe = tmp_path / "random_recipe.py"
    recipe.write_text(RANDOM_RECIPE)
    found = set()
    words = ("build", project, "--recipe", recipe, "--base", bases["classic"], "-t", "fresh:1", "--no-cache")
    for name in ("a", "b"):
        tar, said, image = (tmp_path / f"{name}.{end}" for end in ("tar", "json", "id"))
        done = cli(*words, "-o", tar, "--metadata-file", said, "--iidfile", image, "-q")
        assert done.returncode == 0, done.stderr
        meta = json.loads(said.read_text())
        assert meta["containerimage.digest"] == done.stdout.strip() and meta["image.name"] == "fresh:1"
        assert meta["containerimage.config.digest"] == image.read_text() == _manifest(tar)["config"]["digest"]
        found.add(read_image(tar).files["/random"].sha256)
    assert len(found) == 2


async def test_relative_paths(
    engine: Engine, project: Path, tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what is copied, bases, outputs and folders: Dagger's command line works in another folder."""
    monkeypatch.chdir(tmp_path)
    copied = evolve(local(Path("small/code")), path="small/code")
    await build(Graph(From.parse(tiny)).add(Copy(copied, "/var/azureml-app")), engine, output=Path("one.tar"))
    again = await base(Graph(), "docker-archive:one.tar")
    await build(await env(again, {"AGAIN": "1"}), engine, output=Path("two.tar"))
    await engine.folder(await probe(again, engine), "/var/azureml-app", Path("out"))
    said = (project / "code" / "score.py").read_bytes()
    assert read_image(tmp_path / "two.tar").files["/var/azureml-app/score.py"].size == len(said)
    assert (tmp_path / "out" / "score.py").read_bytes() == said


async def test_modes_are_normalised(engine: Engine, project: Path, tmp_path: Path, tiny: str) -> None:
    """Whatever the user's umask made of the files, the image has 0755 and 0644, code of the base's user."""
    odd = {"score.py": 0o600, "tool.sh": 0o700, "name [1]*.txt": 0o664, "pkg/__init__.py": 0o640, "pkg/run*": 0o771}
    for name, mode in odd.items():
        path = project / "code" / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text("x = 1\n")
        path.chmod(mode)
    (project / "code" / "pkg").chmod(0o700)
    (project / "code" / "empty").mkdir(mode=0o2770)
    (project / "code" / "link").symlink_to("pkg/__init__.py")
    (project / "model" / "weights.bin").chmod(0o640)
    graph = await base(Graph(), tiny)
    graph = await code(await model(graph, Model(project / "model", "weights")), project / "code")
    await build(graph, engine, output=tmp_path / "modes.tar")
    files = read_image(tmp_path / "modes.tar").files
    for name, mode in odd.items():
        entry = files[f"/var/azureml-app/{name}"]
        assert (oct(entry.mode), entry.uid, entry.gid) == (oct(0o755 if mode & 0o111 else 0o644), 1000, 1000), name
    for name in ("pkg", "empty"):
        assert oct(files[f"/var/azureml-app/{name}"].mode) == oct(0o755)
    assert files["/var/azureml-app/link"].target == "pkg/__init__.py"
    weights = files["/var/azureml-app/azureml-models/weights/1/weights.bin"]
    assert (oct(weights.mode), weights.uid) == (oct(0o644), 0)
    assert files["/var/azureml-app"].uid == 1000, "the existing folder keeps its owner"


async def test_push_export_and_load_name_one_image(engine: Engine, project: Path, tmp_path: Path, tiny: str) -> None:
    """The digest that is printed is the registry's; base and version are labels; docker or podman has the tag."""
    graph = await code(await base(Graph(), tiny), project / "code")
    tag = f"{tiny.partition('/')[0]}/tests/outputs:{os.getpid()}"
    result = await build(graph, engine, tags=[tag], push=True, load=True, output=tmp_path / "out.tar")
    assert result.tags == (tag,) and result.output == tmp_path / "out.tar"
    _, pushed = await manifest_layers(tag, "latest" if result.digest is None else result.digest)
    assert pushed == result.layers and all(layer.size > 0 for layer in pushed)
    said = read_image(tmp_path / "out.tar").config
    assert said["label org.opencontainers.image.base.name"] == tiny
    assert said["label org.opencontainers.image.base.digest"] == result.base.partition("@")[2]
    assert "label io.dagger-aml.version" in said
    assert oct((tmp_path / "out.tar").stat().st_mode & 0o777) == oct(0o666 & ~_umask())
    stores = [
        subprocess.run([store, "image", "inspect", tag], capture_output=True, check=False).returncode
        for store in ("docker", "podman")
    ]
    assert 0 in stores
    for store in ("docker", "podman"):
        subprocess.run([store, "rmi", tag], capture_output=True, check=False)


async def test_container_is_a_plain_one(engine: Engine, project: Path, bases: dict[str, str]) -> None:
    """A graph joins somebody's own pipeline as a ``dagger.Container``."""
    graph = await code(await base(Graph(), bases["classic"]), project / "code")
    made = await container(graph, engine.client)
    listed = await made.with_exec(["stat", "-c", "%U %n", "/var/azureml-app/score.py"]).stdout()
    assert listed.strip() == "dockeruser /var/azureml-app/score.py"


@pytest.mark.parametrize(
    ("file", "text", "step", "said"),
    [
        ("requirements.txt", "numpy==99.0\n", "pip requirements.txt (1 package)", "No matching distribution"),
        ("apt.txt", "no-such-package-here\n", "apt no-such-package-here", "Unable to locate package"),
    ],
)
async def test_a_failing_step_is_told(
    engine: Engine, project: Path, bases: dict[str, str], file: str, text: str, step: str, said: str
) -> None:
    """Exit code 1, the step, the command and its last lines; no traceback, no GraphQL, nothing half-written."""
    (project / file).write_text(text)
    tar = project / "never.tar"
    done = cli("build", project, "--base", bases["classic"], "-o", tar)
    assert done.returncode == 1
    assert f"error: {step}:" in done.stderr and said in done.stderr and "command: " in done.stderr
    assert not re.search(r"Traceback|graphql|traceparent|withExec", done.stderr, re.I)
    assert not list(project.glob("*never.tar*"))


async def test_conflicting_packages_fail_pip_check(engine: Engine, project: Path, bases: dict[str, str]) -> None:
    """The server's own pins are in the environment; breaking one fails the build, not the deployment."""
    (project / "requirements.txt").write_text("flask==2.2.5\n")
    done = cli("build", project, "--base", bases["classic"], "-o", project / "never.tar")
    assert done.returncode == 1, done.stderr
    assert "error: pip" in done.stderr and "flask" in done.stderr.lower()


@pytest.mark.parametrize(("number", "code_"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_interrupted(
    engine: Engine, project: Path, tmp_path: Path, bases: dict[str, str], number: int, code_: int
) -> None:
    """Stopped in the middle of a step: the code says so, nothing is left, no session process runs on."""
    recipe = tmp_path / "sleeping.py"
    recipe.write_text(RANDOM_RECIPE.replace("cat /proc/sys/kernel/random/uuid >/random", f"sleep {300 + number}"))
    command = argv("build", project, "--recipe", recipe, "--base", bases["classic"], "-o", tmp_path / "never.tar")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    for line in process.stderr:
        if "random" in line:
            break
    time.sleep(1)
    children = _children(process.pid)
    assert children, "the session is a child of ours"
    process.send_signal(number)
    rest = process.communicate(timeout=30)[1]
    assert process.returncode == code_, rest
    assert "Traceback" not in rest
    assert not list(tmp_path.glob("*never.tar*"))
    assert not any(Path(f"/proc/{child}").exists() for child in children)


@pytest.fixture
def silent_socket(tmp_path: Path) -> Iterator[str]:
    """An engine that accepts and never answers."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "e.sock"))
    server.listen(16)
    kept: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                kept.append(server.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield f"unix://{tmp_path / 'e.sock'}"
    server.close()


async def test_an_engine_that_never_answers(engine: Engine, silent_socket: str) -> None:
    """One error within ten seconds or so says what was tried and what else there is."""
    begun = time.monotonic()
    project = EXAMPLES / "diabetes"
    done = cli("build", project, env={"_EXPERIMENTAL_DAGGER_RUNNER_HOST": silent_socket, "DAGGER_SESSION_PORT": ""})
    assert time.monotonic() - begun < 12
    assert done.returncode == 1
    assert "no Dagger engine answers" in done.stderr and "--with" in done.stderr and "dockerfile" in done.stderr


async def test_odd_strings_arrive_as_they_are(engine: Engine, tmp_path: Path, tiny: str) -> None:
    """Values with everything that some builder expands or eats are in the image exactly."""
    odd = "a \"b\" 'c' $HOME ${X:-y} $(id) `id` \\n \\ # -- <<EOF %s * ? [x] {y} ~ \u2013 \u202e \u2028 end\\"
    graph = await base(Graph(), tiny)
    graph = await env(graph, {"ODD": odd})
    graph = await labels(graph, {"odd": odd})
    graph = await run(graph, ["/bin/echo", odd], touches=["/nothing"], name="echo")
    graph = await run(graph, ["/bin/sh", "-c", 'printf %s "$1" >/odd', "sh", odd], name="write")
    graph = await copy(graph, odd.encode(), "/var/odd.txt")
    await build(graph, engine, output=tmp_path / "odd.tar")
    found = read_image(tmp_path / "odd.tar")
    assert found.config["env ODD"] == odd and found.config["label odd"] == odd
    assert found.files["/odd"].size == len(odd.encode()) == found.files["/var/odd.txt"].size
    assert found.files["/odd"].sha256 == found.files["/var/odd.txt"].sha256


def _manifest(tar: Path) -> dict[str, object]:
    with tarfile.open(tar) as opened:

        def load(name: str) -> dict[str, object]:
            file = opened.extractfile(name)
            assert file
            return json.load(file)

        digest = load("index.json")["manifests"][0]["digest"]
        return load("blobs/sha256/" + digest.partition(":")[2])


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
