"""Secrets with plain ids on real builders: what runs a command again, and what a person types for a Dockerfile."""

from __future__ import annotations

import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from dagger_aml import Graph, Run, build, connect, dockerfile
from dagger_aml.backends.local.docker import Docker
from dagger_aml.backends.local.find import local_builder
from dagger_aml.diff import read_image
from dagger_aml.graph.base import From
from dagger_aml.graph.mount import Mount, Secret
from tests.support.builders import Need

pytestmark = [pytest.mark.builders, pytest.mark.anyio]


def graph(base: str, mark: str, value: str, index: str) -> Graph:
    """A command that keeps the value that it saw, so that the image tells whether it ran again."""
    mount = Mount("pip", "/run/word", Secret.of("word", value), sources=(("index-url", index),))
    run = Run(["/bin/sh", "-c", f"cat /run/word >/seen; echo {mark} >/mark"], mounts=[mount], name="see")
    return Graph(From.parse(base)).add(run)


@pytest.mark.parametrize("name", ["dagger", "docker", "podman", "buildah"])
async def test_another_index_runs_the_command_again_and_another_value_does_not(
    name: str, tiny: str, need: Need, tmp_path: Path
) -> None:
    need(name)
    mark, seen = uuid4().hex, []
    one, two = "https://one.example/simple/", "https://two.example/simple/"
    for number, (value, index) in enumerate((("first", one), ("second", one), ("third", two))):
        made = graph(tiny, mark, value, index)
        if name == "dagger":
            async with connect() as engine:
                await build(made, engine, tags=["see:1"], output=tmp_path / f"{number}.tar")
        else:
            builder = local_builder(name)
            if getattr(builder, "tool", None) == Docker("classic"):
                pytest.skip("the classic builder mounts nothing")
            await build(made, builder, tags=["see:1"], output=tmp_path / f"{number}.tar")
        seen.append(read_image(tmp_path / f"{number}.tar").files["/seen"].sha256)
    assert seen[0] == seen[1] != seen[2]


@pytest.mark.parametrize("name", ["docker", "podman", "buildah"])
def test_what_the_dockerfile_s_head_says_is_what_builds_it(name: str, tiny: str, need: Need, tmp_path: Path) -> None:
    need(name)
    if getattr(local_builder(name), "tool", None) == Docker("classic"):
        pytest.skip("the classic builder mounts nothing")
    found = dockerfile(graph(tiny, uuid4().hex, "x", "https://one.example/"), format="buildkit")
    assert "docker build --secret id=pip,src=FILE -t NAME THIS_FOLDER" in str(found)
    found.save(tmp_path / "context")
    (tmp_path / "word").write_text("typed")
    words = ["--secret", f"id=pip,src={tmp_path / 'word'}"]
    words += [] if name == "docker" else ["--tls-verify=false"]
    done = subprocess.run(
        [name, "build", *words, "-t", f"see-{name}", str(tmp_path / "context")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
