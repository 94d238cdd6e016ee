"""Bases that are no prebuilt image of a registry: on this machine as a folder or a tar, or with a part missing."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from dagger_aml import Graph, Secret, build, connect, load_project, probe
from dagger_aml.backends.base import Builder
from dagger_aml.backends.local.docker import Docker
from dagger_aml.backends.local.find import local_builder
from dagger_aml.base import catalog
from dagger_aml.building.graphs import lay_out
from dagger_aml.diff import compare, read_image
from dagger_aml.errors import BaseError, BuildError
from dagger_aml.events import Event, Message, Warned
from dagger_aml.graph.graph import Built, Copy, Run
from dagger_aml.graph.mount import Mount
from dagger_aml.graph.source import Text
from dagger_aml.oci import registry
from dagger_aml.project.settings import Options
from dagger_aml.steps.installer import PYTHON
from tests.standin import StandInError
from tests.standin.tiny import write_tiny
from tests.standin.tools import TOOLS, call
from tests.support.builders import Need, lacking
from tests.support.cli import printed
from tests.support.depth import depth_of
from tests.support.projects import small

pytestmark = [pytest.mark.builders, pytest.mark.anyio]

KINDS = ("oci", "oci-archive", "docker-archive")
NAME = "localhost:1/nowhere/tiny:1"
"""What the images on this machine are called: in a registry that does not answer, so that asking it would be seen."""


async def opened(name: str, need: Need, events: list[Event]) -> AsyncIterator[Builder]:
    need(name)
    if name != "dagger":
        yield local_builder(name, on_event=events.append)
    else:
        async with connect(on_event=events.append) as engine:
            yield engine


@pytest.fixture
def events() -> list[Event]:
    """What the builder told."""
    return []


@pytest.fixture(params=["dagger", "docker", "podman", "buildah"])
async def builder(request: pytest.FixtureRequest, need: Need, events: list[Event]) -> AsyncIterator[Builder]:
    """Each of the builders, where it is."""
    async for each in opened(request.param, need, events):
        yield each


@pytest.fixture(params=["dagger", "buildah"])
async def one_of_two(request: pytest.FixtureRequest, need: Need, events: list[Event]) -> AsyncIterator[Builder]:
    """An engine, and a builder that takes a Dockerfile."""
    async for each in opened(request.param, need, events):
        yield each


def said(events: list[Event]) -> str:
    warned = [event.finding.titled for event in events if isinstance(event, Warned)]
    return "\n".join([*warned, *(event.text for event in events if isinstance(event, Message))])


# --- on this machine ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, need: Need) -> Iterator[Path]:
    """A folder with the tiny base as a layout for two platforms, and as a tar of either form."""
    need(*TOOLS)
    folder = tmp_path_factory.mktemp("bases")
    try:
        write_tiny(folder / "lay: out")
        index = folder / "lay: out/index.json"
        read = json.loads(index.read_bytes())
        read["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": NAME}
        index.write_text(json.dumps(read))
        call("tar", "-C", folder / "lay: out", "-cf", folder / "oci.tar", ".")
        (folder / "plain").symlink_to("lay: out")
        call("skopeo", "copy", f"oci:{folder}/plain:{NAME}", f"docker-archive:{folder}/docker.tar:{NAME}")
    except StandInError as error:
        pytest.skip(f"there is no tiny base: {error}")
    yield folder
    forget()


def forget() -> None:
    """Take out of the builders' stores what was loaded into them."""
    for program in ("docker", "podman"):
        shown = [program, "images", "--quiet", "--no-trunc", "localhost/dagger-aml-base"]
        if loaded := subprocess.run(shown, capture_output=True, text=True, check=False).stdout.split():
            subprocess.run([program, "rmi", "--force", *loaded], capture_output=True, check=False)


@pytest.mark.parametrize(
    "text", ["oci:{}/lay: out", f"oci-archive:{{}}/oci.tar:{NAME}", "docker-archive:{}/docker.tar"], ids=KINDS
)
async def test_a_base_on_this_machine_needs_no_registry(
    builder: Builder, place: Path, text: str, tmp_path: Path, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(*_: object, **__: object) -> None:
        raise AssertionError("a registry is asked")

    monkeypatch.setattr(registry, "_get", asked)
    base = catalog.base(text.format(place))
    stage = Graph(base).add(Run(["/bin/sh", "-c", "mkdir /made && id -u >/made/id"], name="stage"))
    graph = Graph(base).add(
        Run(["/bin/sh", "-c", "cat /etc/passwd >/copy"], name="run"),
        Copy(Text(b"hello\n"), "/hello", "file"),
        Copy(Built(stage, "/made"), "/made"),
    )
    planned = await probe(graph, builder)
    assert planned.facts.source == "probed" and planned.facts.uid == 1000
    assert planned.facts.onbuild == () and planned.base.digest == base.digest
    result = await build(graph, builder, tags=["tiny:1"], output=tmp_path / "image.tar")
    assert result.base.startswith("localhost:1/nowhere/tiny")
    made = read_image(tmp_path / "image.tar")
    assert {"/copy", "/hello", "/made/id"} <= set(made.files)
    assert made.config["label org.opencontainers.image.base.name"] == NAME
    assert made.config.get("label org.opencontainers.image.base.digest") == base.digest
    assert str(place) not in json.dumps(made.config)
    assert sum(str(place) in line for line in said(events).splitlines()) <= 1, "sent once for a builder"


@pytest.mark.parametrize("folder", ["T__m p_,a:Ü_"])
@pytest.mark.parametrize("text", ["oci:{}/lay: out", "docker-archive:{}/docker.tar"], ids=["oci", "docker-archive"])
async def test_whatever_the_folder_for_temporary_files_is_called(
    builder: Builder, place: Path, text: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / folder).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / folder))
    forget()
    graph = Graph(catalog.base(text.format(place)))
    if getattr(builder, "tool", None) != Docker("classic"):  # which mounts nothing
        mount = Mount("word", "/run/word", Secret.of("word", "opened"))
        graph = graph.add(Run(["/bin/grep", "opened", "/run/word"], mounts=[mount], name="mount"))
    graph = graph.add(Run(["/bin/sh", "-c", "id -u >/id"], name="run"), Copy(Text(b"hello\n"), "/hello", "file"))
    await build(graph, builder, tags=["tiny:1"], output=tmp_path / "image.tar")
    assert {"/id", "/hello"} <= set(read_image(tmp_path / "image.tar").files)
    assert not list((tmp_path / folder).iterdir())
    if builder.name in ("podman", "buildah"):
        names = subprocess.run([builder.name, "images"], capture_output=True, text=True, check=True).stdout
        assert "localhost/dagger-aml-base" in names and not re.search("localhost/dagger-aml-(?!base)", names)


async def test_the_store_keeps_what_it_was_given(place: Path, need: Need, tmp_path: Path) -> None:
    need("buildah")
    graph = Graph(catalog.base(f"oci:{place}/lay: out"))
    told: list[Event] = []
    for _ in range(2):
        told.clear()
        await probe(graph, local_builder("buildah", on_event=told.append))
    assert "loading" not in said(told)


def test_the_command_line_shows_what_was_asked(place: Path, need: Need, tmp_path: Path) -> None:
    need("buildah")
    small(tmp_path)
    words = ("plan", tmp_path, "--base", f"oci:{place}/lay: out", "--probe", "--with", "buildah", "--json")
    made = json.loads(printed(*words))
    assert made["facts"]["source"] == "probed" and made["facts"]["start_script"] is False
    assert made["base"]["archive"] == f"oci:{place}/lay: out"
    assert any("only a command of the base image itself" in each["message"] for each in made["warnings"])


# --- with a part missing ------------------------------------------------------------------------------------------

PLAIN_PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
UNNAMED = "ENV AZUREML_CONDA_ENVIRONMENT_PATH="
FAKE_PIP = "/usr/lib/python3/dist-packages/pip"
SITE = "/opt/miniconda/envs/amlenv/lib/python3.11/site-packages"


def installed(name: str, version: str, needs: str) -> str:
    """Lines of a Dockerfile that put a package into the environment, whatever it contradicts."""
    info = f"{SITE}/{name}-{version}.dist-info"
    text = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\nRequires-Dist: {needs}\\n"
    return f"RUN mkdir {info} && printf '{text}' >{info}/METADATA && echo test >{info}/INSTALLER\n"


ODD = {
    "unnamed": UNNAMED,
    "without-pip": f"{UNNAMED}\n{PLAIN_PATH}",
    "managed": f"{UNNAMED}\n{PLAIN_PATH}\nUSER 0\n"
    f"RUN mkdir -p {FAKE_PIP} && touch {FAKE_PIP}/__init__.py /usr/lib/python3.11/EXTERNALLY-MANAGED",
    "misnamed": "ENV AZUREML_CONDA_ENVIRONMENT_PATH=/nowhere",
    "root": "USER 0",
    "without-server": "USER 0\nRUN rm -r /var/runit/gunicorn /opt/miniconda/envs/amlenv/bin/azmlinfsrv\n"
    "USER dockeruser",
    "inconsistent": installed("broken", "1.0", "absent") + installed("reports", "1.0", "idna>=3.15"),
}
"""What is done to the stand-in base."""


@pytest.fixture(scope="module")
def odd(bases: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """References of bases that lack something."""
    folder = tmp_path_factory.mktemp("odd")
    host = bases["classic"].partition("/")[0]
    found = {}
    for name, lines in ODD.items():
        reference = found[name] = f"{host}/dagger-aml-test/{name}:1"
        (folder / name).write_text(f"FROM {bases['classic']}\n{lines}\n")
        flags = ("--isolation=chroot", "--layers", "--tls-verify=false", "--format=docker")
        call("buildah", "build", "--quiet", *flags, "--tag", reference, "--file", folder / name, folder)
        call("buildah", "push", "--tls-verify=false", reference)
    yield found
    for reference in found.values():
        call("buildah", "rmi", "--force", reference)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one small package."""
    small(tmp_path / "p")
    (tmp_path / "p/requirements.txt").write_text("idna==3.10\n")
    return tmp_path / "p"


async def graph_on(project: Path, base: str) -> Graph:
    return await lay_out(load_project(project, Options(base=base)))


async def test_a_base_that_names_no_environment_serves_with_its_first_python(
    one_of_two: Builder, odd: dict[str, str], project: Path, tmp_path: Path
) -> None:
    graph = await graph_on(project, odd["unnamed"])
    graph = graph.add(Run([PYTHON, "-c", "import idna; assert idna.__version__ == '3.10'"], name="import"))
    planned = await probe(graph, one_of_two)
    assert planned.facts.interpreter == "/opt/miniconda/envs/amlenv/bin/python3"
    assert any("is not set, so the environment of" in line for line in planned.facts.summary())
    await build(graph, one_of_two, tags=["odd:1"], output=tmp_path / "image.tar")
    site = "/opt/miniconda/envs/amlenv/lib/python3.11/site-packages/idna/__init__.py"
    assert read_image(tmp_path / "image.tar").files[site].uid == 1000


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("without-pip", "(/usr/bin/python3) has no pip"),
        ("managed", "(/usr/bin/python3) is managed by the operating system"),
        ("misnamed", "to /nowhere"),
    ],
)
async def test_a_python_that_cannot_be_installed_into_is_refused(
    one_of_two: Builder, odd: dict[str, str], project: Path, name: str, what: str
) -> None:
    with pytest.raises(BaseError) as caught:
        await probe(await graph_on(project, odd[name]), one_of_two)
    assert what in caught.value.message and caught.value.hint


async def test_a_base_that_was_inconsistent_builds_the_same_image_by_all(
    odd: dict[str, str], project: Path, tmp_path: Path, need: Need, request: pytest.FixtureRequest
) -> None:
    """What `pip check` found before is no fault of the build's; nothing of the check is in the image (law 1)."""
    need("dagger", "buildah")
    (project / "requirements.txt").write_text("six==1.17.0\n")
    made = {}
    graph = await graph_on(project, odd["inconsistent"])
    for name in ("dagger", "docker", "buildah"):
        if name == "docker" and (lacking("docker") or not depth_of(request.config).every_builder):
            continue
        async for builder in opened(name, need, []):
            await build(graph, builder, tags=["odd:1"], output=tmp_path / f"{name}.tar")
            made[name] = read_image(tmp_path / f"{name}.tar")
    first, *others = made
    for other in others:
        report = compare(made[first], made[other], builders=(first, other))
        assert report.equal, f"{first} | {other}\n{report}"
    assert made[first].files[f"{SITE}/six.py"].uid == 1000


@pytest.mark.parametrize("installer", ["pip", "uv"])
async def test_what_the_build_breaks_fails_it_with_the_remedy_and_that_helps(
    one_of_two: Builder,
    odd: dict[str, str],
    project: Path,
    tmp_path: Path,
    installer: str,
    request: pytest.FixtureRequest,
) -> None:
    if (installer == "pip") != (one_of_two.name == "dagger") and not depth_of(request.config).every_builder:
        pytest.skip("only with --depth nightly: the engine is tried with pip, buildah with uv")
    (project / "requirements.txt").write_text("itsdangerous==2.1.2\n")
    options = {"base": odd["inconsistent"], "installer": installer}
    with pytest.raises(BuildError) as caught:
        graph = await lay_out(load_project(project, Options(**options)))
        await build(graph, one_of_two, tags=["odd:1"], output=tmp_path / "image.tar")
    assert caught.value.location == f"{installer} requirements.txt (1 package)"
    end = str(caught.value).partition("Since these packages were installed, pip check finds:")[2]
    assert "flask 3.1.3 has requirement itsdangerous>=2.2" in end.lower() and "broken" not in end
    assert "Change your requirements so that pip installs itsdangerous>=2.2" in end
    assert "preinstalled" not in end and "--no-pip-check" in end, "the server needs it"
    assert "subprocess" not in str(caught.value), "the script is not shown"
    graph = await lay_out(load_project(project, Options(**options, no_pip_check=True)))
    await build(graph, one_of_two, tags=["odd:1"], output=tmp_path / "image.tar")


@pytest.mark.twin("buildah", of="dagger", why="from the same graph")
async def test_the_preinstalled_recipe_helps_where_it_is_named(
    one_of_two: Builder, odd: dict[str, str], project: Path, tmp_path: Path
) -> None:
    """The server needs `idna` too, and bears the old one; only `reports` of the base does not."""
    with pytest.raises(BuildError, match="Or use the preinstalled recipe"):
        await build(await graph_on(project, odd["inconsistent"]), one_of_two, tags=["odd:1"], output=tmp_path / "1")
    graph = await lay_out(load_project(project, Options(base=odd["inconsistent"], recipe="preinstalled")))
    await build(graph, one_of_two, tags=["odd:1"], output=tmp_path / "image.tar")


@pytest.mark.twin("buildah", of="dagger", why="from the same graph")
async def test_a_base_of_root_gives_an_image_of_root_and_says_so(
    one_of_two: Builder, odd: dict[str, str], project: Path, tmp_path: Path, events: list[Event]
) -> None:
    (project / "requirements.txt").unlink()
    await build(await graph_on(project, odd["root"]), one_of_two, tags=["odd:1"], output=tmp_path / "image.tar")
    assert "warning: the image runs as root, like its base image" in said(events)
    made = read_image(tmp_path / "image.tar")
    script = made.files["/var/azureml-app/score.py"]
    assert (script.uid, script.gid) == (0, 0) and made.config["user"] in ("0", "0:0")


@pytest.mark.twin("buildah", of="dagger", why="from the same graph")
async def test_a_base_without_the_server_is_built_and_said(
    one_of_two: Builder, odd: dict[str, str], project: Path, tmp_path: Path, events: list[Event]
) -> None:
    (project / "requirements.txt").unlink()
    graph = await graph_on(project, odd["without-server"])
    await build(graph, one_of_two, tags=["odd:1"], output=tmp_path / "image.tar")
    assert "warning: the base image has no azureml-inference-server-http, and no start script" in said(events)
    (project / "requirements.txt").write_text("idna==3.10\n")
    dynamic = await lay_out(load_project(project, Options(base=odd["without-server"], recipe="dynamic")))
    with pytest.raises(BaseError, match="no start script"):
        await probe(dynamic, one_of_two)
