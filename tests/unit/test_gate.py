"""When the gate is asked, and when it is known to hold."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dagger_aml import BuildError, Smoke
from dagger_aml.backends.direct import push
from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.direct.image import DirectImage
from dagger_aml.backends.result import Result
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Output, Registry, Tar
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.cli.gate import gate as gate_of
from dagger_aml.fs import still
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph
from dagger_aml.oci import compression
from tests.support.direct import CAPABILITIES, Runner, code, direct_builder, put_base
from tests.support.projects import SCORE, laid_out, make
from tests.support.registry import FakeRegistry

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache of the test's own."""
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


class Gated:
    """A project that is pushed, and how often its gate was asked."""

    def __init__(self, base: From, folder: Path) -> None:
        self.base, self.folder = base, folder
        self.asked = 0
        self.error: BuildError | None = None
        self.started = 0
        self.meanwhile: Callable[[], object] = lambda: None
        self.opened: Callable[[], object] = lambda: None
        self.key: str | None = "key"

    async def gate(self, *_: object) -> None:
        self.asked += 1
        self.meanwhile()
        if self.error:
            raise self.error

    async def push(
        self, *tags: str, key: str | None = "key", more: tuple[Output, ...] = (), name: str = "runner", count: int = 1
    ) -> Result:
        self.key = key
        graph = Graph(self.base, [Copy(local(self.folder), "/var/app", name="code")])
        builder = direct_builder(Runner(name=name, capabilities=evolve(CAPABILITIES, name=name)))
        real = DirectBuilder._starts

        async def starts() -> Any:
            self.started += 1
            self.opened()
            return await real(builder)

        builder._starts = starts  # type: ignore[method-assign]
        asks = None if key is None else lambda: str(self.key)
        target = BuildTarget((graph,) * count, "p", tags_of(tags), (*more, Registry()), gate=self.gate, gate_key=asks)
        try:
            (result,) = await build_all([target], builder)
        finally:
            builder.close()
        return result


@pytest.fixture
def gated(registry: FakeRegistry, tmp_path: Path) -> Gated:
    return Gated(put_base(registry), code(tmp_path / "p", **{"score.py": "x = 1\n"}))


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layer is one that is hashed once, and then known by how its files lie."""
    monkeypatch.setattr(still, "STILL_NS", -1_000_000_000)
    monkeypatch.setattr(push, "SMALL", 0)
    monkeypatch.setattr("dagger_aml.backends.direct.in_place.SMALL", 0)


@pytest.mark.parametrize("small", [True, False])
async def test_an_image_that_every_tag_names_is_not_tested_again(
    gated: Gated, registry: FakeRegistry, small: bool, request: pytest.FixtureRequest
) -> None:
    if not small:
        request.getfixturevalue("large")
    tags = [f"{registry.host}/app:{number}" for number in (1, 2)]
    first = await gated.push(*tags)
    again = await gated.push(*tags)
    assert (gated.asked, gated.started) == (1, 1), "and nothing that starts images was opened"
    assert first.digest == again.digest and again.changed is False and again.bytes_sent == 0


async def test_an_image_that_would_be_compressed_otherwise_is_not_tested_again(
    gated: Gated, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await gated.push(f"{registry.host}/app:1")
    monkeypatch.setattr(compression, "_plain", lambda: zlib.compressobj(9, wbits=31))
    again = await gated.push(f"{registry.host}/app:1")
    assert (gated.asked, again.digest, again.changed, again.bytes_sent) == (1, first.digest, False, 0)


async def test_it_is_tested_on_a_new_machine_where_a_tag_names_another(
    gated: Gated, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tag = f"{registry.host}/app:1"
    await gated.push(tag)
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    await gated.push(tag)
    assert gated.asked == 1
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "third"))
    await gated.push(tag, f"{registry.host}/app:2")
    assert gated.asked == 2, "no pass is kept in a registry"


async def test_what_passed_here_passes_under_another_tag(gated: Gated, registry: FakeRegistry) -> None:
    await gated.push(f"{registry.host}/app:1")
    await gated.push(f"{registry.host}/app:2")
    assert gated.asked == 1
    await gated.push(f"{registry.host}/app:3", key="another request")
    assert gated.asked == 2


async def test_what_changed_is_tested(gated: Gated, registry: FakeRegistry) -> None:
    await gated.push(f"{registry.host}/app:1")
    (gated.folder / "score.py").write_text("x = 2\n")
    await gated.push(f"{registry.host}/app:1")
    assert gated.asked == 2


async def test_always_is_always(gated: Gated, registry: FakeRegistry) -> None:
    for _ in range(2):
        await gated.push(f"{registry.host}/app:1", key=None)
    assert gated.asked == 2


async def test_what_may_come_out_otherwise_is_not_kept(gated: Gated, registry: FakeRegistry) -> None:
    await gated.push(f"{registry.host}/app:1", key="")
    await gated.push(f"{registry.host}/app:2", key="")
    assert gated.asked == 2
    await gated.push(f"{registry.host}/app:2", key="")
    assert gated.asked == 2, "nothing is published"


async def test_what_did_not_pass_is_tested_again(gated: Gated, registry: FakeRegistry) -> None:
    gated.error = BuildError("it does not hold")
    for number in (1, 2):
        with pytest.raises(BuildError, match="does not hold"):
            await gated.push(f"{registry.host}/app:1")
        assert gated.asked == number


async def test_an_image_in_place_is_tested_before_an_index_has_it(gated: Gated, registry: FakeRegistry) -> None:
    tag = f"{registry.host}/app:1"
    await gated.push(tag, key=None)
    await gated.push(tag, count=2)
    assert gated.asked == 2, "it had not passed here, and would be published anew"


async def test_a_tag_that_was_moved_meanwhile_is_not_moved_back_untested(
    gated: Gated, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = [f"{registry.host}/app:{number}" for number in (1, 2)]
    made = await gated.push(*tags, key=None)
    real = DirectImage.in_place

    async def in_place(image: DirectImage, references: Sequence[str]) -> bool:
        there = await real(image, references)
        registry.manifests["app"]["1"] = registry.manifests["base"]["1"]
        return there

    monkeypatch.setattr(DirectImage, "in_place", in_place)
    again = await gated.push(*tags)
    assert gated.asked == 1 and again.digest == made.digest
    assert registry.manifests["app"]["1"] == registry.manifests["base"]["1"]


@pytest.mark.usefixtures("large")
async def test_files_changed_after_they_were_looked_at_are_not_taken_for_what_they_were(
    gated: Gated, registry: FakeRegistry
) -> None:
    first, second = (f"{registry.host}/app:{number}" for number in (1, 2))
    script = gated.folder / "score.py"
    await gated.push(first)
    script.write_text("x = 2\n")
    there = await gated.push(second)
    script.write_text("x = 2\n")
    gated.opened = lambda: script.write_text("x = 3\n")
    raced = await gated.push(first)
    assert raced.digest == there.digest, "as they were when it was asked what is in place"
    later = await gated.push(first)
    assert later.digest != there.digest
    assert gated.asked == 3, "the second had passed"


async def test_what_another_builder_started_is_tested(gated: Gated, registry: FakeRegistry) -> None:
    for number, name in enumerate(("runner", "another")):
        await gated.push(f"{registry.host}/app:{number}", name=name)
    assert gated.asked == 2


async def test_a_pass_is_not_kept_where_what_is_asked_changed_meanwhile(gated: Gated, registry: FakeRegistry) -> None:
    gated.meanwhile = lambda: setattr(gated, "key", "another")
    await gated.push(f"{registry.host}/app:1")
    for number, key in enumerate(("key", "another"), 2):
        await gated.push(f"{registry.host}/app:{number}", key=key)
    assert gated.asked == 3


async def test_what_goes_elsewhere_too_is_tested(
    gated: Gated, registry: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = f"{registry.host}/app:1"
    await gated.push(tag)
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    await gated.push(tag, more=(Tar(tmp_path / "a.tar"),))
    assert gated.asked == 2


def test_the_key_is_of_all_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request, answer = tmp_path / "request.json", tmp_path / "answer.json"
    request.write_text("1")
    answer.write_text("2")
    smoke = Smoke(request=request, answer=answer)
    changes = [
        {"mode": "import"},
        {"rtol": 0.5},
        {"atol": 0.5},
        {"request": answer},
        {"answer": None},
        {"sample": b"3"},
        {"mode": "restricted"},
        {"ready_timeout": 1.0},
        {"packages": ("numpy",)},
        {"request": shutil.copy(request, tmp_path / "request.csv")},
    ]
    keys = [evolve(smoke, **each).key() for each in ({}, *changes)]
    assert len(set(keys)) == len(keys) and all(keys)
    answer.write_text("3")
    assert smoke.key() not in keys
    changed = smoke.key()
    monkeypatch.setattr("dagger_aml.serving.smoke.__version__", "99")
    assert smoke.key() not in (*keys, changed)


def test_what_may_come_out_otherwise_has_no_key(tmp_path: Path) -> None:
    assert Smoke(sample=b"1").key() and not Smoke(sample=b"1", offline=False).key()
    assert not Smoke(request=tmp_path / "gone.json").key()


def test_always_is_a_flag_s_word(tmp_path: Path) -> None:
    project, graph = laid_out(make(tmp_path, {"score.py": SCORE, "request.json": "1"}))
    for smoke, kept in ((None, True), ("score", True), ("always", False)):
        asked, key = gate_of(project, graph, smoke, False, builder="docker", push=True, warning=lambda _: None)
        assert asked and bool(key and key()) is kept
