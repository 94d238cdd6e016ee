"""`dagger-aml diff` with real builders, stores and a registry."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.plan.label import PLAN_LABEL
from tests.standin.tiny import push_tiny
from tests.support.builders import Need
from tests.support.cli import run as cli
from tests.support.projects import SCORE, make

pytestmark = [pytest.mark.builders, pytest.mark.engine, pytest.mark.usefixtures("engine")]

RECIPE = """
from dagger_aml import Graph, Project
from dagger_aml.steps import base, code, model, run

async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    if project.apt:
        words = ["/bin/sh", "-c", "cat /proc/sys/kernel/random/uuid >/random", *project.apt]
        graph = await run(graph, words, name="random")
    for each in project.models:
        graph = await model(graph, each)
    return await code(graph, project.code)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with its recipe beside it."""
    folder = tmp_path / "p"
    (tmp_path / "mine.py").write_text(RECIPE)
    return make(folder, {"code/score.py": SCORE, "model/m": "m"})


def fresh_base(host: str) -> str:
    """A base that no builder has seen, and of which so no store has another platform."""
    tag = f"diff-{uuid.uuid4().hex[:12]}"
    return push_tiny(host, tag, tag)


def diff(*words: str | Path) -> tuple[int, dict[str, Any]]:
    """Exit code and report."""
    done = cli("diff", *words, "--json")
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_two_builders_two_stores_a_registry_and_a_tar(host: str, project: Path, tmp_path: Path, need: Need) -> None:
    """One image in many places is equal to itself, and a change of it is laid to its step."""
    need("docker", "buildah")
    own = ("--recipe", tmp_path / "mine.py", "--base", fresh_base(host))
    code, report = diff(project, project, *own, "--with", "dagger,buildah")
    assert code == 0, report["differences"]
    assert [each["subjects"] for each in report["noise"]] == [["config label io.buildah.version"]]

    name, tar = f"{host}/dagger-aml-test/diff:{uuid.uuid4().hex[:12]}", tmp_path / "x.tar"
    try:
        done = cli("build", project, *own, "-t", name, "--push", "-o", tar, "--no-smoke")
        assert done.returncode == 0, done.stderr
        assert cli("build", project, *own, "-t", name, "--load", "--with", "docker").returncode == 0
        assert diff(name, tar)[0] == 0
        assert diff(name, tar, "--with", "docker")[1]["a"] == {"what": name, "builder": "docker", "store": None}
        (project / "model/m").write_text("n")
        (project / "code/score.py").chmod(0o755)
        code, report = diff(project, name, *own)
        assert code == 1
        files = {each["subject"]: each for each in report["differences"] if each["subject"].startswith("/")}
        assert {path: (set(each["fields"]), each["cause"].partition(" ")[2][:6]) for path, each in files.items()} == {
            "/var/azureml-app/azureml-models/p/1/m": ({"sha256"}, "'model"),
            "/var/azureml-app/score.py": ({"mode"}, "'code "),
        }
        missing = cli("diff", f"{name}-none", tar, "--with", "docker")
        assert missing.returncode == 2 and "docker's store has no image" in missing.stderr
    finally:
        subprocess.run(["docker", "rmi", name], capture_output=True, check=False)


@pytest.mark.parametrize("builder", ["dagger", "docker", "buildah"])
def test_what_a_command_made_is_laid_to_it(
    builder: str, host: str, project: Path, tmp_path: Path, need: Need
) -> None:
    need(builder)
    own = ("--recipe", tmp_path / "mine.py", "--base", fresh_base(host), "--with", builder)
    images = []
    for word in ("curl", "wget"):
        images.append(tmp_path / f"{word}.tar")
        done = cli("build", project, *own, "-o", images[-1], "--apt", word)
        assert done.returncode == 0, done.stderr
    code, report = diff(*images)
    assert code == 1
    found = {each["subject"]: each["cause"] for each in report["differences"]}
    assert found == {"/random": "step 'random'", f"config label {PLAN_LABEL}": "the steps differ"}


def test_inspect_tells_the_same_wherever_an_image_lies(host: str, project: Path, tmp_path: Path, need: Need) -> None:
    """By an engine with a command, so that the history has to tell what made which layer."""
    need("docker", "podman")
    name, tar = f"{host}/dagger-aml-test/inspect:{uuid.uuid4().hex[:12]}", tmp_path / "x.tar"
    (project / "apt.txt").write_text("curl\n")
    own = ("--recipe", tmp_path / "mine.py", "--base", fresh_base(host))
    done = cli("build", project, *own, "-t", name, "--push", "-o", tar, "--no-smoke")
    assert done.returncode == 0, done.stderr

    def inspected(*words: str | Path) -> dict[str, Any]:
        said = cli("inspect", *words, "--json")
        assert said.returncode == 0, said.stderr
        found: dict[str, Any] = json.loads(said.stdout)
        return found

    there, here = inspected(f"image:{name}"), inspected(tar)
    assert (there["recipe"], there["place"], here["place"]) == ("mine.py", "registry", "file")
    assert there["base"]["digest"] and [each["kind"] for each in there["layers"]][-3:] == ["run", "copy", "copy"]
    assert [each["op"] for each in there["layers"]][-3:] == ["random", "model p 1 B", "code (1 file)"]
    for program, *plain_http in (["docker"], ["podman", "--tls-verify=false"]):
        subprocess.run([program, "pull", "--quiet", *plain_http, name], check=True, capture_output=True)
        try:
            stored = inspected(name, "--with", program)
            assert stored["place"] == program
            differs = {key for key in there if stored[key] != there[key]}
            assert differs <= {"image", "place", "digest", "image_id", "size", "layers"}, differs
            ops = [(each["kind"], each["op"], each["files"]) for each in there["layers"]]
            assert [(each["kind"], each["op"], each["files"]) for each in stored["layers"]] == ops
        finally:
            subprocess.run([program, "rmi", "--force", name], check=False, capture_output=True)
    assert here["models"] == there["models"] and len(there["models"][0]["files"][0]["sha256"]) == 64
