"""Layers that are written here: read back by Python, by GNU tar, by our own reader; and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger_aml import GraphError, ProjectError
from dagger_aml.oci.compression import choose_compression
from dagger_aml.oci.entries import Compression, TarEntry
from dagger_aml.oci.layer import flatten, read_layer
from dagger_aml.oci.layer_writer import LayerStream, measured, tar_chunks
from dagger_aml.oci.tar_header import MTIME, header
from tests.support.calls import error_of
from tests.support.tars import in_order, members, parents, text, trees
from tests.support.users import as_nobody, linux_root

MIB = 1 << 20

FOLDER = TarEntry("/m", "dir", 0o755, 0, 0)

needs_gnu_tar = pytest.mark.skipif(
    sys.platform != "linux" or "busybox" in os.path.realpath(shutil.which("tar") or "busybox"),
    reason="there is no GNU tar, or file names are no bytes",
)


LONGEST = "/" + "d" * 77 + "/" + "e" * 77 + "/" + "n" * 100
"""The longest path that a header holds without a PAX record."""


def file(path: str, data: bytes | Path, **more: Any) -> TarEntry:
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    return TarEntry(path, "file", **{"mode": 0o644, "uid": 0, "gid": 0, "size": size, "content": data, **more})


def tar_of(*entries: TarEntry) -> bytes:
    return b"".join(tar_chunks(entries))


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer_of(entries: list[TarEntry], compression: Compression) -> tuple[bytes, LayerStream]:
    stream = LayerStream(entries, compression)
    return b"".join(stream), stream


# What readers see


@given(trees())
def test_python_reads_each_entry_as_it_was_said(entries: list[TarEntry]) -> None:
    expected = in_order(entries)
    files = {each.path: each for each in entries}
    tar = tar_of(*entries)
    read = list(members(tar))
    assert ["/" + member.name for member, _ in read] == [each.path for each in expected]
    for (member, data), entry in zip(read, expected, strict=True):
        owner = files[entry.target] if entry.type == "hardlink" else entry
        assert (member.uid, member.gid) == (owner.uid, owner.gid)
        assert member.mode == (0o777 if entry.type == "link" else owner.mode)
        assert (member.mtime, member.uname, member.gname) == (MTIME, "", "")
        assert not member.issparse()
        kind = (
            "dir" * member.isdir() + "file" * member.isreg() + "link" * member.issym() + "hardlink" * member.islnk()
        )
        assert kind == entry.type
        assert data == (entry.content if entry.type == "file" else b"")
        assert member.linkname == (entry.target.removeprefix("/") if entry.type == "hardlink" else entry.target)
    assert len(tar) == LayerStream(entries, "none").size and tar.endswith(bytes(1024))


@given(trees(), st.sampled_from(["none", "gzip"]))
def test_our_reader_reads_the_same_nodes_and_digests(entries: list[TarEntry], compression: Compression) -> None:
    digests: dict[str, str] = {}
    stream = LayerStream(entries, compression, lambda entry, digest: digests.update({entry.path: digest.hex()}))
    blob = b"".join(stream)
    contents, diff_id = read_layer(io.BytesIO(blob))
    written = stream.written
    assert (written.diff_id, written.digest, written.size) == (diff_id, sha256(blob), len(blob))
    assert written.compression == compression and stream.size in (None, len(blob))
    assert diff_id == sha256(gzip.decompress(blob) if compression == "gzip" else blob) == measured(entries)
    assert not contents.removed and not contents.emptied
    nodes, _ = flatten([contents])
    files = {each.path: each for each in entries}
    assert nodes.keys() == files.keys()
    for path, node in nodes.items():
        own = files[path]
        true = files[own.target] if own.type == "hardlink" else own
        assert (node.type, node.uid, node.gid, node.size) == (true.type, true.uid, true.gid, true.size)
        assert node.sha256 == (digests[true.path] if true.type == "file" else "")
        if true is not own:
            assert node is nodes[true.path]
    assert digests.keys() == {each.path for each in entries if each.type == "file"}


@needs_gnu_tar
@given(entries=trees())
@settings(max_examples=4)
def test_gnu_tar_unpacks_the_same_tree(entries: list[TarEntry], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = os.fsencode(tmp_path_factory.mktemp("unpacked"))
    # What is in a folder is put there before the folder gets its mode.
    words = ["tar", "--extract", "--preserve-permissions", "--no-same-owner", "--delay-directory-restore"]
    words.append("--warning=no-unknown-keyword")  # It does not know hdrcharset, and does as that says.
    done = subprocess.run([*words, b"--directory=" + folder], input=tar_of(*entries), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    files = {each.path: each for each in entries}
    found = {folder + b"/" + name for base, names in _listed(folder) for name in (base + each for each in names)}
    assert found == {folder + os.fsencode(path) for path in files}
    for path, entry in files.items():
        own = files[entry.target] if entry.type == "hardlink" else entry
        info = os.lstat(folder + os.fsencode(path))
        if entry.type == "link":
            assert os.readlink(folder + os.fsencode(path)) == os.fsencode(entry.target)
        else:
            assert info.st_mode & 0o7777 == own.mode
            assert info.st_mtime == MTIME
        if own.type == "file":
            with open(folder + os.fsencode(path), "rb") as opened:
                assert opened.read() == own.content
        if entry.type == "hardlink":
            assert os.path.samefile(folder + os.fsencode(path), folder + os.fsencode(entry.target))


def _listed(folder: bytes) -> list[tuple[bytes, list[bytes]]]:
    return [((base[len(folder) :] + b"/").lstrip(b"/"), folders + files) for base, folders, files in os.walk(folder)]


@needs_gnu_tar
def test_gnu_tar_lists_owners_sizes_and_times() -> None:
    big = TarEntry("/m/big", "file", 0o640, 3_000_000, 4_000_000_000, 5, b"12345")
    words = ["tar", "--list", "--verbose", "--numeric-owner", "--utc", "--full-time"]
    done = subprocess.run(words, input=tar_of(FOLDER, big), capture_output=True, check=True)
    assert [line.split() for line in done.stdout.decode().splitlines()] == [
        ["drwxr-xr-x", "0/0", "0", "1980-01-01", "00:00:00", "m/"],
        ["-rw-r-----", "3000000/4000000000", "5", "1980-01-01", "00:00:00", "m/big"],
    ]


def test_a_file_of_more_than_8_gib_has_its_size_in_a_pax_record() -> None:
    for size, has_record in ((8**11 - 1, False), (8**11, True), (5 * 10**12, True)):
        front = header(TarEntry("/m/big", "file", 0o644, 0, 0, size, Path("big")))
        assert (b"size=" in front, len(front)) == (has_record, 1536 if has_record else 512)
        with tarfile.open(fileobj=io.BytesIO(front), mode="r:") as opened:
            member = opened.next()
        assert member is not None and (member.name, member.size) == ("m/big", size)


@pytest.mark.parametrize(
    "path",
    [
        "/" + "n" * 100,
        "/" + "n" * 101,
        "/" + "d" * 99,
        "/" + "d" * 155 + "/" + "n" * 100,
        "/" + "d" * 156 + "/" + "n" * 100,
        "/" + "d" * 155 + "/" + "n" * 101,
        "/" + "/".join(["d" * 255] * 15),
        "/m/" + "é" * 50,
    ],
    ids=len,
)
@pytest.mark.parametrize("type_", ["file", "dir"])
def test_names_at_the_limits_of_a_header_are_whole(path: str, type_: Any) -> None:
    entries = [*parents(path), TarEntry(path, type_, 0o755, 1, 2)]
    member = list(members(tar_of(*entries)))[-1][0]
    assert ("/" + member.name, member.isdir()) == (path, type_ == "dir")


def test_pax_records_stand_only_where_a_header_cannot_say_it() -> None:
    assert b"PaxHeader" not in tar_of(
        FOLDER,
        file("/m/a", b"1", uid=2097151, gid=2097151),
        TarEntry("/m/l", "link", 0o777, 0, 0, target="t" * 100),
        *parents(LONGEST),
        file(LONGEST, b""),
    )


# The same bytes


SMALL = (
    FOLDER,
    file("/m/model.bin", b"weights\n", mode=0o640, uid=1001, gid=1002),
    file("/m/run", b"#!/bin/sh\n", mode=0o755),
    TarEntry("/m/latest", "link", 0o777, 0, 0, target="model.bin"),
    TarEntry("/m/again", "hardlink", 0o640, 1001, 1002, target="/m/model.bin"),
    TarEntry("/m/\udcff", "file", 0o644, 3_000_000, 0),
    TarEntry("/m/é", "dir", 0o755, 0, 0),
    TarEntry("/m/é/" + "n" * 120, "file", 0o644, 0, 0),
)


def test_the_bytes_of_a_layer_are_those_that_they_were() -> None:
    """A change here changes the diff ID of every layer, so every image once."""
    tar = tar_of(*SMALL)
    assert [member.name for member, _ in members(tar)] == [
        "m",
        "m/latest",
        "m/model.bin",
        "m/run",
        "m/é",
        "m/é/" + "n" * 120,
        text(b"m/\xff"),
        "m/again",
    ]
    assert tar[:512].rstrip(b"\0") == (
        b"m/".ljust(100, b"\0") + b"0000755\x000000000\x000000000\x0000000000000\x0002263523000\x00007470\x00 5"
        b"" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000"
    )
    assert sha256(tar) == "sha256:62c5d0a84b120443c6258cac576e992f4f17768226383c50387a695251b55cc9"


@given(trees(), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_in_which_entries_come_does_not_matter(entries: list[TarEntry], chance: random.Random) -> None:
    shuffled = entries.copy()
    chance.shuffle(shuffled)
    assert tar_of(*entries) == tar_of(*shuffled)


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


def test_a_gzip_of_zlib_has_the_same_bytes_wherever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    blob, _ = layer_of([FOLDER], "gzip")
    assert zlib.decompress(blob, 31) == tar_of(FOLDER)


# What is refused


def refused(*entries: TarEntry) -> str:
    error = error_of(tar_chunks, entries)
    assert isinstance(error, GraphError)
    assert str(error_of(LayerStream, entries, "none")) == str(error)
    return str(error)


def test_a_whiteout_is_refused_where_it_stands() -> None:
    for name in (".wh.model.bin", ".wh..wh..opq", ".wh."):
        assert f"/m/{name}: a name that begins with .wh." in refused(FOLDER, file(f"/m/{name}", b""))
    assert "/m/.wh.x:" in refused(FOLDER, TarEntry("/m/.wh.x", "dir", 0o755, 0, 0))
    assert len(tar_of(FOLDER, file("/m/.whx", b""), file("/m/a.wh.b", b""))) == 3 * 512 + 1024


def test_a_path_stands_once_whatever_it_is() -> None:
    assert "/m: a layer would hold this path twice" in refused(FOLDER, FOLDER)
    assert "/m/a: a layer would hold" in refused(FOLDER, file("/m/a", b""), TarEntry("/m/a", "dir", 0o755, 0, 0))


def test_no_entry_comes_without_its_folder() -> None:
    assert "/m/a: a layer would hold this path without its folder '/m'" in refused(file("/m/a", b""))
    link = TarEntry("/m", "link", 0o777, 0, 0, target="n")
    assert "without its folder '/m'" in refused(link, file("/m/a", b""))


def test_a_hard_link_leads_to_a_file_of_its_layer() -> None:
    for target in ("/elsewhere", "/m", "/m/self", ""):
        link = TarEntry("/m/self", "hardlink", 0o644, 0, 0, target=target)
        assert "which is no file of its layer" in refused(FOLDER, link)


def test_a_hard_link_gets_the_owner_and_mode_of_its_file_and_comes_after_it() -> None:
    link = TarEntry("/m/a", "hardlink", 0o600, 7, 7, target="/m/z")
    read = list(members(tar_of(link, FOLDER, file("/m/z", b"z", mode=0o4755, uid=3_000_000))))
    assert [(each.name, each.mode, each.uid, each.size) for each, _ in read[1:]] == [
        ("m/z", 0o4755, 3_000_000, 1),
        ("m/a", 0o4755, 3_000_000, 0),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        file("/", b""),
        file("m", b""),
        file("//m", b""),
        file("/m/", b""),
        file("/../m", b""),
        file("/.", b""),
        file("/a\0b", b""),
        file("/\ud800", b""),
        file("/" + "é" * 128, b""),
        file("/m", b"", mode=0o100644),
        file("/m", b"", uid=-1),
        file("/m", b"", gid=2**32 - 1),
        TarEntry("/m", "dir", 0o755, 0, 0, 5),
        TarEntry("/m", "link", 0o777, 0, 0),
        TarEntry("/m", "link", 0o777, 0, 0, target="a\0b"),
        TarEntry("/m", "link", 0o777, 0, 0, target="t" * 4096),
    ],
    ids=lambda entry: repr(entry)[:60],
)
def test_what_linux_or_a_tar_cannot_hold_is_refused(entry: TarEntry) -> None:
    assert refused(entry)


# Files that change


def _shorter(path: Path) -> None:
    os.truncate(path, 3 * MIB)


def _longer(path: Path) -> None:
    with path.open("ab") as opened:
        opened.write(b"more")


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(("change", "said"), [(_shorter, "then 3145728"), (_longer, "then more")])
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
    assert str(error).startswith(f"{path}: changed while it was being read (8388608 bytes, {said})\n")
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
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
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
