"""Digests of files that are kept: taken only where a file is as it was, and lay still before it was read."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import anyio
import pytest

from dagger_aml.building.hashing import Hashing
from dagger_aml.fs import still
from dagger_aml.oci import file_digests
from dagger_aml.oci.content_store import ContentStore
from dagger_aml.oci.file_digests import FileDigests

BIG = b"m" * (1 << 17)


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "cache")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read; all count as still at once."""
    monkeypatch.setattr(still, "STILL_NS", -1_000_000_000)
    names: list[str] = []
    real = file_digests.file_digest

    def reading(path: Path, size: int) -> bytes:
        names.append(path.name)
        return real(path, size)

    monkeypatch.setattr(file_digests, "file_digest", reading)
    return names


def asked(store: ContentStore, path: Path) -> bytes | None:
    with FileDigests.kept(store) as kept:
        return kept.get(str(path))


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_file_is_hashed_once(tmp_path: Path, store: ContentStore, hashed: list[str]) -> None:
    path = write(tmp_path / "f/a", BIG)
    assert [asked(store, path) for _ in range(3)] == [hashlib.sha256(BIG).digest()] * 3
    assert hashed == ["a"]


def test_a_small_file_is_not_kept(tmp_path: Path, store: ContentStore, hashed: list[str]) -> None:
    assert asked(store, write(tmp_path / "f/a", b"x")) is None
    assert not hashed and not store.root.exists()


def test_another_content_of_the_same_size_and_time_is_seen(
    tmp_path: Path, store: ContentStore, hashed: list[str]
) -> None:
    path = write(tmp_path / "f/a", BIG)
    info = path.stat()
    asked(store, path)
    path.write_bytes(b"n" + BIG[1:])
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert asked(store, path) == hashlib.sha256(b"n" + BIG[1:]).digest()


def test_another_file_in_its_place_is_seen(tmp_path: Path, store: ContentStore, hashed: list[str]) -> None:
    path = write(tmp_path / "f/a", BIG)
    asked(store, path)
    write(tmp_path / "f/b", BIG[::-1] + b"n").replace(path)
    assert asked(store, path) == hashlib.sha256(BIG[::-1] + b"n").digest()


def test_what_was_changed_just_now_is_not_kept(
    tmp_path: Path, store: ContentStore, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(still, "STILL_NS", 3_600_000_000_000)
    path = write(tmp_path / "f/a", BIG)
    assert asked(store, path) == asked(store, path)
    assert hashed == ["a", "a"]


def test_what_changes_while_it_is_read_is_not_kept(
    tmp_path: Path, store: ContentStore, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "f/a", BIG)

    def writing(each: Path, size: int) -> bytes:
        each.write_bytes(BIG)
        return b"?" * 32

    with monkeypatch.context() as patch:
        patch.setattr(file_digests, "file_digest", writing)
        asked(store, path)
    assert asked(store, path) == hashlib.sha256(BIG).digest()


def test_a_damaged_document_counts_as_none(tmp_path: Path, store: ContentStore, hashed: list[str]) -> None:
    path = write(tmp_path / "f/a", BIG)
    asked(store, path)
    (document,) = (store.root / "files").iterdir()
    document.write_bytes(document.read_bytes().replace(b'"a"', b'"b"'))
    assert asked(store, path) == hashlib.sha256(BIG).digest()
    for wrong in (
        [],
        {"a": 1},
        {"a": [*still.stamp_of(path.stat()), "zz"]},
        {"a": [*still.stamp_of(path.stat()), None]},
    ):
        store.put_document("files", document.stem, wrong)
        assert asked(store, path) == hashlib.sha256(BIG).digest()


def test_files_that_are_gone_are_forgotten(tmp_path: Path, store: ContentStore, hashed: list[str]) -> None:
    first, second = write(tmp_path / "f/a", BIG), write(tmp_path / "f/b", BIG)
    asked(store, first)
    first.unlink()
    asked(store, second)
    (document,) = (store.root / "files").iterdir()
    assert list(store.document("files", document.stem)) == ["b"]


def test_what_is_hashed_while_others_are_kept_disturbs_nothing(
    tmp_path: Path, store: ContentStore, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = write(tmp_path / "f/a", BIG), write(tmp_path / "f/b", BIG)
    there = os.path.lexists
    with FileDigests.kept(store) as kept:
        kept.get(str(first))
        monkeypatch.setattr(os.path, "lexists", lambda path: (kept.get(str(second)), there(path))[1])
    monkeypatch.undo()
    (document,) = (store.root / "files").iterdir()
    assert list(store.document("files", document.stem)) == ["a"]


@pytest.mark.anyio
async def test_a_cancel_waits_for_no_file_that_is_read(store: ContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    read, enough = threading.Event(), threading.Event()

    def reading(self: FileDigests, key: str, /) -> None:
        read.set()
        enough.wait(5)

    monkeypatch.setattr(FileDigests, "get", reading)
    with FileDigests.kept(store) as kept:
        files = Hashing(kept)
        files.add(["a"])
        assert read.wait(5)
        with anyio.move_on_after(0.02) as scope:
            await files.ended()
        assert scope.cancelled_caught and not enough.is_set()
        enough.set()
        await files.ended()
