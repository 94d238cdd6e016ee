"""What docker, podman and buildah print, and the tars that docker writes: read without any of them."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from dagger_aml.backends.dockerfile.render import render, rendered
from dagger_aml.backends.local.docker import docker_form
from dagger_aml.backends.local.output import OutputReader
from dagger_aml.backends.local.program import full_reference, is_plain_http, refused
from dagger_aml.base.facts import BaseFacts
from dagger_aml.errors import BuildError, RegistryDenied, TransientError
from dagger_aml.events import Event, Message, OpDone, OpStarted
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Built, Copy, Graph, Run
from dagger_aml.graph.source import Text
from dagger_aml.oci.docker_archive import name_in_tar, read_tar
from dagger_aml.oci.messages import Peer
from dagger_aml.plan.make import plan
from dagger_aml.plan.model import Plan
from dagger_aml.process import CompletedProcess
from tests.support.cases import for_each

BASE = From("example.org/base:1")
INNER = Graph(BASE).add(Run(["/bin/inner", "x" * 40_000], env={"A": "b c"}, name="inner"))
GRAPH = Graph(BASE).add(
    Run(["/bin/one"], user="1000:1000", workdir="/work", touches=[], name="one"),
    Run(["/bin/two"], touches=[], name="two"),
    Copy(Built(INNER, "/made"), "/outer", name="outer"),
    Copy(Text(b"text"), "/srv/file", "file", changes="often", name="file"),
)


@pytest.fixture
def planned() -> Plan:
    """Two commands, a stage, a file."""
    return plan(GRAPH, {BASE: BaseFacts("probed")})


def follow(planned: Plan, lines: list[str]) -> tuple[OutputReader, list[Event]]:
    """Feed a builder's output."""
    events: list[Event] = []
    progress = OutputReader.of(rendered(planned)[1], planned, events.append)
    for line in lines:
        progress.line(line)
    return progress, events


def steps_of(events: list[Event]) -> list[str]:
    """The steps that were begun and ended, in order."""
    told = [("+" if isinstance(each, OpStarted) else "-", each) for each in events]
    return [sign + each.name for sign, each in told if isinstance(each, OpStarted | OpDone)]


def instructions(planned: Plan) -> list[str]:
    """The Dockerfile's instructions, each on a line."""
    lines = [line for line in render(planned).text.split("\n") if line and not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", "").split("\n")


def numbered(planned: Plan, form: str) -> list[str]:
    """Every instruction as a builder announces it."""
    lines = instructions(planned)
    if form == "classic":
        return [f"Step {index}/{len(lines)} : {line}" for index, line in enumerate(lines, 1)]
    said, stage, number = [], 0, 0
    for line in lines:
        stage, number = (stage + 1, 1) if line.startswith("FROM") else (stage, number + 1)
        said.append(f"[{stage}/2] STEP {number}/9: {line}")
    return said


@pytest.mark.parametrize("form", ["classic", "buildah"])
def test_the_steps_are_told(planned: Plan, form: str) -> None:
    progress, events = follow(planned, numbered(planned, form))
    progress.finish()
    names = [op.name for op in planned.ops]
    assert steps_of(events) == [sign + name for name in names for sign in "+-"]


@pytest.mark.parametrize("form", ["classic", "buildah"])
@pytest.mark.parametrize(("command", "op"), [("/bin/two", "two"), ("/bin/inner", "inner")])
def test_the_failing_step_is_told(planned: Plan, form: str, command: str, op: str) -> None:
    lines = numbered(planned, form)
    end = next(index for index, line in enumerate(lines) if f'"{command}"' in line)
    last = {
        "classic": "The command '/bin/sh' returned a non-zero code: 42",
        "buildah": 'Error: building at STEP "RUN x": while running runtime: exit status 42',
    }
    script = last[form].replace(" returned", "\nsecond line returned").replace('x":', 'x\nsecond line":')
    for ended in ([last[form]], script.splitlines()):
        progress, _ = follow(planned, [*lines[: end + 1], "went wrong", *ended])
        error = progress.error(1, form)
        assert (error.location, error.command[0], error.output) == (op, command, "went wrong")
        assert "exit code 42" in error.message


NAMES = (
    "ends in a backslash \\",
    "blank\n\n\nlines",
    "#: a = comment",
    "# FROM",
    "FROM scratch AS stage-1",
    "image config",
    '["/bin/sh"]',
    "[1/2] STEP 1/2: RUN",
    "  blanks  ",
    "\u202edetnirp ton\x1b",
    "one",
)
"""Names of steps that would be read wrongly by who reads a Dockerfile's comments."""


@for_each("form", ["classic", "buildah"])
@for_each("name", NAMES)
def test_a_step_may_have_any_name(form: str, name: str) -> None:
    inner = Graph(BASE).add(
        Run(["/bin/inner"], workdir="/work", name=name), Run(["/usr/bin/env", "A=b", "/bin/last"], name=name)
    )
    graph = Graph(BASE).add(
        Run(["/bin/one"], "1:1", name=name),
        Copy(Built(inner, "/made"), "/outer", uid=1, gid=1, name=name),
        Run(["/usr/bin/env", "A=b", "/bin/two"], "2:2", {"C": "[d"}, name=name),
    )
    planned = plan(graph, {BASE: BaseFacts("probed")})
    lines = numbered(planned, form)
    progress, events = follow(planned, lines)
    progress.finish()
    assert steps_of(events) == [sign + name for _ in range(3) for sign in "+-"]
    assert [each.text for each in events if isinstance(each, Message)] == [name]
    for command in (
        ["/bin/inner"],
        ["/usr/bin/env", "A=b", "/bin/last"],
        ["/bin/one"],
        ["/usr/bin/env", "A=b", "/bin/two"],
    ):
        end = next(index for index, line in enumerate(lines) if line.endswith(f"{json.dumps(command)[1:]}"))
        error = follow(planned, lines[: end + 1])[0].error(1, form)
        assert (error.location, error.command) == (name, tuple(command))


def test_the_title_of_the_file_does_not_count(planned: Plan) -> None:
    dockerfile, script = rendered(planned, title="a\n\nFROM b\n\n# c \\")
    assert "FROM b" in dockerfile.text and script == rendered(planned)[1]


@pytest.mark.parametrize("label", ["[stage-1 {0}]", "[linux/amd64 stage-1  {0}]"])
def test_buildkit_calls_two_stages_alike(planned: Plan, label: str) -> None:
    run = next(line for line in instructions(planned) if "/bin/two" in line)
    inner = next(line for line in instructions(planned) if "/bin/inner" in line)
    lines = [
        "#1 [internal] load metadata for example.org/base:1",
        f"#5 {label.format('2/2')} {inner}",
        "#5 0.101 beneath",
        f"#7 {label.format('4/6')} {run}",
        "#7 0.200 went wrong",
        "#5 0.300 also said",
        "#7 ERROR: process did not complete successfully: exit code: 42",
    ]
    error = follow(planned, lines)[0].error(1, "docker")
    assert (error.location, error.command, error.output) == ("two", ("/bin/two",), "went wrong")
    error = follow(planned, [*lines[:3], "#5 ERROR: executor failed running: exit code: 3"])[0].error(1, "docker")
    assert (error.location, error.output) == ("inner", "beneath")
    assert "exit code 3" in error.message


def test_what_buildkit_had_from_before_may_be_told_in_any_order(planned: Plan) -> None:
    """As BuildKit 0.32 does in a build of which every step was cached: the last one comes first."""
    stages = rendered(planned)[1].stages
    vertices = [each for each in stages[-1] if each.makes_vertex]
    lines: list[str] = []
    for number in range(len(vertices), 0, -1):
        lines += [
            f"#{number + 4} [stage-1 {number}/{len(vertices)}] {vertices[number - 1].line}",
            f"#{number + 4} CACHED",
        ]
    progress, events = follow(planned, lines)
    progress.finish()
    names = [op.name for op in planned.ops]
    assert cached_steps(events) == dict.fromkeys(names, True)
    assert steps_of(events) == [sign + name for name in reversed(names) for sign in "+-"]


def cached_steps(events: list[Event]) -> dict[str, bool | None]:
    """Which steps were cached."""
    return {each.name: each.cached for each in events if isinstance(each, OpDone)}


@pytest.mark.parametrize(
    ("form", "mark"), [("classic", " ---> Using cache"), ("buildah", "--> Using cache 3e799c25")]
)
def test_steps_that_were_in_the_cache_are_told(planned: Plan, form: str, mark: str) -> None:
    every = [op.name for op in planned.ops]
    both = [line for header in numbered(planned, form) for line in (header, mark, f"{mark[:4]}3e799c25")]
    progress, events = follow(planned, both)
    progress.finish()
    assert cached_steps(events) == dict.fromkeys(every, True)
    progress, events = follow(planned, numbered(planned, form))
    progress.finish()
    assert cached_steps(events) == dict.fromkeys(every, False)


def test_a_step_of_which_one_instruction_ran_is_not_cached(planned: Plan) -> None:
    lines: list[str] = []
    for header in numbered(planned, "buildah"):
        lines += [header] if '"/bin/one"' in header else [header, "--> Using cache 3e799c25"]
    progress, events = follow(planned, lines)
    progress.finish()
    assert len([line for line in lines if "/work" in line or "1000:1000" in line]) >= 1, "it has other instructions"
    assert {name for name, cached in cached_steps(events).items() if not cached} == {"one"}


def test_a_command_cannot_say_that_it_was_cached(planned: Plan) -> None:
    lines: list[str] = []
    for header in numbered(planned, "buildah"):
        lines += [header, "hello", "--> Using cache 3e799c25"]
    progress, events = follow(planned, lines)
    progress.finish()
    assert set(cached_steps(events).values()) == {False}


def test_buildkit_tells_what_was_cached_and_how_long_the_rest_took(planned: Plan) -> None:
    one = next(line for line in instructions(planned) if "/bin/one" in line)
    two = next(line for line in instructions(planned) if "/bin/two" in line)
    file = next(line for line in instructions(planned) if line.startswith("COPY") and "/srv/" in line)
    lines = [f"#6 [stage-1 2/6] {one}", "#6 CACHED", "", f"#7 [stage-1 4/6] {two}", "#7 0.2 hello", "#7 DONE 3.5s"]
    progress, events = follow(planned, [*lines, "", f"#8 [stage-1 6/6] {file}"])
    progress.finish()
    told = {each.name: each for each in events if isinstance(each, OpDone)}
    assert (told["one"].cached, told["two"].cached, told["two"].seconds) == (True, False, 3.5)
    assert told["file"].cached is None, "it has not said"


def test_what_the_image_says_belongs_to_no_step(planned: Plan) -> None:
    lines = numbered(planned, "classic")
    config = next(number for number, line in enumerate(lines) if "LABEL" in line)
    _, events = follow(planned, lines[: config + 1])
    assert steps_of(events)[-1] == f"-{planned.ops[-1].name}"


def test_a_build_that_does_not_begin_has_no_step(planned: Plan) -> None:
    progress, events = follow(planned, ["Error: something else", "crun: cannot do this"])
    error = progress.error(125, "podman", takes_isolation=True)
    assert error.location is None
    assert "something else" in error.output
    assert "BUILDAH_ISOLATION" in str(error)
    assert "BUILDAH_ISOLATION" not in str(progress.error(125, "docker")), "docker does not read it"
    assert steps_of(events) == []


VERSION = {"Client": {"Version": "28.2.2"}, "Server": {"Version": "28.2.2", "ApiVersion": "1.50", "Components": []}}


@for_each(
    ("client", "server", "buildx", "form"),
    [
        ("28.2.2", {}, True, "buildkit"),
        ("28.2.2", {}, False, "classic"),
        ("20.10.24+dfsg1", {"ApiVersion": "1.41"}, False, "buildkit"),
        ("18.09.1", {"ApiVersion": "1.39"}, False, "buildkit"),
        ("18.06.3-ce", {"ApiVersion": "1.38"}, False, "classic"),
        ("28.2.2", {"ApiVersion": "1.38"}, True, "classic"),
        ("28.2.2", {"Components": [{"Name": "Podman Engine"}]}, True, "classic"),
    ],
)
def test_docker_s_builder(client: str, server: dict[str, object], buildx: bool, form: str) -> None:
    version = {"Client": {"Version": client}, "Server": {**VERSION["Server"], **server}}  # type: ignore[dict-item]
    assert docker_form(version, buildx)[0] == form


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    """A tar of these files, in this order."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_a_tar_of_docker_25_gets_its_name_twice(tmp_path: Path) -> None:
    layer, config = b"layer" * 1000, json.dumps({"rootfs": {"diff_ids": ["sha256:1"]}}).encode()
    blobs = {"blobs/sha256/aa": layer, "blobs/sha256/cc": config}
    manifest = {"config": {"digest": "sha256:cc"}, "layers": [{"digest": "sha256:aa", "size": len(layer)}]}
    described = [{"Config": "blobs/sha256/cc", "RepoTags": None, "Layers": ["blobs/sha256/aa"]}]
    path = tmp_path / "image.tar"
    write_tar(
        path,
        {
            **blobs,
            f"blobs/sha256/{'0' * 64}": json.dumps(manifest).encode(),
            "index.json": json.dumps({"manifests": [{"digest": f"sha256:{'0' * 64}"}]}).encode(),
            "manifest.json": json.dumps(described).encode(),
            "oci-layout": b"{}",
        },
    )
    name_in_tar(path, ["name:1"])
    with tarfile.open(path) as tar:
        read = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    assert list(read)[-3:] == ["index.json", "manifest.json", "oci-layout"]
    assert read["blobs/sha256/aa"] == layer
    assert json.loads(read["manifest.json"])[0]["RepoTags"] == ["docker.io/library/name:1"]
    annotations = json.loads(read["index.json"])["manifests"][0]["annotations"]
    assert annotations["io.containerd.image.name"] == "docker.io/library/name:1"
    assert read_tar(path)[1] == "sha256:cc"


@for_each(
    ("said", "error"),
    [
        ('Error response from daemon: Head "http://h/v2/x/manifests/1": no basic auth credentials', RegistryDenied),
        ("denied: requested access to the resource is denied", RegistryDenied),
        ("Error response from daemon: received unexpected HTTP status: 503 Service Unavailable", TransientError),
        ("dial tcp: lookup nothing.invalid on 10.0.0.1:53: no such host", TransientError),
        ("toomanyrequests: You have reached your pull rate limit", TransientError),
        ("Error: reading manifest 1 in h/x: manifest unknown: manifest unknown", BuildError),
        ("Error: something that nobody knows", BuildError),
    ],
)
def test_refusals(said: str, error: type[Exception]) -> None:
    assert type(refused(CompletedProcess(1, "", said), Peer("base", "h.example/x:1"), ["podman", "pull"])) is error


def test_references_for_podman() -> None:
    digest = "sha256:" + "0" * 64
    assert full_reference("ubuntu") == "docker.io/library/ubuntu:latest"
    assert full_reference("team/app:2") == "docker.io/team/app:2"
    assert full_reference(f"localhost:5000/app@{digest}") == f"localhost:5000/app@{digest}"
    assert [is_plain_http(each) for each in ("localhost:1/a", "127.1.2.3:1/a", "a.io/b", "localhost.io/b")] == [
        True,
        True,
        False,
        False,
    ]


def test_what_fails_outside_of_a_step_says_why(planned: Plan) -> None:
    progress, _ = follow(planned, ["#6 exporting to image", "#6 ERROR: no such blob", "ERROR: failed to build"])
    error = progress.error(1, "docker")
    assert error.message == "docker could not build the image" and "no such blob" in error.output


def test_a_name_that_buildkit_cannot_take_is_told(planned: Plan) -> None:
    said = "#4 ERROR: rpc error: code = Internal desc = grpc: … string field contains invalid UTF-8"
    error = follow(planned, ["#4 [internal] load build context", said])[0].error(1, "docker")
    assert "name is not UTF-8" in (error.hint or "") and 'open_builder(layers="direct")' in (error.hint or "")
