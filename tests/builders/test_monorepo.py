"""examples/monorepo on a real builder: packages are installed once for all, each image is scored, and pushed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import Need, forget_images
from tests.support.ci_jobs import written
from tests.support.cli import shared_program
from tests.support.monorepo import copied, scripts

pytestmark = [pytest.mark.builders, pytest.mark.by_default]


def _built(root: Path, registry: str, env: dict[str, str], commit: str) -> dict[str, str]:
    """The references that the CI job pushes, by their names."""
    outputs = root.parent / "outputs"
    outputs.write_text("")
    more = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(outputs),
        "GITHUB_STEP_SUMMARY": str(root.parent / "summary"),
    }
    *_, (script, said) = scripts(root, "images")
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env={**env, **said, **more, "REGISTRY": registry, "GITHUB_SHA": commit}, check=False, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {each["name"]: each["ref"] for each in json.loads(written(outputs)["images"])}


def _of_pip(metadata: dict[str, Any]) -> tuple[str, str]:
    """How the packages of an image came to be, and when."""
    (made,) = [each for each in metadata["dagger-aml.made"] if each["op"].startswith("pip ")]
    return made["way"], made["made"]


@pytest.fixture
def registry(bases: dict[str, str]) -> Iterator[str]:
    """A host with a path, for the images."""
    found = f"{bases['classic'].partition('/')[0]}/shop-{os.getpid()}"
    yield found
    forget_images(f"{found}/")


def test_the_job_of_the_monorepo(
    bases: dict[str, str], registry: str, need: Need, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Some models with each commit, all hundred by night; then one changes, on a runner that remembers nothing."""
    need("docker", "bash")
    number = 100 if pytestconfig.getoption("depth") == "nightly" else 5
    root = copied(tmp_path / "shop", number, bases["classic"])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/dagger-aml").symlink_to(shared_program())
    env = {**os.environ, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "CI": "true"}

    first = _built(root, registry, {**env, "DAGGER_AML_CACHE_DIR": str(tmp_path / "first")}, "4b4e7a2")
    assert len(first) == number
    ways, times = zip(*map(_of_pip, json.loads((root / "images.json").read_text()).values()), strict=True)
    assert sorted(ways) == [*["found"] * (number - 1), "runs"] and len(set(times)) == 1, "once, for all of them"

    (root / "models/store-003/answer.json").write_text('{"demand": [3, 4, 5]}')
    (root / "models/store-003/request.json").write_text('{"first": 2, "days": 3}')
    (root / "models/store-003/model/demand.json").write_text('{"week": [1, 2, 3, 4, 5, 6, 7]}')
    second = _built(root, registry, {**env, "DAGGER_AML_CACHE_DIR": str(tmp_path / "second")}, "5c5f8b3")
    assert second.keys() == {"store-003"} and second != {"store-003": first["store-003"]}
    assert _of_pip(json.loads((root / "images.json").read_text())) == ("found", times[0]), "in the registry"
