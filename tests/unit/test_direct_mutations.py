"""What ran, in an image that somebody damaged or made: one byte of it, or all but the key."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.backends.outputs import Export
from dagger_aml.building.plans import probe
from dagger_aml.building.target import tags_of
from dagger_aml.errors import DaggerAmlError
from dagger_aml.oci.content_store import ContentStore
from tests.support.direct import Runner, blobs_of, direct_builder, put_base, zipped
from tests.support.direct_push import RAN, changes_of, graph, image_in, pushed, running
from tests.support.layers import file
from tests.support.registry import FakeRegistry, digest_of, fake_registry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

LABEL = "io.dagger-aml.direct"

KEY = "DAGGER_AML_CACHE_KEY"

FOREIGN = {**RAN, "opt/lib": file("somebody else's")}


class Pushed:
    """The image under ``app:1`` of a registry, to be changed by hand."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.manifest: dict[str, Any] = json.loads(registry.manifests["app"]["1"][0])
        self.config: dict[str, Any] = json.loads(registry.blobs["app"][self.manifest["config"]["digest"]])

    def layer(self, index: int, blob: bytes) -> None:
        """Have another blob as a layer, and the manifest name it."""
        digest = self.registry.put("app", blob)
        self.manifest["layers"][index] |= {"digest": digest, "size": len(blob)}

    def label(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what the label tells."""
        labels = self.config["config"]["Labels"]
        note = json.loads(labels[LABEL])
        change(note)
        labels[LABEL] = json.dumps(note)

    def put(self) -> None:
        """Push what was changed."""
        raw = json.dumps(self.config).encode()
        self.manifest["config"] |= {"digest": self.registry.put("app", raw), "size": len(raw)}
        self.push(json.dumps(self.manifest).encode())

    def push(self, manifest: bytes) -> None:
        """Have a manifest under the tag."""
        self.registry.manifests["app"]["1"] = (manifest, self.registry.manifests["app"]["1"][1])


def one_byte(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.fixture
async def made(registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    """An image was pushed by another machine; the builder of it, which knows what it was asked for."""
    runner = Runner(blobs_of(), RAN)
    await pushed(running(put_base(registry), folder), f"{registry.host}/app:1", direct_builder(runner))
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    return runner


async def again(registry: FakeRegistry, folder: Path, runner: Runner) -> dict[str, Any]:
    """Build to the same tag; what the layer of what ran has then."""
    base = put_base(registry)
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    blob = image_in(registry, "app", "1")[1][2]
    assert gzip.decompress(blob)
    return dict(changes_of(blob))


@pytest.mark.parametrize("at", [1, 40, -30, -5])
async def test_one_byte_of_a_config_and_it_counts_as_none(
    registry: FakeRegistry, folder: Path, made: Runner, at: int
) -> None:
    image = Pushed(registry)
    digest = image.manifest["config"]["digest"]
    held = registry.blobs["app"]
    held[digest] = one_byte(held[digest], at % len(held[digest]))
    assert "/opt/lib" in await again(registry, folder, made)
    assert len(made.plans) == 2


@pytest.mark.parametrize("field", ["config", "layer", "diff id"])
async def test_one_byte_of_a_manifest_and_it_is_refused(
    registry: FakeRegistry, folder: Path, made: Runner, field: str
) -> None:
    image = Pushed(registry)
    raw = registry.manifests["app"]["1"][0]
    if field == "diff id":
        image.config["rootfs"]["diff_ids"][1] = "sha256:" + "0" * 64
        image.put()
    else:
        named = image.manifest["config"] if field == "config" else image.manifest["layers"][2]
        digest = named["digest"].encode()
        image.push(raw.replace(digest, one_byte(digest, 20)))
    if field == "layer":
        with pytest.raises(DaggerAmlError, match="lacks a part of an image of app"):
            await again(registry, folder, made)
        assert len(made.plans) == 1
    else:
        assert "/opt/lib" in await again(registry, folder, made)
        assert len(made.plans) == 2


@pytest.mark.parametrize("how", ["a tar", "another registry"])
@pytest.mark.parametrize("damage", ["one byte", "cut", "longer"])
async def test_one_byte_of_a_blob_and_nothing_is_made_of_it(
    registry: FakeRegistry, folder: Path, made: Runner, tmp_path: Path, how: str, damage: str
) -> None:
    """Where it is read: to be written to a tar, or passed on to a registry that lacks it."""
    digest = Pushed(registry).manifest["layers"][2]["digest"]
    blob = registry.blobs["app"][digest]
    changed = {"one byte": one_byte(blob, len(blob) // 2), "cut": blob[:-1], "longer": blob + b"x"}[damage]
    registry.blobs["app"][digest] = changed
    builder = direct_builder(made)
    with fake_registry() as other, pytest.raises(DaggerAmlError) as caught:
        base = put_base(registry)
        builder = builder.for_tags(tags_of([f"{registry.host}/app:1"]))
        image = await builder.image(await probe(running(base, folder), builder))
        if how == "a tar":
            await image.export(Export(tmp_path / "image.tar"))
        else:
            await image.publish(f"{other.host}/app:1")
    builder.close()
    assert len(made.plans) == 1 and not (tmp_path / "image.tar").exists()
    assert not other.manifests.get("app")
    # A byte in the middle the other registry tells itself.
    assert digest in str(caught.value) or (damage == "one byte" and "DIGEST_INVALID" in str(caught.value))


@pytest.mark.parametrize("size", [-1, 1])
async def test_a_size_that_is_wrong_by_one_makes_no_tar(
    registry: FakeRegistry, folder: Path, tmp_path: Path, size: int
) -> None:
    base = put_base(registry)
    raw, media_type = registry.manifests["base"]["1"]
    manifest = json.loads(raw)
    manifest["layers"][0]["size"] += size
    raw = json.dumps(manifest).encode()
    registry.manifests["base"]["1"] = registry.manifests["base"][digest_of(raw)] = (raw, media_type)
    builder = direct_builder()
    image = await builder.image(await probe(graph(base, folder), builder))
    with pytest.raises(DaggerAmlError, match="has another size than its manifest says"):
        await image.export(Export(tmp_path / "image.tar"))
    builder.close()
    assert not (tmp_path / "image.tar").exists()


async def test_one_byte_of_a_kept_blob_and_it_is_not_sent(registry: FakeRegistry, folder: Path, cache: Path) -> None:
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    digest = json.loads(registry.manifests["app"]["1"][0])["layers"][2]["digest"]
    path = cache / "blobs/sha256" / digest[7:]
    path.write_bytes(one_byte(path.read_bytes(), 50))
    with pytest.raises(DaggerAmlError, match="not in the cache any more, or is damaged"):
        await pushed(running(base, folder), f"{registry.host}/other:1", direct_builder(runner))
    assert not registry.manifests.get("other") and not ContentStore(cache).has(digest)
    await pushed(running(base, folder), f"{registry.host}/other:1", direct_builder(runner))
    assert len(runner.plans) == 2
    assert image_in(registry, "other", "1")[1] == image_in(registry, "app", "1")[1]


async def test_a_right_label_on_another_base_is_not_taken(
    registry: FakeRegistry, folder: Path, made: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The label says the base's digest and the key, but beneath lie other layers."""
    image = Pushed(registry)
    blob, diff_id = zipped({"etc": file("another")})
    image.layer(0, blob)
    image.config["rootfs"]["diff_ids"][0] = diff_id
    image.put()
    assert "/opt/lib" in await again(registry, folder, made)
    assert len(made.plans) == 2 and image_in(registry, "app", "1")[1][0] == blobs_of()[0]


def _foreign(image: Pushed) -> None:
    """Another layer in the place of what ran, right throughout but for the mark."""
    blob, diff_id = zipped(FOREIGN)
    image.layer(2, blob)
    image.config["rootfs"]["diff_ids"][2] = diff_id


def _foreign_blob(image: Pushed) -> None:
    """The same, and a config that is as it was, its label and mark too."""
    image.layer(2, zipped(FOREIGN)[0])


def _other_mark(image: Pushed) -> None:
    """The mark of somebody else's key."""
    image.label(lambda note: note.update(mark=hashlib.sha256(b"another").hexdigest()))


def _younger(image: Pushed) -> None:
    """The age changed: the mark is of it, too."""
    image.label(lambda note: note["note"]["runtime"].update(made=note["note"]["runtime"]["made"] - 1))


def _after(image: Pushed) -> None:
    """What is known of paths changed."""

    def change(note: dict[str, Any]) -> None:
        note["note"]["runtime"]["after"]["facts"]["paths"]["/var/app"]["mode"] = 0o777

    image.label(change)


def _no_mark(image: Pushed) -> None:
    """All made anew, as by a build without a key."""
    _foreign(image)
    image.label(lambda note: note.pop("mark"))


def _nothing_changed(image: Pushed) -> None:
    """The same image, pushed again."""


@pytest.mark.parametrize(
    ("forge", "taken"),
    [
        (_foreign, False),
        (_foreign_blob, False),
        (_other_mark, False),
        (_younger, False),
        (_after, False),
        (_no_mark, False),
        (_nothing_changed, True),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_with_a_key_nothing_is_taken_that_somebody_else_made(
    registry: FakeRegistry,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    forge: Callable[[Pushed], None],
    taken: bool,
) -> None:
    monkeypatch.setenv(KEY, "a secret of the trusted branch")
    runner = Runner(blobs_of(), RAN)
    await pushed(running(put_base(registry), folder), f"{registry.host}/app:1", direct_builder(runner))
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    image = Pushed(registry)
    forge(image)
    image.put()
    found = await again(registry, folder, runner)
    assert len(runner.plans) == (1 if taken else 2)
    assert found["/opt/lib"].sha256 == hashlib.sha256(b"made by a command").hexdigest()


async def test_another_keys_image_is_not_taken(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runner = Runner(blobs_of(), RAN)
    for number, key in enumerate(("one", "two", "two", "one")):
        monkeypatch.setenv(KEY, key)
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / f"cache-{number}"))
        await again(registry, folder, runner)
    assert len(runner.plans) == 3
