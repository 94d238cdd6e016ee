"""A disk that is full, where images are written directly: of the cache, of the output, of temporary files."""

import random
from pathlib import Path

import pytest

from dagger_aml.backends.outputs import Export
from dagger_aml.building.plans import probe
from dagger_aml.errors import DaggerAmlError
from dagger_aml.oci.content_store import ContentStore
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import graph, image_in, pushed, running
from tests.support.disks import enlarge, mounted
from tests.support.layers import Put, file
from tests.support.registry import FakeRegistry

pytestmark = pytest.mark.anyio

LARGE = random.Random(1).randbytes(1_000_000).hex()
"""1 MB that does not become small."""


def filled(place: Path) -> None:
    """Leave no room in a small file system."""
    with (place / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"x" * 4096)


async def test_a_full_disk_of_the_cache_is_no_reason_not_to_push(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing can be kept; the image is pushed, and the same is written to a tar."""
    with mounted(tmp_path / "small", "size=64k") as place:
        filled(place)
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(place / "cache"))
        base, builder = put_base(registry), direct_builder()
        first = await pushed(graph(base, folder), f"{registry.host}/app:1")
        image = await builder.image(await probe(graph(base, folder), builder))
        written = await image.export(Export(tmp_path / "image.tar"))
        builder.close()
        assert written.config_digest == first.config_digest and (tmp_path / "image.tar").stat().st_size > 1000
        assert ContentStore(place / "cache").blobs() == ()


async def test_a_full_disk_of_the_cache_ends_what_must_be_kept_there(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a builder ran goes through the cache: said with its folder, nothing half kept, and it works with room."""
    with mounted(tmp_path / "small", "size=256k") as place:
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(place))
        base, runner = put_base(registry), Runner(blobs_of(), {"opt": Put(), "opt/large": file(LARGE)})
        with pytest.raises(DaggerAmlError, match="cannot be written") as caught:
            await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
        assert str(place) in str(caught.value) and caught.value.exit_code == 1
        assert not registry.manifests.get("app")
        store = ContentStore(place)
        assert all(store.is_whole(each.name) for each in store.blobs())
        assert not list(place.rglob(".new-*"))
        enlarge(place, "size=8m")
        await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    assert len(image_in(registry, "app", "1")[1]) == 5


@pytest.mark.parametrize("kind", ["tar", "folder"])
async def test_a_full_disk_of_the_output_leaves_what_was_there(
    registry: FakeRegistry, folder: Path, cache: Path, tmp_path: Path, kind: str
) -> None:
    (folder / "model/w.bin").write_text(LARGE)
    base, builder = put_base(registry), direct_builder()
    with mounted(tmp_path / "small", "size=512k") as place:
        output = Export(place / "out", "oci", folder=True) if kind == "folder" else Export(place / "out")
        if kind == "tar":
            output.path.write_text("before")
        image = await builder.image(await probe(graph(base, folder), builder))
        with pytest.raises(DaggerAmlError, match="cannot be written") as caught:
            await image.export(output)
        assert caught.value.exit_code == 1 and caught.value.hint
        assert [each.name for each in place.iterdir()] == (["out"] if kind == "tar" else [])
        assert kind == "folder" or output.path.read_text() == "before"
        enlarge(place, "size=16m")
        await image.export(output)
        assert output.path.exists()
    builder.close()


async def test_a_full_disk_of_temporary_files_is_said(
    registry: FakeRegistry, folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a builder ran comes through a temporary layout."""
    with mounted(tmp_path / "small", "size=256k") as place:
        monkeypatch.setenv("TMPDIR", str(place))
        base, runner = put_base(registry), Runner(blobs_of(), {"opt": Put(), "opt/large": file(LARGE)})
        with pytest.raises(DaggerAmlError, match="the folder for temporary files is full"):
            await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
        assert not list(place.iterdir()) and not registry.manifests.get("app")
