"""examples/monorepo: its models, without packages and requests, so that no builder is needed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from dagger_aml import load_project
from tests.support.ci_jobs import Job, made, written
from tests.support.depth import depth_of
from tests.support.direct import put_base
from tests.support.monorepo import EXAMPLE, copied, scripts
from tests.support.registry import FakeRegistry

STORES = [f"store-{number:03}" for number in range(1, 101)]


def _job(tmp_path: Path, registry: FakeRegistry, number: int) -> Job:
    job = made(tmp_path, registry)
    shutil.rmtree(job.root)
    copied(job.root, number, put_base(registry).reference)
    common = job.root / "common" / "common.toml"
    common.write_text(common.read_text().replace('requirements = "requirements.txt"\n', ""))
    for folder in (job.root / "models").iterdir():
        (folder / "request.json").unlink()
        (folder / "answer.json").unlink()
    return job


def _built(job: Job) -> list[str]:
    """The names of what the CI job builds and pushes; it must go well."""
    more = {"REGISTRY": job.registry.host, "GITHUB_SHA": "4b4e7a2", **job.on_github()}
    for script, said in scripts(job.root, "images"):
        job.run(script, **{**said, **more})
    images = json.loads(written(more["GITHUB_OUTPUT"])["images"])
    assert [each["ref"] for each in images] == [job.ref(each["name"]) for each in images]
    return [each["name"] for each in images]


def test_what_changed_of_many_is_built(tmp_path: Path, registry: FakeRegistry, pytestconfig: pytest.Config) -> None:
    """All at first, then one, then none; and all are to be built again where what they share has changed."""
    stores = STORES[: depth_of(pytestconfig).models]
    job = _job(tmp_path, registry, len(stores))
    for script, said in scripts(job.root, "check"):
        job.run(script, **said)
    assert _built(job) == stores
    before = {name: job.ref(name) for name in stores}
    (job.root / "models/store-007/model/demand.json").write_text('{"week": [1, 2, 3, 4, 5, 6, 7]}')
    assert _built(job) == ["store-007"]
    assert [name for name in stores if job.ref(name) != before[name]] == ["store-007"]
    assert _built(job) == []
    with (job.root / "common/code/score.py").open("a") as file:
        file.write("# of all stores\n")
    asked = 'dagger-aml plan models/* --changed --against "$REGISTRY/{name}:main"'
    assert job.run(asked, REGISTRY=registry.host).split() == [f"models/{name}" for name in stores]


def test_one_that_cannot_be_pushed_keeps_no_other_back(tmp_path: Path, registry: FakeRegistry) -> None:
    """The workflow's words: the others are pushed, and the next run builds the one that is missing."""
    job = _job(tmp_path, registry, 8)
    large = job.root / "models/store-007/model/large"
    large.write_bytes(os.urandom(200_000))
    job.registry.largest = 100_000
    more = {"REGISTRY": job.registry.host, "GITHUB_SHA": "4b4e7a2", **job.on_github()}
    *_, (script, said) = scripts(job.root, "images")
    failed = job.done(script, {**said, **more})
    assert failed.returncode == 1 and "store-007" in failed.stdout, failed.stdout
    assert sorted(name for name in STORES[:8] if "main" not in job.registry.manifests.get(name, {})) == ["store-007"]
    job.registry.largest = None
    assert _built(job) == ["store-007"]


def test_what_they_share_is_said_once(tmp_path: Path) -> None:
    root = copied(tmp_path / "shop", 2, "minimal-py311-inference")
    first, second = (load_project(root / "models" / name) for name in STORES[:2])
    for each in (first, second):
        assert each.code and each.code.resolve() == root / "common/code"
        assert each.requirements and each.requirements.resolve() == root / "common/requirements.txt"
    assert (first.base, first.env) == (second.base, second.env) and first.env == {"WORKER_COUNT": "2"}
    assert first.labels == {"com.example.store": "001", "org.opencontainers.image.vendor": "Example"}
    assert len(list(EXAMPLE.rglob("*.json"))) == 0, "the models themselves are not in the repository"
