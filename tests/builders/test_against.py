"""What `plan --against IMAGE` foretells comes true: built, changed, foretold, built again, on the engine and others.

Each command of the recipe writes a number that the kernel makes up: a layer of the same digest did not run again.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.diff import ImageContents, read_image
from dagger_aml.plan.label import PLAN_LABEL
from tests.standin.tiny import push_tiny
from tests.support.builders import Need, docker_keeps_manifests
from tests.support.cli import printed
from tests.support.projects import SCORE, make

pytestmark = [pytest.mark.builders]

RECIPE = """
from dagger_aml import Graph, Project
from dagger_aml.fs.tree import local
from dagger_aml.graph.graph import Copy
from dagger_aml.steps import base, code, env, model, run

RANDOM = "cat /proc/sys/kernel/random/uuid >"

async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    graph = await run(graph, ["/bin/sh", "-c", RANDOM + "/apt", "apt", *project.apt], name="apt")
    listed = local(project.root / "requirements.txt")
    graph = graph.add(Copy(listed, "/usr/share/r.txt", "file", changes="often", name="copy requirements.txt"))
    graph = await run(graph, ["/bin/sh", "-c", RANDOM + "/pip"], touches=["/pip", "/usr/share"], name="pip")
    for each in project.models:
        graph = await model(graph, each)
    graph = await code(graph, project.code)
    return await env(graph, project.env)
"""
WITNESSES = {
    "apt": "/apt",
    "copy requirements.txt": "/usr/share/r.txt",
    "pip": "/pip",
    "model p": "/var/azureml-app/azureml-models/p/1/weights",
    "code (1 file)": "/var/azureml-app/score.py",
}
"""A path that each step writes."""

CHANGES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "nothing": ({}, ()),
    "code": ({"code/score.py": SCORE.replace("data\n", "1\n")}, ()),
    "requirement": ({"requirements.txt": "numpy==2\n"}, ()),
    "apt": ({"apt.txt": "libgomp1\ncurl\n"}, ()),
    "model": ({"model/weights": "n" * 1000}, ()),
    "env": ({}, ("--env", "LOG=1")),
    "label": ({}, ("--env", "LOG=1", "--label", "team=one")),
    "base": ({}, ("--base", "{host}/dagger-aml-test/tiny:{mark}-two", "--env", "LOG=1", "--label", "team=one")),
}
RAN = {"requirement": ["pip"], "apt": ["apt", "pip"], "base": ["apt", "pip"]}
"""What the issue asks of each change, of the engine: which commands run, and no others."""


def built(project: Path, words: list[str], builder: str, image: str, tar: Path) -> ImageContents:
    """Build, push, and read what was made."""
    printed("build", project, *words, "--with", builder, "-t", image, "--push", "--no-smoke", "-o", tar, "-q")
    found = read_image(tar)
    tar.unlink()
    return found


def layer_of(image: ImageContents, step: str) -> str:
    """The digest of the layer that a step made."""
    return image.layers[image.changed[WITNESSES[step]]]


@pytest.mark.twin("buildah", of="docker", why="of which the same is told")
@pytest.mark.parametrize("builder", ["dagger", "docker", "buildah"])
def test_what_is_foretold_comes_true(builder: str, host: str, need: Need, tmp_path: Path) -> None:
    need(builder)
    mark = uuid.uuid4().hex[:12]
    for tag in (mark, f"{mark}-two"):
        push_tiny(host, tag, tag)
    project = tmp_path / "p"
    (tmp_path / "mine.py").write_text(RECIPE)
    make(project, {
        "code/score.py": SCORE, "model/weights": "m" * 1000,
        "requirements.txt": "numpy==1\n", "apt.txt": "libgomp1\n",
    })  # fmt: skip
    own = ["--recipe", str(tmp_path / "mine.py"), "--base", f"{host}/dagger-aml-test/tiny:{mark}"]
    name = f"{host}/dagger-aml-test/against-{mark}"
    before = built(project, own, builder, f"{name}:0", tmp_path / "x.tar")
    for number, (change, (files, more)) in enumerate(CHANGES.items()):
        make(project, files)
        words = [*own, *(word.format(host=host, mark=mark) for word in more)]
        plan = json.loads(printed("plan", project, *words, "--pin", "--json", "--against", f"{name}:{number}"))
        after = built(project, words, builder, f"{name}:{number + 1}", tmp_path / "x.tar")
        if builder == "docker":
            subprocess.run(["docker", "rmi", f"{name}:{number}"], capture_output=True, check=False)
        check(change, builder, plan["against"], before, after)
        before = after
    if builder == "docker":
        subprocess.run(["docker", "rmi", f"{name}:{len(CHANGES)}"], capture_output=True, check=False)


def check(change: str, builder: str, told: dict[str, Any], before: ImageContents, after: ImageContents) -> None:
    """Hold what was told against what was made."""
    kind = "dagger" if builder == "dagger" else "local"
    told_of = {next(name for name in WITNESSES if each["name"].startswith(name)): each for each in told["ops"]}
    assert list(told_of) == list(WITNESSES)
    same = {name for name in WITNESSES if layer_of(before, name) == layer_of(after, name)}
    foretold = {name for name, each in told_of.items() if each[kind] in ("reused", "same bytes")}
    # BuildKit of 0.32 also keeps the bytes of some layers above what changed; older ones do not.
    more = builder == "docker" and docker_keeps_manifests()
    assert foretold <= same if more else foretold == same, f"{builder}, {change}: {told}"
    assert [name for name, each in told_of.items() if each["dagger"] == "runs"] == RAN.get(change, [])
    assert told["base"] == {"changed": change == "base", "why": "the base changed" * (change == "base"),
                            "digests_known": True}  # fmt: skip
    assert told["says"] == (["env LOG"] if change == "env" else [])
    assert f"label {PLAN_LABEL}" in after.config
    if change in ("nothing", "env", "label"):
        assert before.layers == after.layers
