"""Digests of files that were kept: taken where nothing changed, never where something may have."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.backends.direct import offer, push
from dagger_aml.backends.direct.layers import OwnLayer
from dagger_aml.backends.direct.remembered import Remembered
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Registry
from dagger_aml.building.plans import probe
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.errors import ProjectError
from dagger_aml.fs import still
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph
from dagger_aml.oci import file_digests
from tests.support.direct import code, direct_builder, put_base
from tests.support.registry import FakeRegistry

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A cache of the test's own, no layer small, files still at once; which layers were hashed."""
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(push, "SMALL", 0)
    monkeypatch.setattr(still, "STILL_NS", -1_000_000_000)
    found: list[str] = []
    measure = OwnLayer.measure

    def counted(layer: OwnLayer) -> str:
        found.append(layer.name)
        return measure(layer)

    monkeypatch.setattr(OwnLayer, "measure", counted)
    return found


@pytest.fixture
def base(registry: FakeRegistry) -> From:
    """A base image."""
    return put_base(registry)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of two files."""
    return code(tmp_path / "p/model", **{"a.bin": "weights", "b.bin": "more"})


async def pushed(base: From, model: Path, tag: str, **opening: Any) -> str:
    """Push an image with the model; its digest."""
    graph = Graph(base, [Copy(local(model), "/var/app/models/m", name="model")])
    builder = direct_builder(**opening)
    try:
        (result,) = await build_all([BuildTarget((graph,), "p", tags_of([tag]), (Registry(),))], builder)
    finally:
        builder.close()
    assert result.digest
    return result.digest


async def test_a_plan_after_a_push_hashes_no_model(
    base: From, model: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "big.bin").write_bytes(b"w" * (1 << 17))
    await pushed(base, model, f"{registry.host}/app:1")
    monkeypatch.setattr(file_digests, "file_digest", None)
    with file_digests.FileDigests.kept() as kept:
        assert kept.get(str(model / "big.bin")) == hashlib.sha256(b"w" * (1 << 17)).digest()


def stamps(tmp_path: Path) -> list[Path]:
    """The documents that are kept of files."""
    return sorted((tmp_path / "cache/stamps").iterdir())


async def test_files_that_lie_as_they_did_are_not_hashed_again(
    registry: FakeRegistry, base: From, model: Path, measured: list[str]
) -> None:
    tag = f"{registry.host}/app:1"
    first = await pushed(base, model, tag)
    assert await pushed(base, model, tag) == first and measured == []
    assert await pushed(base, model, tag, no_cache=True) == first and measured == ["model"]


@pytest.mark.parametrize("same_size", ["WEIGHTS", "weightz"])
async def test_a_file_of_the_same_size_whose_time_was_set_back_is_hashed_anew(
    registry: FakeRegistry, base: From, model: Path, measured: list[str], same_size: str
) -> None:
    tag, before = f"{registry.host}/app:1", (model / "a.bin").stat()
    first = await pushed(base, model, tag)
    (model / "a.bin").write_text(same_size)
    os.utime(model / "a.bin", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (model / "a.bin").stat().st_mtime_ns == before.st_mtime_ns
    changed = await pushed(base, model, tag)
    assert changed != first and measured == ["model"]
    assert changed == await pushed(base, model, f"{registry.host}/other:1", no_cache=True)


async def test_a_file_that_was_written_just_now_is_not_trusted(
    registry: FakeRegistry, base: From, model: Path, measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(still, "STILL_NS", 3_600_000_000_000)
    tag = f"{registry.host}/app:1"
    assert await pushed(base, model, tag) == await pushed(base, model, tag) and measured == ["model"]
    # Once it has lain still, the same name tells what it became.
    monkeypatch.setattr(still, "STILL_NS", -1_000_000_000)
    await pushed(base, model, tag)
    measured.clear()
    await pushed(base, model, tag)
    assert measured == []


BROKEN: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "a file's digest is missing": lambda document: {**document, "files": document["files"][:1]},
    "no digests": lambda document: {"diff_id": document["diff_id"]},
    "no digest of the tar": lambda document: {"files": document["files"]},
    "not hexadecimal": lambda document: {**document, "files": ["x" * 64] * 2},
    "too short": lambda document: {**document, "files": ["00"] * 2},
    "another kind of thing": lambda _: [1, 2],
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_is_kept_and_broken_is_left_alone(
    registry: FakeRegistry, base: From, model: Path, measured: list[str], tmp_path: Path, broken: str
) -> None:
    tag = f"{registry.host}/app:1"
    first = await pushed(base, model, tag)
    (kept,) = stamps(tmp_path)
    document = BROKEN[broken](json.loads(kept.read_bytes())["document"])
    direct_builder()._store.put_document("stamps", kept.stem, document)
    assert await pushed(base, model, tag) == first and measured == ["model"]
    measured.clear()
    # It was written anew.
    assert await pushed(base, model, tag) == first and measured == []


@pytest.mark.parametrize("text", [b"", b"{", b'{"sha256": "0", "document": {"diff_id": "x", "files": []}}'])
async def test_a_damaged_document_counts_as_none(
    registry: FakeRegistry, base: From, model: Path, measured: list[str], tmp_path: Path, text: bytes
) -> None:
    tag = f"{registry.host}/app:1"
    first = await pushed(base, model, tag)
    stamps(tmp_path)[0].write_bytes(text)
    assert await pushed(base, model, tag) == first and measured == ["model"]


async def test_what_is_sent_is_held_against_what_was_kept(
    registry: FakeRegistry, base: From, model: Path, tmp_path: Path
) -> None:
    first = await pushed(base, model, f"{registry.host}/app:1")
    (kept,) = stamps(tmp_path)
    document = json.loads(kept.read_bytes())["document"]
    direct_builder()._store.put_document("stamps", kept.stem, {**document, "diff_id": "sha256:" + "0" * 64})
    with pytest.raises(ProjectError, match="changed while the image was being written"):
        await pushed(base, model, f"{registry.host}/other:1")
    assert "1" not in registry.manifests.get("other", {})
    # It is forgotten, so that the same command works.
    assert await pushed(base, model, f"{registry.host}/other:1") == first


async def test_the_same_file_by_another_name_is_another_layer(
    registry: FakeRegistry, base: From, model: Path, measured: list[str]
) -> None:
    tag = f"{registry.host}/app:1"
    await pushed(base, model, tag)
    (model / "a.bin").rename(model / "c.bin")
    await pushed(base, model, tag)
    assert measured == ["model"]


async def test_what_was_read_before_it_was_changed_is_not_noted_of_the_changed_file(
    registry: FakeRegistry, base: From, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store, a tar and a registry may each want the same layer, some time apart."""
    monkeypatch.setattr(offer, "SMALL", 0)
    graph = Graph(base, [Copy(local(model), "/var/app/models/m", name="model")])
    builder = direct_builder()
    try:
        image = await builder.image(await probe(graph, builder))
        (layer,) = image.own
        offer.ready(layer, image.remembered)
        (model / "a.bin").write_text("WEIGHTS")
        offer.ready(layer, image.remembered)
    finally:
        builder.close()
    assert image.remembered.diff_id(layer, image.remembered.mark(layer)) is None


async def test_a_file_that_is_gone_when_its_layer_was_sent_is_named(
    base: From, model: Path, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "a.bin").write_bytes(b"w" * (1 << 17))
    before = Remembered.note

    def gone(self: Remembered, layer: OwnLayer, blob: Any, mark: Any) -> None:
        (model / "b.bin").unlink(missing_ok=True)
        before(self, layer, blob, mark)

    monkeypatch.setattr(Remembered, "note", gone)
    with pytest.raises(ProjectError, match=r"b\.bin: disappeared while it was being read"):
        await pushed(base, model, f"{registry.host}/app:1")
