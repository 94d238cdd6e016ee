"""`build` of several projects on real builders: what they share is made once, one that fails stops no other."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import pytest

import dagger_aml
from dagger_aml.oci.registry import manifest_layers
from tests.support.builders import Need
from tests.support.cli import argv
from tests.support.cli import run as cli

pytestmark = [pytest.mark.anyio, pytest.mark.builders]

SCORE = "def init():\n    {0!r}\n\n\ndef run(data):\n    return {0!r}\n"
RECIPE = """
from dagger_aml.steps import base, run

async def recipe(graph, project):
    return await run(await base(graph, project.base), ["/bin/sh", "-c", "{command}"], name="mine")
"""

SHARED = """
from dagger_aml.steps import base, code, pip, run

async def recipe(graph, project):
    graph = await base(graph, project.base)
    graph = await run(graph, ["/bin/sh", "-c", "head -c 32 /dev/urandom >/{shared}"], name="random")
    return await code(await pip(graph, project.requirements), project.code)
"""


def project(root: Path, name: str, *, shared: str = "", command: str = "") -> Path:
    """A project whose code no other has, and whose other steps write random bytes and install a package.

    :param shared: a word; of two projects with the same one these steps are equal.
    :param command: is run, and nothing else done.
    """
    folder = root / name
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "score.py").write_text(SCORE.format(f"{name} {uuid4().hex}"))
    recipe = 'recipe = "./mine.py"\n' if shared or command else ""
    (folder / "dagger-aml.toml").write_text(f'{recipe}version = "1.2"\n')
    if shared:
        (folder / "requirements.txt").write_text(f"six==1.17.0\n# {shared}\n")
        (folder / "mine.py").write_text(SHARED.replace("{shared}", shared))
    if command:
        (folder / "mine.py").write_text(RECIPE.replace("{command}", command))
    return folder


@pytest.mark.engine
async def test_what_they_share_runs_once(engine: dagger_aml.Engine, bases: dict[str, str], tmp_path: Path) -> None:
    """Random bytes are the same in all of three that were asked for at once, and so are the times in pip's layer."""
    shared = uuid4().hex
    names = ["one", "two", "three"]
    folders = [project(tmp_path, name, shared=shared) for name in names]
    folders.insert(1, project(tmp_path, "bad", command=f"echo {uuid4().hex}; exit 3"))
    repository = f"{bases['classic'].split('/')[0]}/dagger-aml-test/several-{uuid4().hex[:8]}"
    words = ["-t", f"{repository}/{{name}}:{{version}}", "--push", "--jobs", "4", "--progress", "json"]
    done = cli("build", *folders, "--base", bases["classic"], *words, "--metadata-file", tmp_path / "all.json")
    assert done.returncode == 1, done.stderr
    read = [json.loads(line) for line in done.stderr.splitlines()]
    finished = {each["project"]: each for each in read if each["event"] == "finished"}
    assert finished.keys() == set(names)
    ops = {name: {each["op"]: each["digest"] for each in finished[name]["layers"]} for name in names}
    assert len({ops[name]["random"] for name in names}) == 1
    assert len({ops[name]["pip requirements.txt (1 package)"] for name in names}) == 1
    assert len({ops[name]["code (1 file)"] for name in names}) == 3
    metadata = json.loads((tmp_path / "all.json").read_text())
    assert "exit code 3" in metadata["bad"]["dagger-aml.error"]
    for name in names:
        digest = finished[name]["digest"]
        assert metadata[name]["containerimage.digest"] == digest
        image_id, _ = await manifest_layers(f"{repository}/{name}:1.2", digest)
        assert image_id == metadata[name]["containerimage.config.digest"]
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [
        ["one", "ok"],
        ["bad", "FAILED"],
        ["two", "ok"],
        ["three", "ok"],
    ]


@pytest.mark.engine
def test_ctrl_c_stops_all(engine: dagger_aml.Engine, tiny: str, tmp_path: Path) -> None:
    mark = f"90.{time.time_ns() % 10**9:09}"
    folders = [project(tmp_path, name, command=f"sleep {mark}{digit}") for digit, name in enumerate("abc")]
    process = subprocess.Popen(
        argv("build", *folders, "--base", tiny, "-o", tmp_path / "{name}.tar", "--jobs", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    begun = 0
    assert process.stderr
    for line in process.stderr:
        begun += "mine ..." in line
        if begun == 2:
            break
    time.sleep(1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.endswith("dagger-aml: interrupted\n")
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["stopped", "stopped", "not"]
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not list(tmp_path.glob("*.tar"))


@pytest.mark.parametrize("builder", ["docker", "buildah"])
def test_local_builders(need: Need, tiny: str, tmp_path: Path, builder: str) -> None:
    need(builder)
    folders = [project(tmp_path, name) for name in "ab"]
    words = ["--with", builder, "-t", "several/{name}:{version}", "-o", f"{tmp_path}/{{name}}.tar", "-q"]
    done = cli("build", *folders, "--base", tiny, *words)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["a", "b"]
    assert len({line.split()[1] for line in done.stdout.splitlines()}) == 2
    assert all((tmp_path / f"{name}.tar").stat().st_size > 10_000 for name in "ab")
