"""``dagger-aml cache``: what is kept, and removing it."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from attrs import evolve

from dagger_aml.oci.content_store import ContentStore
from dagger_aml.wheels.cache import WheelCache
from dagger_aml.wheels.manifest import FIXED_TIME, Manifest, TreeFile
from tests.support.cli import run_here
from tests.support.disks import enlarge, mounted


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
    said = run_here("cache", "ls").stdout
    assert said.count("sha256:") == 2 and f"2 blobs, 3.0 kB of at most 10.0 GB, in {store.root}" in said
    assert [each["size"] for each in json.loads(run_here("cache", "ls", "--json").stdout)["blobs"]] in (
        [1000, 2000],
        [2000, 1000],
    )
    assert "removed 0 blobs" in run_here("cache", "prune", "--keep", "3kB").stdout
    assert store.document("runtime", "x") == {}
    assert json.loads(run_here("cache", "prune", "--json").stdout)["freed"] == 3000
    assert store.blobs() == () and store.document("runtime", "x") is None


@pytest.fixture
def wheels(store: ContentStore) -> WheelCache:
    """In the same cache a wheel and a tree, the wheel the longest unused of all."""
    made = WheelCache.of_user()
    assert made.root == store.root / "wheels"
    data = b"c" * 4000
    sha256 = hashlib.sha256(data).hexdigest()
    with made.work() as work:
        (work / "wheel").write_bytes(data)
        os.utime(made.keep_wheel(work / "wheel", sha256), (1, 1))
    with made.work() as work:
        module = work / "tree/a.py"
        module.parent.mkdir()
        module.write_bytes(b"d" * 8000)
        module.chmod(0o644)
        os.utime(module, (FIXED_TIME, FIXED_TIME))
        file = TreeFile("a.py", 0o644, 8000, hashlib.sha256(module.read_bytes()).hexdigest())
        manifest = Manifest((), (file,))
        manifest.write(work / "manifest.json")
        made.keep_tree(work, "key", manifest)
    return made


def test_wheels_are_kept_and_go_with_the_rest(store: ContentStore, wheels: WheelCache) -> None:
    said = run_here("cache", "ls").stdout
    assert "trees/key     8.0 kB  last used" in said
    assert f"2 wheels and unpacked wheels, 12.0 kB, in {wheels.root}\n2 blobs, 3.0 kB of" in said
    assert [each["size"] for each in json.loads(run_here("cache", "ls", "--json").stdout)["wheels"]] == [4000, 8000]
    assert "removed 0 blobs and 1 wheels, 4.0 kB" in run_here("cache", "prune", "--keep", "12kB").stdout
    assert wheels.tree("key") and len(store.blobs()) == 2
    assert "removed 2 blobs and 1 wheels, 11.0 kB" in run_here("cache", "prune").stdout
    assert wheels.kept() == () and store.blobs() == ()
    assert [path.name for path in wheels.root.iterdir() if path.name.startswith("work-")] == []


def test_what_is_used_goes_last(store: ContentStore, wheels: WheelCache) -> None:
    (wheel,) = (each for each in wheels.kept() if each.name.startswith("files/"))
    assert wheel.used == 1 and wheels.wheel(wheel.name[len("files/") : -len(".whl")])
    os.utime(wheels.root / "trees/key/manifest.json", (2, 2))
    assert [each.name for each in wheels.kept()] == ["trees/key", wheel.name]
    assert wheels.tree("key")
    assert [each.name for each in wheels.kept()] == [wheel.name, "trees/key"]
    for name in ("../blobs", "trees/../files", "blobs/x", "files/"):
        with pytest.raises(ValueError):
            wheels.remove(evolve(wheel, name=name))


def test_nothing_kept_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "none"))
    assert "0 blobs" in run_here("cache", "ls").stdout and "removed 0 blobs" in run_here("cache", "prune").stdout
    assert not (tmp_path / "none").exists()


def test_a_read_only_cache_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As one that a CI system mounts into a job."""
    with mounted(tmp_path / "disk", "size=1m,mode=0700") as place:
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(place))
        wheels, store = WheelCache.of_user(), ContentStore(place)
        with wheels.work() as work:
            (work / "tree").mkdir()
            Manifest((), ()).write(work / "manifest.json")
            wheels.keep_tree(work, "key", Manifest((), ()))
        for more in (lambda: None, lambda: store.put([b"a"])):  # A tree alone was told as removed.
            enlarge(place, "rw")
            more()
            enlarge(place, "ro")
            done = run_here("cache", "prune")
            said = f"dagger-aml: error: {place}: the cache cannot be emptied (Read-only file system)\n  Do it where"
            assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(said), done
        assert len(wheels.kept()) == 1 and len(store.blobs()) == 1
        enlarge(place, "rw")
        assert "removed 1 blobs and 1 wheels" in run_here("cache", "prune").stdout and not wheels.kept()


@pytest.mark.parametrize(("words", "says"), [
    (("ls", "--keep", "1GB"), "--keep works only with prune"),
    (("prune", "--keep", "much"), "not a size: 'much'"),
])  # fmt: skip
def test_wrong_use(store: ContentStore, words: tuple[str, ...], says: str) -> None:
    done = run_here("cache", *words)
    assert done.returncode == 2 and says in done.stderr
    assert len(store.blobs()) == 2


@pytest.mark.parametrize(("words", "says"), [
    (("--layers", "builder", "--cache-to", "r.example/c"), "--cache-to does not work with --layers builder"),
    (("--cache-from", "r.example/c:1"), "r.example/c:1 has a tag or a digest"),
])  # fmt: skip
def test_wrong_places_for_what_ran(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "score.py").write_text("def init():\n    pass\n\n\ndef run(raw):\n    return raw\n")
    done = run_here("build", tmp_path, *words)
    assert done.returncode == 2 and says in done.stderr
