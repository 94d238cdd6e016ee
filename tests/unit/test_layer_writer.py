"""Layers that are written here: read back by Python, by GNU tar, by our own reader; and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger_aml import GraphError
from dagger_aml.oci.entries import Compression, TarEntry
from dagger_aml.oci.layer import flatten, read_layer
from dagger_aml.oci.layer_writer import FORMAT, LayerStream, measured, tar_chunks
from dagger_aml.oci.tar_header import MTIME, header
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.tars import FOLDER, file, in_order, members, parents, sha256, text, trees

MIB = 1 << 20

needs_gnu_tar = pytest.mark.skipif(
    sys.platform != "linux" or "busybox" in os.path.realpath(shutil.which("tar") or "busybox"),
    reason="there is no GNU tar, or file names are no bytes",
)


LONGEST = "/" + "d" * 77 + "/" + "e" * 77 + "/" + "n" * 100
"""The longest path that a header holds without a PAX record."""


def tar_of(*entries: TarEntry) -> bytes:
    return b"".join(tar_chunks(entries))


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


@for_each(
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
@for_each("type_", ["file", "dir"])
def test_names_at_the_limits_of_a_header_are_whole(path: str, type_: Any) -> None:
    entries = [*parents(path), TarEntry(path, type_, 0o755, 1, 2)]
    member = list(members(tar_of(*entries)))[-1][0]
    assert ("/" + member.name, member.isdir()) == (path, type_ == "dir")


def test_the_length_of_a_pax_record_counts_its_own_digits() -> None:
    for length in (*range(101, 105), *range(975, 1005), 4095):
        link = TarEntry("/l", "link", 0o777, 0, 0, target="t" * length)
        assert next(members(tar_of(link)))[0].linkname == link.target
    for length in range(85, 100):
        name = "é" + "n" * length
        assert next(members(tar_of(file("/" + name, b""))))[0].name == name


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
    """A change here changes the diff ID of every layer, so every image once: raise FORMAT with it."""
    assert FORMAT == 1
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


@for_each(
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
