"""Every kind of output by every builder: written, opened and checked, loaded, pushed; several platforms; --pull.

All on a tiny base of real amd64 and arm64 programs (tests/standin/tiny.py). Where the kernel emulates arm64 the arm64
half is built and its command run; elsewhere it is seen that this is said before anything is built.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.diff import read_image
from tests.standin.tiny import PLATFORMS, can_run, push_tiny
from tests.support.builders import Need, docker_keeps_manifests
from tests.support.cli import run_bytes
from tests.support.projects import small

pytestmark = [pytest.mark.builders]

BUILDERS = ("dagger", "docker", "podman", "buildah")

RECIPE = """
from dagger_aml import Graph, Project
from dagger_aml.steps import base, code, run

async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    graph = await run(graph, ["/bin/sh", "-c", "uname -m >/arch; cat /mark >>/arch"], name="arch")
    return await code(graph, project.code)
"""
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution"


@pytest.fixture(params=BUILDERS)
def builder(request: pytest.FixtureRequest, need: Need) -> str:
    """Each of the builders, where it is."""
    name: str = request.param
    need(name)
    return name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one file, with its recipe."""
    folder = small(tmp_path / "project")
    (tmp_path / "mine.py").write_text(RECIPE)
    return folder


def cli(
    project: Path, host: str, builder: str, *words: str | Path, tag: str = "1"
) -> subprocess.CompletedProcess[bytes]:
    """Build by the command line; standard output as bytes."""
    base = f"{host}/dagger-aml-test/tiny:{tag}"
    recipe = project.parent / "mine.py"
    own = ("build", project, "--recipe", recipe, "--base", base, "--with", builder)
    return run_bytes(*own, *words)


def call(*words: str | Path) -> str:
    """What a program prints; it must go well."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


class Parts:
    """What a tar or a layout folder holds; every blob must have the bytes that its name says."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            found = {
                each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()
            }
        else:
            with tarfile.open(path) as tar:
                found = {each.name: tar.extractfile(each).read() for each in tar if each.isfile()}  # type: ignore[union-attr]
        self.found = found
        for name, data in found.items():
            if name.startswith("blobs/sha256/"):
                assert hashlib.sha256(data).hexdigest() == Path(name).name

    def json(self, name: str) -> Any:
        """A part that is JSON."""
        return json.loads(self.found[name])

    def blob(self, descriptor: dict[str, Any]) -> Any:
        """What a descriptor leads to; its size must be right."""
        data = self.found[f"blobs/sha256/{descriptor['digest'][7:]}"]
        assert len(data) == descriptor["size"]
        return json.loads(data)

    def image(self, manifest: dict[str, Any]) -> Any:
        """The config of a manifest, all of whose layers must be there."""
        for layer in manifest["layers"]:
            assert len(self.found[f"blobs/sha256/{layer['digest'][7:]}"]) == layer["size"]
        return self.blob(manifest["config"])


@pytest.fixture
def names(builder: str, need: Need) -> Iterator[tuple[str, str]]:
    """Two names, out of every store again at the end."""
    need("docker", "podman")
    found = (f"dagger-aml-test/{builder}:1", f"dagger-aml-test/{builder}-too:2")
    yield found
    for store in ("docker", "podman"):
        for name in found:
            subprocess.run([store, "rmi", "--force", f"docker.io/{name}"], capture_output=True, check=False)


@pytest.mark.parametrize("program", ["docker", "podman", "buildah"])
@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "tag"])
def test_a_store_that_has_the_base_for_another_platform(
    program: str, pinned: bool, host: str, need: Need, project: Path, tmp_path: Path
) -> None:
    """The label tells the index's digest all the same, as by any other builder."""
    need(program)
    mark = uuid.uuid4().hex[:12]
    reference = push_tiny(host, mark, mark)
    words = ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{reference}"]
    index = f"sha256:{hashlib.sha256(subprocess.run(words, capture_output=True, check=True).stdout).hexdigest()}"
    base = f"{reference.rpartition(':')[0]}@{index}" if pinned else reference
    flags = [] if program == "docker" else ["--tls-verify=false"]
    pull = [program, "pull", "--platform", "linux/arm64", *flags, base]
    subprocess.run(pull, capture_output=True, check=True)
    tar = tmp_path / "made.tar"
    done = cli(project, host, program, "--base", base, "--platform", "linux/amd64", "-o", tar)
    assert done.returncode == 0, done.stderr.decode()
    made = read_image(tar)
    assert made.config["platform"] == "linux/amd64"
    assert made.config["label org.opencontainers.image.base.digest"] == index


def test_each_type(builder: str, host: str, project: Path, tmp_path: Path, names: tuple[str, str]) -> None:
    """Four outputs of one build: what is in them, the digests told, and who takes them."""
    both, docker, oci, layout = (tmp_path / name for name in ("both.tar", "docker.tar", "oci,2.tar", "layout"))
    said, iid = tmp_path / "said.json", tmp_path / "iid"
    done = cli(
        project, host, builder, "-t", names[0], "-t", names[1], "-o", both, "-o", f"type=docker,dest={docker}",
        "-o", f'type=oci,"dest={oci}"', "-o", f"type=oci,dest={layout},tar=false",
        "--metadata-file", said, "--iidfile", iid,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert {each.name for each in tmp_path.iterdir()} == {
        *("project", "mine.py", "both.tar", "docker.tar", "oci,2.tar", "layout", "said.json", "iid")
    }
    meta = json.loads(said.read_text())
    told = {Path(each["dest"]).name: each.get("digest") for each in meta["dagger-aml.outputs"]}
    full = [f"docker.io/{name}" for name in names]

    for path in (oci, layout):
        parts = Parts(path)
        assert "manifest.json" not in parts.found
        assert parts.json("oci-layout") == {"imageLayoutVersion": "1.0.0"}
        index = parts.json("index.json")
        said_of = [each["annotations"] for each in index["manifests"]]
        assert [each["org.opencontainers.image.ref.name"] for each in said_of] == ["1", "2"]
        assert [each["io.containerd.image.name"] for each in said_of] == full
        assert {each["digest"] for each in index["manifests"]} == {told[path.name]}
        manifest = parts.blob(index["manifests"][0])
        assert manifest["mediaType"] == f"{OCI}.manifest.v1+json"
        assert manifest["config"]["mediaType"] == f"{OCI}.config.v1+json"
        assert all(each["mediaType"].startswith(f"{OCI}.layer.v1.tar") for each in manifest["layers"])
        assert manifest["config"]["digest"] == meta["containerimage.config.digest"]
        assert (builder == "docker" and docker_keeps_manifests()) or manifest["config"]["digest"] == iid.read_text()
        assert parts.image(manifest)["architecture"] == "amd64"
        assert parts.image(manifest)["config"]["Env"][-1] == "AZUREML_ENTRY_SCRIPT=score.py"

    for path in (both, docker):
        parts = Parts(path)
        (image,) = parts.json("manifest.json")
        assert image["RepoTags"] == full
        assert f"sha256:{Path(image['Config']).stem}" == meta["containerimage.config.digest"]
        if builder == "dagger":
            manifest = parts.blob(parts.json("index.json")["manifests"][0])
            kind = f"{DOCKER}.manifest.v2+json" if path == docker else f"{OCI}.manifest.v1+json"
            assert manifest["mediaType"] == kind
            assert told[path.name] == parts.json("index.json")["manifests"][0]["digest"]

    (tmp_path / "plain.tar").symlink_to(oci)
    call("skopeo", "copy", "-q", f"oci-archive:{tmp_path}/plain.tar:1", f"dir:{tmp_path}/a")
    call("skopeo", "copy", "-q", f"oci:{layout}:2", f"docker-archive:{tmp_path}/b.tar")
    for store in ("docker", "podman"):
        for path in (both, docker):
            call(store, "load", "-q", "-i", path)
            for name in full:
                found = call(store, "image", "inspect", "--format", "{{.Id}}", name).strip()
                if store != "docker" or not docker_keeps_manifests():
                    assert found.removeprefix("sha256:") == meta["containerimage.config.digest"][7:], path
                call(store, "rmi", name)


def test_standard_output(builder: str, host: str, project: Path, tmp_path: Path, names: tuple[str, str]) -> None:
    """The tar, and nothing else, goes to standard output; a build that fails writes none of it."""
    done = cli(project, host, builder, "-t", names[0], "-o", "-")
    assert done.returncode == 0 and b"tag dagger-aml-test" in done.stderr and b"wrote /dev/stdout" in done.stderr
    loaded = subprocess.run(["docker", "load"], input=done.stdout, capture_output=True, check=True)
    assert names[0] in loaded.stdout.decode()
    quiet = cli(project, host, builder, "-q", "-t", names[1], "-o", "type=oci,dest=-")
    (tmp_path / "x.tar").write_bytes(quiet.stdout)
    (described,) = Parts(tmp_path / "x.tar").json("index.json")["manifests"]
    assert quiet.stderr.decode().splitlines()[-1] == described["digest"]
    call("podman", "load", "-q", "-i", tmp_path / "x.tar")
    call("podman", "image", "inspect", f"docker.io/{names[1]}")
    (project.parent / "mine.py").write_text(RECIPE.replace("uname -m", "exit 3; uname -m"))
    failed = cli(project, host, builder, "-t", names[0], "-o", "-")
    assert (failed.returncode, failed.stdout) == (1, b"")


@pytest.mark.twin("buildah", of="podman", why="by the same code on the same store")
def test_pull(builder: str, host: str, project: Path, tmp_path: Path) -> None:
    """A tag that moved is seen; a registry that is gone fails the build, though the store has the base."""
    tag = f"{builder}-moved"

    def base() -> str:
        done = cli(project, host, builder, "--pull", "-o", tmp_path / "x.tar", tag=tag)
        assert done.returncode == 0, done.stderr.decode()
        return next(line for line in done.stdout.decode().splitlines() if line.startswith("base "))

    push_tiny(host, tag, "one")
    first = base()
    push_tiny(host, tag, "two")
    assert base() != first
    done = cli(project, "localhost:9", builder, "--pull", tag=tag)
    assert done.returncode == 75, done.stderr.decode()
    if builder == "dagger":
        return
    here, gone = f"{host}/dagger-aml-test/tiny:{tag}", f"localhost:9/dagger-aml-test/tiny:{tag}"
    store = "docker" if builder == "docker" else "podman"
    call(store, "tag", here, gone)
    try:
        assert cli(project, "localhost:9", builder, tag=tag).returncode == 0
        done = cli(project, "localhost:9", builder, "--pull", tag=tag)
        assert done.returncode == 75 and b"refused" in done.stderr, done.stderr.decode()
    finally:
        call(store, "rmi", gone)


def test_several_platforms(builder: str, host: str, project: Path, tmp_path: Path) -> None:
    """One index in a layout and, but for docker, on a registry: each platform's config and the files that it ran."""
    both = ",".join(PLATFORMS)
    tar, said, iid = tmp_path / "x.tar", tmp_path / "said.json", tmp_path / "iid"
    name = f"{host}/dagger-aml-test/index:{builder}"
    push = () if builder == "docker" else ("-t", name, "--push")
    words = ("--platform", both, "-o", f"type=oci,dest={tar}", "--metadata-file", said, "--iidfile", iid)
    done = cli(project, host, builder, *words, *push)
    if not can_run("arm64"):
        assert done.returncode == 2 and not tar.exists()
        assert b"cannot run linux/arm64" in done.stderr and b"[1/2]" not in done.stderr
        pytest.skip("arm64 is not emulated here: only that this is said was seen")
    assert done.returncode == 0, done.stderr.decode()
    meta = json.loads(said.read_text())
    assert iid.read_text() == meta["containerimage.digest"] and "containerimage.config.digest" not in meta
    parts = Parts(tar)
    (top,) = parts.json("index.json")["manifests"]
    assert top["digest"] == meta["dagger-aml.outputs"][0]["digest"]
    index = parts.blob(top)
    found = {f"{each['platform']['os']}/{each['platform']['architecture']}": each for each in index["manifests"]}
    assert tuple(found) == PLATFORMS
    for platform, descriptor in found.items():
        manifest = parts.blob(descriptor)
        assert f"linux/{parts.image(manifest)['architecture']}" == platform
        call(
            "skopeo",
            "--override-arch",
            platform[6:],
            "copy",
            "-q",
            f"oci-archive:{tar}",
            f"dir:{tmp_path}/{platform[6:]}",
        )
        assert _ran(tmp_path / platform[6:]) == MACHINES[platform]
    if not push:
        refused = cli(project, host, builder, "--platform", both, "-t", name, "--push")
        assert refused.returncode == 2 and b"docker cannot push" in refused.stderr
        return
    index = _asked(name)
    assert index["mediaType"] == (
        f"{OCI}.index.v1+json" if builder == "dagger" else f"{DOCKER}.manifest.list.v2+json"
    )
    assert [f"linux/{each['platform']['architecture']}" for each in index["manifests"]] == list(PLATFORMS)
    for platform in PLATFORMS:
        pulled = tmp_path / f"pulled-{platform[6:]}"
        call(
            "skopeo", "--override-arch", platform[6:], "copy", "-q", "--src-tls-verify=false", f"docker://{name}",
            f"dir:{pulled}",
        )  # fmt: skip
        assert _ran(pulled) == MACHINES[platform]
    assert (
        call("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{name}").strip()
        == (meta["containerimage.digest"])
    )


def test_another_platform_alone(builder: str, host: str, project: Path, tmp_path: Path) -> None:
    """Only arm64, whose base the store may have for amd64 under the same digest."""
    if not can_run("arm64"):
        pytest.skip("arm64 is not emulated here")
    for platform in ("linux/amd64", "linux/arm64", "linux/amd64"):
        done = cli(project, host, builder, "--platform", platform, "-o", f"type=oci,dest={tmp_path}/x.tar")
        assert done.returncode == 0, done.stderr.decode()
        parts = Parts(tmp_path / "x.tar")
        manifest = parts.blob(parts.json("index.json")["manifests"][0])
        assert f"linux/{parts.image(manifest)['architecture']}" == platform


def _asked(name: str) -> Any:
    """The index that a registry has."""
    host, _, rest = name.partition("/")
    repository, _, tag = rest.rpartition(":")
    kinds = f"{OCI}.index.v1+json, {DOCKER}.manifest.list.v2+json"
    request = urllib.request.Request(f"http://{host}/v2/{repository}/manifests/{tag}", headers={"Accept": kinds})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def _ran(folder: Path) -> str:
    """What `uname -m` said in an image that skopeo wrote to a folder."""
    for layer in json.loads((folder / "manifest.json").read_text())["layers"]:
        with tarfile.open(folder / layer["digest"][7:]) as tar:
            if "arch" in tar.getnames():
                file = tar.extractfile("arch")
                assert file
                return file.read().decode().strip()
    raise AssertionError("no layer has /arch")
