"""``dagger-aml cache``: what is kept, and removing it."""

import json
from pathlib import Path

import pytest

from dagger_aml.oci.content_store import ContentStore
from tests.support.cli import run


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ContentStore:
    """A cache with two blobs and a document."""
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    made = ContentStore(tmp_path / "cache")
    made.put([b"a" * 1000])
    made.put([b"b" * 2000])
    made.put_document("runtime", "x", {})
    return made


def test_what_is_kept_is_listed_and_removed(store: ContentStore) -> None:
    said = run("cache", "ls").stdout
    assert said.count("sha256:") == 2 and f"2 blobs, 3.0 kB of at most 10.0 GB, in {store.root}" in said
    assert [each["size"] for each in json.loads(run("cache", "ls", "--json").stdout)["blobs"]] in (
        [1000, 2000],
        [2000, 1000],
    )
    assert "removed 0 blobs" in run("cache", "prune", "--keep", "3kB").stdout
    assert store.document("runtime", "x") == {}
    assert json.loads(run("cache", "prune", "--json").stdout)["freed"] == 3000
    assert store.blobs() == () and store.document("runtime", "x") is None


def test_nothing_kept_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "none"))
    assert "0 blobs" in run("cache", "ls").stdout and "removed 0 blobs" in run("cache", "prune").stdout
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("words", "says"), [
    (("ls", "--keep", "1GB"), "--keep works only with prune"),
    (("prune", "--keep", "much"), "not a size: 'much'"),
])  # fmt: skip
def test_wrong_use(store: ContentStore, words: tuple[str, ...], says: str) -> None:
    done = run("cache", *words)
    assert done.returncode == 2 and says in done.stderr
    assert len(store.blobs()) == 2


@pytest.mark.parametrize(("words", "says"), [
    (("--layers", "builder", "--cache-to", "r.example/c"), "--cache-to does not work with --layers builder"),
    (("--cache-from", "r.example/c:1"), "r.example/c:1 has a tag or a digest"),
])  # fmt: skip
def test_wrong_places_for_what_ran(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "score.py").write_text("def init():\n    pass\n\n\ndef run(raw):\n    return raw\n")
    done = run("build", tmp_path, *words)
    assert done.returncode == 2 and says in done.stderr
