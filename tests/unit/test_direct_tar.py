"""Tars written directly, where this machine knows already what goes into them: read once, and held against that."""

import contextlib
import errno
import json
import os
import random
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from attrs import define

from dagger_aml.backends.direct import arriving, layers
from dagger_aml.backends.direct import tar as tar_module
from dagger_aml.backends.outputs import Export
from dagger_aml.backends.result import Result
from dagger_aml.building.plans import probe
from dagger_aml.errors import ProjectError
from dagger_aml.fs import still
from dagger_aml.graph.base import From
from dagger_aml.oci.blobs import blob_name, digest_of
from dagger_aml.oci.content_store import ContentStore
from dagger_aml.oci.layer_writer import LayerStream, ignore
from tests.support.direct import blobs_of, direct_builder, put_base
from tests.support.direct_push import graph
from tests.support.registry import FakeRegistry

pytestmark = pytest.mark.anyio

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the system copies to sockets alone")


@pytest.fixture(autouse=True)
def lying_still(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A cache of the test's own, and files that count as still at once."""
    monkeypatch.setattr(still, "STILL_NS", -1_000_000_000)


@pytest.fixture
def base(registry: FakeRegistry) -> From:
    """A base image."""
    return put_base(registry)


async def written(base: From, folder: Path, tar: Path) -> Result:
    """Write the image of a project's folder to a tar, as a new command would."""
    builder = direct_builder()
    try:
        image = await builder.image(await probe(graph(base, folder), builder))
        return await image.export(Export(tar))
    finally:
        builder.close()


def blobs_in(tar: Path) -> set[str]:
    """The names of the blobs that a tar holds, each held against its digest."""
    with tarfile.open(tar) as opened:
        found = {each.name: opened.extractfile(each) for each in opened if each.name.startswith("blobs/")}
    with tarfile.open(tar) as opened:
        for name in found:
            data = opened.extractfile(name)
            assert data and blob_name(digest_of(data.read())) == name
    return set(found)


async def test_what_is_kept_is_read_once_and_files_that_lie_still_are_hashed_once(
    base: From, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await written(base, folder, tmp_path / "first.tar")
    opened: list[str] = []
    plain: list[bool] = []
    open_, make = ContentStore.unchecked, LayerStream.__init__

    @contextlib.contextmanager
    def counted(store: ContentStore, digest: str) -> Iterator[IO[bytes]]:
        opened.append(digest)
        with open_(store, digest) as file:
            yield file

    def made(stream: LayerStream, entries: object, compression: object, on_file: object) -> None:
        plain.append(on_file is ignore)
        make(stream, entries, compression, on_file)  # type: ignore[arg-type]

    monkeypatch.setattr(ContentStore, "unchecked", counted)
    monkeypatch.setattr(LayerStream, "__init__", made)
    again = await written(base, folder, tmp_path / "again.tar")
    base_layers = [digest_of(each) for each in blobs_of()]
    assert [opened.count(each) for each in base_layers] == [1, 1]
    assert plain == [True, True]
    assert (again.digest, again.config_digest) == (first.digest, first.config_digest)
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()
    assert {blob_name(each) for each in base_layers} <= blobs_in(tmp_path / "again.tar")


async def test_what_a_registry_sends_is_hashed_while_it_is_kept_and_written_and_not_read_back(
    base: From, folder: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    open_ = ContentStore.unchecked

    @contextlib.contextmanager
    def counted(store: ContentStore, digest: str) -> Iterator[IO[bytes]]:
        with open_(store, digest) as file:
            read.append(digest)
            yield file

    monkeypatch.setattr(ContentStore, "unchecked", counted)
    await written(base, folder, tmp_path / "first.tar")
    base_layers = [digest_of(each) for each in blobs_of()]
    assert not set(base_layers) & set(read)
    assert {blob_name(each) for each in base_layers} <= blobs_in(tmp_path / "first.tar")
    assert all(ContentStore(cache).is_whole(each) for each in base_layers), "it is not kept"


async def test_a_layer_of_the_cache_that_is_damaged_is_fetched_anew(
    base: From, folder: Path, tmp_path: Path, cache: Path
) -> None:
    await written(base, folder, tmp_path / "first.tar")
    store = ContentStore(cache)
    for blob in blobs_of():
        path = cache / "blobs/sha256" / digest_of(blob)[7:]
        path.write_bytes(blob[:-1] + bytes([blob[-1] ^ 1]))
    await written(base, folder, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()
    assert all(store.is_whole(digest_of(each)) for each in blobs_of())


async def test_what_is_written_is_held_against_what_was_kept(
    base: From, folder: Path, tmp_path: Path, cache: Path
) -> None:
    await written(base, folder, tmp_path / "first.tar")
    store = ContentStore(cache)
    for kept in (cache / "stamps").iterdir():
        document = json.loads(kept.read_bytes())["document"]
        store.put_document("stamps", kept.stem, {**document, "diff_id": "sha256:" + "0" * 64})
    for name in ("second.tar", "third.tar"):
        with pytest.raises(ProjectError, match="changed while the image was being written"):
            await written(base, folder, tmp_path / name)
        assert not (tmp_path / name).exists()
    # Each of the two is forgotten, so that the same command works.
    await written(base, folder, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()


async def test_files_changed_between_two_readings_of_a_layer_are_no_image(
    base: From, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the tar is hashed the second time, the digests of its files are of the first."""
    builder = direct_builder()
    try:
        image = await builder.image(await probe(graph(base, folder), builder))
    finally:
        builder.close()
    layer = image.own[0]  # type: ignore[attr-defined]
    assert isinstance(layer, layers.OwnLayer)
    layer.measure()
    file = next(each.content for each in layer.entries if each.type == "file")
    assert isinstance(file, Path)
    file.write_bytes(bytes(len(file.read_bytes())))
    stream = layer.stream()
    assert list(stream)
    with pytest.raises(ProjectError, match="changed while the image was being written"):
        layer.keep(stream.written)


@pytest.mark.parametrize("refuses", [OSError(95, "no"), None])
async def test_where_no_room_can_be_made_beforehand_the_tar_is_the_same(
    base: From, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: OSError | None
) -> None:
    """Some file systems refuse it, and some systems have no such call."""
    await written(base, folder, tmp_path / "first.tar")

    def refused(*_: int) -> None:
        assert refuses
        raise refuses

    if refuses:
        monkeypatch.setattr("os.posix_fallocate", refused, raising=False)
    else:
        monkeypatch.delattr("os.posix_fallocate", raising=False)
    await written(base, folder, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()


@pytest.mark.parametrize("step", [1 << 20, 700])
async def test_room_is_made_for_all_of_known_length_and_for_no_more(
    base: From, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """So that a file system need not choose a place for everything when one tar takes the place of another."""
    chances = random.Random(1)
    (folder / "model/weights.bin").write_bytes(chances.randbytes(2 << 20))
    monkeypatch.setattr(tar_module, "_RESERVED", step)
    await written(base, folder, tmp_path / "first.tar")
    reserved: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "os.posix_fallocate", lambda _, start, size: reserved.append((start, start + size)), raising=False
    )
    await written(base, folder, tmp_path / "again.tar")
    size = (tmp_path / "again.tar").stat().st_size
    missing = set(range(0, size, 512)).difference(*(range(start - start % 512, end, 512) for start, end in reserved))
    with tarfile.open(tmp_path / "again.tar") as tar:
        # Of a layer that is compressed while it is written the length is not known.
        packed = [each for each in tar if (file := tar.extractfile(each)) and file.read(2) == b"\x1f\x8b"]
    known = {digest_of(each) for each in blobs_of()}
    own = [each for each in packed if f"sha256:{Path(each.name).name}" not in known]
    inside = {at for each in own for at in range(each.offset_data, each.offset_data + each.size, 512)}
    assert missing <= inside and max(end for _, end in reserved) == size
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()


async def test_files_that_change_are_told_of_before_the_tar_takes_the_place_of_another(
    base: From, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "image.tar").write_bytes(b"an earlier one")
    write_tar = tar_module.write_tar

    def late(*how: Any, **more: Any) -> tar_module.TarWritten:
        done = write_tar(*how, **more)
        (folder / "model/w.bin").unlink()
        return done

    monkeypatch.setattr(tar_module, "write_tar", late)
    with pytest.raises(ProjectError, match="disappeared"):
        await written(base, folder, tmp_path / "image.tar")
    assert (tmp_path / "image.tar").read_bytes() == b"an earlier one"


@pytest.fixture
def weights(folder: Path) -> Path:
    """A file of the project of which the layer is not compressed, as of most models."""
    path = folder / "model/weights.bin"
    path.write_bytes(random.Random(1).randbytes(3 << 20))
    return path


Sendfile = Callable[[int, int, int, int], int]


def copying(monkeypatch: pytest.MonkeyPatch, copy: Callable[[Sendfile, int, int, int, int], int]) -> list[int]:
    """Have something else copy from file to file; the bytes of each time are listed."""
    system, copied = os.sendfile, list[int]()

    def sendfile(into: int, source: int, offset: int, count: int) -> int:
        copied.append(copy(system, into, source, offset, count))
        return copied[-1]

    monkeypatch.setattr("os.sendfile", sendfile)
    return copied


@on_linux
async def test_what_is_known_is_copied_by_the_system(
    base: From, folder: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await written(base, folder, tmp_path / "first.tar")
    copied = copying(monkeypatch, lambda system, *how: system(*how))
    again = await written(base, folder, tmp_path / "again.tar")
    assert sum(copied) == sum(map(len, blobs_of())) + weights.stat().st_size
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()
    assert (again.digest, again.config_digest, again.layers) == (first.digest, first.config_digest, first.layers)
    assert len(blobs_in(tmp_path / "again.tar")) == 6


async def test_where_the_system_copies_to_sockets_alone_all_is_read(
    base: From, folder: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(base, folder, tmp_path / "first.tar")
    monkeypatch.setattr(tar_module, "POSSIBLE", False)
    monkeypatch.delattr("os.sendfile", raising=False)
    await written(base, folder, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()


def _refused(system: Sendfile, into: int, source: int, offset: int, count: int) -> int:
    raise OSError(errno.EINVAL, "no")


def _wrong(system: Sendfile, into: int, source: int, offset: int, count: int) -> int:
    return os.write(into, bytes(count))


def _less(system: Sendfile, into: int, source: int, offset: int, count: int) -> int:
    return system(into, source, offset, count // 2) if offset < count else 0


@on_linux
@pytest.mark.parametrize("copy", [_refused, _wrong, _less])
async def test_what_the_system_does_not_copy_well_is_read(
    base: From,
    folder: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    copy: Callable[[Sendfile, int, int, int, int], int],
) -> None:
    """A file system, or a FUSE, that refuses it, writes other bytes, or stops before the end."""
    await written(base, folder, tmp_path / "first.tar")
    copying(monkeypatch, copy)
    await written(base, folder, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "first.tar").read_bytes()


@on_linux
@pytest.mark.parametrize("change", ["bytes", "times too", "longer", "shorter", "gone"])
async def test_a_file_that_changes_while_it_is_copied_is_no_image(
    base: From, folder: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Also where what tells a change of it is as it was, as for a file written to by a memory map."""
    await written(base, folder, tmp_path / "first.tar")
    before, size = weights.stat(), weights.stat().st_size
    now = Changed(weights, change)

    def copy(system: Sendfile, into: int, source: int, offset: int, count: int) -> int:
        if os.fstat(source).st_ino == before.st_ino and offset + count == size:
            now.change()
        return system(into, source, offset, count)

    monkeypatch.setattr(arriving, "_AT_A_TIME", 1 << 20)
    copying(monkeypatch, copy)
    with pytest.raises(ProjectError, match=r"changed|disappeared"):
        await written(base, folder, tmp_path / "again.tar")
    assert now.done and not list(tmp_path.glob("*again.tar*"))


@define
class Changed:
    """A file that somebody changes, once.

    :param how: what becomes of it.
    """

    path: Path
    how: str
    done: bool = False

    def change(self) -> None:
        """Change it, as from now on."""
        data, before = self.path.read_bytes(), self.path.stat()
        if self.how == "gone":
            self.path.unlink()
        else:
            new = {"longer": data + b"more", "shorter": data[:-9]}.get(self.how, data[:-1] + bytes([data[-1] ^ 1]))
            self.path.write_bytes(new)
        if self.how == "bytes":
            os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.done = True
