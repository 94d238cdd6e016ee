"""Layers as they stream: digests, files that change meanwhile, memory, threads; whether compressing pays."""

from __future__ import annotations

import gzip
import os
import random
import re
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dagger_aml import ProjectError
from dagger_aml.oci import layer_writer
from dagger_aml.oci.compression import choose_compression
from dagger_aml.oci.entries import Compression, TarEntry
from dagger_aml.oci.layer_writer import LayerStream, measured, tar_chunks
from tests.support.calls import error_of
from tests.support.tars import FOLDER, file, sha256
from tests.support.users import as_nobody, linux_root, open_to_all

MIB = 1 << 20


def tar_of(*entries: TarEntry) -> bytes:
    return b"".join(tar_chunks(entries))


def layer_of(entries: list[TarEntry], compression: Compression) -> tuple[bytes, LayerStream]:
    stream = LayerStream(entries, compression)
    return b"".join(stream), stream


def test_content_in_memory_and_on_disk_give_one_layer(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3 * MIB + 7)
    (tmp_path / "w").write_bytes(data)
    one = tar_of(FOLDER, file("/m/w", data))
    two = tar_of(FOLDER, file("/m/w", tmp_path / "w"))
    assert sha256(one) == sha256(two)


def test_a_stream_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(random.Random(1).randbytes(2 * MIB))
    stream = LayerStream([FOLDER, file("/m/w", tmp_path / "w")], "gzip")
    first = b"".join(stream), stream.written
    for _ in stream:
        break
    with pytest.raises(RuntimeError):
        _ = stream.written
    assert (b"".join(stream), stream.written) == first


def test_a_layer_is_measured_as_it_is_streamed(tmp_path: Path) -> None:
    chances = random.Random(1)
    sizes = {"a": MIB - 1, "b": MIB, "c": MIB + 1, "d": 3 * MIB + 7, "e": 0}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(chances.randbytes(size))
    entries = [FOLDER, file("/m/text", b"abc"), *(file(f"/m/{name}", tmp_path / name) for name in sizes)]
    found: list[tuple[str, str]] = []
    diff_id = measured(entries, lambda entry, digest: found.append((entry.path, f"sha256:{digest.hex()}")))
    assert diff_id == measured(entries) == sha256(tar_of(*entries))
    files = [(f"/m/{name}", sha256((tmp_path / name).read_bytes())) for name in sizes]
    assert sorted(found) == sorted([("/m/text", sha256(b"abc")), *files])


@pytest.mark.parametrize("change", ["longer", "shorter", "gone"])
def test_a_large_file_that_is_not_as_it_was_is_not_measured(tmp_path: Path, change: str) -> None:
    large = tmp_path / "w"
    large.write_bytes(bytes(2 * MIB))
    entries = [FOLDER, file("/m/w", large)]
    if change == "gone":
        large.unlink()
    else:
        large.write_bytes(bytes(2 * MIB + (1 if change == "longer" else -1)))
    told: list[bytes] = []
    with pytest.raises(ProjectError, match=r"changed while|disappeared") as caught:
        measured(entries, lambda _, digest: told.append(digest))
    assert caught.value.location == str(large) and not told


@pytest.mark.skipif(sys.platform == "win32", reason="no time tells of it")
def test_a_large_file_changed_between_two_readings_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its size and its time are what they were."""
    large = tmp_path / "w"
    large.write_bytes(bytes(2 * MIB))

    def other(path: Path, size: int) -> bytes:
        before = large.stat()
        large.write_bytes(b"1" * size)
        os.utime(large, ns=(before.st_atime_ns, before.st_mtime_ns))
        return bytes(32)

    monkeypatch.setattr(layer_writer, "file_digest", other)
    with pytest.raises(ProjectError, match="changed while it was being read") as caught:
        measured([FOLDER, file("/m/w", large)], lambda _, digest: None)
    assert caught.value.location == str(large)


def test_without_isal_the_layer_is_the_same_and_the_blob_a_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [FOLDER, file("/m/a", b"abc" * 100_000)]
    blob, stream = layer_of(entries, "gzip")
    monkeypatch.setitem(sys.modules, "isal", None)
    other, slow = layer_of(entries, "gzip")
    assert slow.written.diff_id == stream.written.diff_id
    assert gzip.decompress(other) == gzip.decompress(blob)
    assert other != blob
    # No flags, so no name; no time.
    assert blob[:8] == other[:8] == b"\x1f\x8b\x08" + bytes(5)


@pytest.mark.parametrize(("size", "by"), [(250 << 10, "zlib"), (260 << 10, "isa-l")])
def test_little_is_compressed_by_zlib(size: int, by: str) -> None:
    """Whose gzips are the same on every processor; isa-l names no system in its header."""
    entries = [FOLDER, file("/m/a", b"abc" * (size // 3))]
    blob, _ = layer_of(entries, "gzip")
    assert gzip.decompress(blob) == tar_of(*entries)
    assert blob[9] == {"zlib": 3, "isa-l": 255}[by]


def test_a_gzip_of_zlib_has_the_same_bytes_wherever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    blob, _ = layer_of([FOLDER], "gzip")
    assert zlib.decompress(blob, 31) == tar_of(FOLDER)


# Files that change


def _shorter(path: Path) -> None:
    os.truncate(path, 3 * MIB)


def _longer(path: Path) -> None:
    with path.open("ab") as opened:
        opened.write(b"more")


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(("change", "said"), [(_shorter, "then [0-9]+"), (_longer, "then more")])
def test_a_file_whose_size_changes_while_it_is_read_ends_the_layer(
    tmp_path: Path, change: Callable[[Path], None], said: str, compression: Compression
) -> None:
    path = tmp_path / "w"
    path.write_bytes(random.Random(1).randbytes(8 * MIB))
    stream = LayerStream([FOLDER, file("/m/w", path)], compression)
    chunks = iter(stream)
    next(chunks)
    change(path)
    error = error_of(b"".join, chunks)
    assert isinstance(error, ProjectError)
    # How far a shorter one was read depends on the thread ahead.
    assert re.match(rf"{path}: changed while it was being read \(8388608 bytes, {said}\)\n", str(error))
    assert "Run the same command again" in str(error)
    with pytest.raises(RuntimeError):
        _ = stream.written


def test_a_size_that_is_wrong_from_the_start_is_seen(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"123")
    for content in (b"123", tmp_path / "w"):
        for size in (2, 4, 0):
            entry = TarEntry("/w", "file", 0o644, 0, 0, size, content)
            assert "changed while it was being read" in str(error_of(measured, [entry]))


def test_a_file_that_is_gone_or_became_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"123")
    stream = LayerStream([file("/w", tmp_path / "w")], "gzip")
    (tmp_path / "w").unlink()
    assert str(error_of(b"".join, stream)).startswith(f"{tmp_path / 'w'}: disappeared while it was being read\n")
    (tmp_path / "w").mkdir()
    assert f"{tmp_path / 'w'}: cannot be read" in str(error_of(b"".join, stream))


@linux_root
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(b"123")
    path.chmod(0)
    open_to_all(tmp_path)
    assert as_nobody(lambda: str(error_of(measured, [file("/w", path)]))).startswith(f"{path}: cannot be read")


# While it streams


def test_whoever_stops_early_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(random.Random(1).randbytes(8 * MIB))
    for compression in ("none", "gzip"):
        chunks = iter(LayerStream([file("/w", path)], compression))
        next(chunks)
        assert any(each.name.startswith("layer") for each in threading.enumerate())
        chunks.close()
        assert not any(each.name.startswith("layer") for each in threading.enumerate())
    if Path("/proc/self/fd").is_dir():
        links = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
        assert str(path) not in links


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_memory_does_not_grow_with_a_file_and_holes_are_written(tmp_path: Path, compression: Compression) -> None:
    path = tmp_path / "w"
    path.touch()
    os.truncate(path, 64 * MIB)
    stream = LayerStream([file("/w", path)], compression)
    tracemalloc.start()
    largest = size = 0
    for chunk in stream:
        largest, size = max(largest, len(chunk)), size + len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert largest < 2 * MIB and peak < 12 * MIB
    assert stream.written.size == size
    assert size == 64 * MIB + 1536 if compression == "none" else size < MIB


def test_many_small_files_come_in_chunks_of_a_mebibyte() -> None:
    entries = [file(f"/{number}", b"x") for number in range(3000)]
    sizes = [len(chunk) for chunk in tar_chunks(entries)]
    assert sum(sizes) == 3000 * 1024 + 1024
    assert len(sizes) == 3 and min(sizes[:-1]) >= MIB


# Whether compressing pays


def test_what_hardly_shrinks_is_not_compressed(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(6 * MIB)
    (tmp_path / "w").write_bytes(noise)
    assert choose_compression([file("/w", tmp_path / "w")]) == "none"
    assert choose_compression([file("/w", noise)]) == "none"
    assert choose_compression([file("/w", noise), file("/zeros", bytes(MIB))]) == "gzip"
    assert choose_compression([file("/w", noise), file("/zeros", bytes(MIB // 8))]) == "none"


def test_the_whole_of_a_file_counts_not_its_beginning(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(4 * MIB)
    assert choose_compression([file("/w", noise[:MIB] + bytes(20 * MIB))]) == "gzip"
    assert choose_compression([file("/w", bytes(4096) + noise)]) == "none"


def test_small_layers_are_compressed_unseen(tmp_path: Path) -> None:
    gone = TarEntry("/w", "file", 0o644, 0, 0, 1000, tmp_path / "gone")
    assert choose_compression([gone]) == choose_compression([]) == "gzip"


def test_many_tiny_files_are_mostly_headers() -> None:
    chance = random.Random(1)
    assert choose_compression([file(f"/{number}", chance.randbytes(600)) for number in range(2000)]) == "gzip"


def test_a_file_that_is_gone_when_it_is_tried_is_named(tmp_path: Path) -> None:
    gone = TarEntry("/w", "file", 0o644, 0, 0, 5 * MIB, tmp_path / "gone")
    assert str(error_of(choose_compression, [gone])).startswith(f"{tmp_path / 'gone'}: disappeared")
