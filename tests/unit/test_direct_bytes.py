"""What a change makes a direct push send: bytes counted by the registry."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from dagger_aml.backends.direct import push
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph
from dagger_aml.graph.wheels import Wheels
from dagger_aml.steps import apt
from tests.support.direct import LAYERS, Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import graph, pushed
from tests.support.layers import Put, file
from tests.support.registry import FakeRegistry, digest_of
from tests.support.wheels import made_wheel

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

LARGE = 5_000_000
"""Bytes of a model: more than what is sent without a question."""

OTHER = ({**LAYERS[0], "opt": Put(), "opt/patched": file("new")}, *LAYERS[1:])
"""The layers of a base that its maker has built anew."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "p"
    for name in ("code", "model"):
        (made / name).mkdir(parents=True)
    (made / "code/score.py").write_text("x = 1\n")
    (made / "model/w.bin").write_bytes(random.Random(1).randbytes(LARGE))
    return made


def sent(registry: FakeRegistry) -> int:
    """Bytes of all that came since this was last asked, but for manifests."""
    found = sum(each.body for each in registry.asked if "/blobs/uploads/" in each.path)
    registry.asked.clear()
    return found


def largest(registry: FakeRegistry) -> str:
    """The digest of the largest layer of what the tag names; it is there, and what its digest says."""
    layers = json.loads(registry.manifests["app"]["1"][0])["layers"]
    found: str = max(layers, key=lambda each: each["size"])["digest"]
    assert digest_of(registry.blobs["app"][found]) == found
    return found


async def with_apt(base: From, folder: Path, *packages: str) -> Graph:
    """A model and code, after Debian packages."""
    inner = graph(base, folder)
    before = await apt(Graph(base), packages)
    return Graph(base, (*before.layers, *inner.layers), inner.config)


@pytest.mark.parametrize("forgets", [False, True])
async def test_other_debian_packages_send_nothing_of_a_model(
    registry: FakeRegistry, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    """Nor on another machine, which has nothing but the registry."""
    base, tag = put_base(registry), f"{registry.host}/app:1"

    async def push_with(*packages: str) -> int:
        runner = Runner(blobs_of(), {"opt": Put(), "opt/packages": file("\n".join(packages))})
        await pushed(await with_apt(base, folder, *packages), tag, direct_builder(runner))
        assert len(runner.plans) == 1
        return sent(registry)

    assert await push_with("jq") > LARGE
    model, before = largest(registry), registry.manifests["app"]["1"]
    if forgets:
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(cache / "other"))
    assert await push_with("jq", "curl") < 20_000
    assert registry.manifests["app"]["1"] != before and largest(registry) == model


@pytest.mark.parametrize("forgets", [False, True])
async def test_another_base_sends_nothing_of_a_model(
    registry: FakeRegistry, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    tag = f"{registry.host}/app:1"
    await pushed(graph(put_base(registry), folder), tag)
    before, model = registry.manifests["app"]["1"], largest(registry)
    assert sent(registry) > LARGE
    if forgets:
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(cache / "other"))
    await pushed(graph(put_base(registry, *OTHER), folder), tag)
    assert registry.manifests["app"]["1"] != before and largest(registry) == model
    # What is new of the base is mounted, and the image's config is sent.
    assert sent(registry) < 20_000


@pytest.mark.parametrize("forgets", [False, True])
async def test_another_base_sends_nothing_of_packages_as_files(
    registry: FakeRegistry,
    folder: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    forgets: bool,
) -> None:
    monkeypatch.setattr(push, "SMALL", 0)
    data = {"one.py": "x = 1\n", "one/data.bin": random.Random(2).randbytes(LARGE)}
    wheels = [made_wheel(tmp_path / "w", "one", files=data).wheel(), made_wheel(tmp_path / "w", "two").wheel()]
    source, tag = Wheels("3.12", "linux/amd64", wheels, lock="pylock.toml", checked=False), f"{registry.host}/app:1"

    async def push_on(*layers: dict[str, Put]) -> int:
        base = put_base(registry, *layers)
        await pushed(Graph(base).add(Copy(source, "/var/app/packages", name="packages")), tag)
        return sent(registry)

    assert await push_on() > LARGE
    packages, before = largest(registry), registry.manifests["app"]["1"]
    if forgets:
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(cache / "other"))
    assert await push_on(*OTHER) < 20_000
    assert registry.manifests["app"]["1"] != before and largest(registry) == packages
