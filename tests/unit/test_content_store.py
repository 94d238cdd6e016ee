"""Blobs kept by digest: whole or not at all, checked when read, the longest unused first to go."""

import hashlib
import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from dagger_aml.errors import UsageError
from dagger_aml.fs.cache_folder import cache_folder, private_folder
from dagger_aml.oci import content_store
from dagger_aml.oci.content_store import ContentStore, Damaged
from tests.support.disks import mounted


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read(store: ContentStore, name: str) -> bytes:
    with store.open(name) as file:
        return b"".join(iter(lambda: file.read(3), b""))


def test_a_blob_comes_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "cache")
    assert store.add(digest(b"abcdef"), [b"abc", b"def"]) == 6
    assert read(store, digest(b"abcdef")) == b"abcdef"
    assert store.put([b"xy"]) == (digest(b"xy"), 2)
    assert sorted(each.size for each in store.blobs()) == [2, 6]
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert len(list((tmp_path / "cache/blobs/sha256").iterdir())) == 2


def test_what_is_not_its_digest_is_not_kept(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    with pytest.raises(Damaged):
        store.add(digest(b"a"), [b"b"])

    def broken():
        yield b"a"
        raise OSError("cut")

    with pytest.raises(OSError, match="cut"):
        store.put(broken())
    assert list((tmp_path / "blobs/sha256").iterdir()) == []
    with pytest.raises(KeyError), store.open(digest(b"a")):
        pass


def left(root: Path) -> list[str]:
    """The names of what the store has among its blobs."""
    return sorted(each.name for each in (root / "blobs/sha256").iterdir())


def test_what_goes_by_is_kept_once_all_of_it_went_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []

    class Counting:
        def __init__(self) -> None:
            self.total = hashlib.sha256()

        def update(self, data: bytes) -> None:
            hashed.append(len(data))
            self.total.update(data)

        def hexdigest(self) -> str:
            return self.total.hexdigest()

    monkeypatch.setattr(content_store, "hashlib", SimpleNamespace(sha256=Counting))
    store, name = ContentStore(tmp_path), digest(b"abcdef")
    passing = store.keeping(name, [b"abc", b"def"])
    assert next(passing) == b"abc" and not store.has(name)
    assert list(passing) == [b"def"] and hashed == [3, 3], "hashed once"
    assert left(tmp_path) == [name[7:]] and read(store, name) == b"abcdef"
    (tmp_path / "blobs/sha256" / name[7:]).write_bytes(b"abcdeF")
    with pytest.raises(Damaged):  # What changes on the disk afterwards is still found.
        read(store, name)


def test_what_goes_by_and_is_wrong_or_not_all_is_not_kept(tmp_path: Path) -> None:
    store, name = ContentStore(tmp_path), digest(b"abcdef")
    with pytest.raises(Damaged):
        list(store.keeping(name, [b"abc", b"deF"]))
    assert left(tmp_path) == []
    passing = store.keeping(name, [b"abc", b"def"])
    assert next(passing) == b"abc" and len(left(tmp_path)) == 1
    passing.close()
    assert left(tmp_path) == []

    def cut():
        yield b"abc"
        raise OSError("cut")

    with pytest.raises(OSError, match="cut"):
        list(store.keeping(name, cut()))
    assert left(tmp_path) == []


@pytest.mark.parametrize("fails", ["folder", "write", "flush", "name"])
@pytest.mark.parametrize("sent", [b"abcdef", b"abcdeF"])
def test_what_goes_by_and_cannot_be_kept_is_held_against_its_digest_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, sent: bytes
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if fails == "folder":
        monkeypatch.setattr(content_store, "private_folder", full)
    elif fails == "name":
        monkeypatch.setattr(os, "replace", full)
    else:
        fdopen = os.fdopen
        monkeypatch.setattr(os, "fdopen", lambda *words: Full(fdopen(*words), fails))
    store, name = ContentStore(tmp_path), digest(b"abcdef")
    read: list[bytes] = []
    with nullcontext() if sent == b"abcdef" else pytest.raises(Damaged):
        for chunk in store.keeping(name, [sent[:3], sent[3:]]):
            read.append(chunk)
    assert b"".join(read) == sent and not store.has(name)
    assert fails == "folder" or left(tmp_path) == []


class Full:
    """A file on a disk that is full: with its second chunk, or when what is left is written."""

    def __init__(self, file: IO[bytes], fails: str) -> None:
        self.file, self.fails, self.writes = file, fails, 0

    def write(self, chunk: bytes) -> None:
        self.writes += 1
        if self.fails == "write" and self.writes == 2:
            raise OSError(28, "No space left on device")
        self.file.write(chunk)

    def close(self) -> None:
        if not self.file.closed:
            self.file.close()
            if self.fails == "flush":
                raise OSError(28, "No space left on device")


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"X" + data[1:], lambda data: data + b"X"])
def test_a_damaged_blob_is_told_at_its_end_and_taken_out(tmp_path: Path, damage) -> None:
    store = ContentStore(tmp_path)
    name, _ = store.put([b"some bytes"])
    path = tmp_path / "blobs/sha256" / name[7:]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Damaged):
        read(store, name)
    assert not store.has(name)


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, limit=25)
    names = []
    for number in range(3):
        name, _ = store.put([b"%d" % number * 10])
        os.utime(tmp_path / "blobs/sha256" / name[7:], (number, number))
        names.append(name)
    store.prune()
    assert [store.has(each) for each in names] == [False, True, True]
    read(store, names[1])
    assert [each.name for each in store.prune(10)] == [names[2]]
    assert store.prune(0, keep=[names[1]]) == () and store.has(names[1])


def test_documents_are_read_back_and_damaged_ones_count_as_missing(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    assert store.document("runtime", "a") is None
    store.put_document("runtime", "a", {"b": [1]})
    assert store.document("runtime", "a") == {"b": [1]}
    (tmp_path / "runtime/a.json").write_text("{")
    assert store.document("runtime", "a") is None
    for kind, name in (("..", "a"), ("runtime", "../x"), ("runtime", ""), ("a/b", "c")):
        with pytest.raises(ValueError):
            store.document(kind, name)


def test_of_a_document_that_cannot_be_kept_nothing_stays(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    (tmp_path / "runtime/a.json").mkdir(parents=True)
    store.put_document("runtime", "a", 1)
    with pytest.raises(TypeError):
        store.put_document("runtime", "b", tmp_path)
    assert [path.name for path in (tmp_path / "runtime").iterdir()] == ["a.json"]


def test_documents_that_others_can_write_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ContentStore(tmp_path)
    store.put_document("stamps", "a", 1)
    (tmp_path / "stamps").chmod(0o770)
    assert store.document("stamps", "a") is None
    (tmp_path / "stamps").chmod(0o700)
    assert store.document("stamps", "a") == 1
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert store.document("stamps", "a") is None


def test_of_documents_the_longest_unused_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(content_store, "_MOST_DOCUMENTS", 2)
    store = ContentStore(tmp_path)
    for age, name in enumerate("abc"):
        store.put_document("stamps", name, name)
        if name != "c":
            os.utime(tmp_path / f"stamps/{name}.json", (1000 - age, 1000 - age))
    assert [each for each in "abc" if store.document("stamps", each)] == ["a", "c"]
    store.drop_document("stamps", "a")
    store.drop_document("stamps", "b")
    assert [each for each in "abc" if store.document("stamps", each)] == ["c"]


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("DAGGER_AML_CACHE_DIR")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dagger-aml"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home/.cache/dagger-aml"


def test_a_folder_that_others_may_enter_is_shut(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert private_folder(tmp_path / "open").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        private_folder(tmp_path / "file/x")


def test_a_read_only_folder_that_others_may_enter_is_said(tmp_path: Path) -> None:
    """As of a cache that a CI system mounts into a job."""
    with mounted(tmp_path / "cache", "ro,size=64k,mode=0755") as place:
        with pytest.raises(UsageError, match=r"this user's alone \(Read-only file system\)") as caught:
            private_folder(place)
        assert caught.value.location == str(place) and "DAGGER_AML_CACHE_DIR" in str(caught.value.hint)
    with mounted(tmp_path / "shut", "ro,size=64k,mode=0700") as place:
        assert private_folder(place) == place
