"""Facts of bases kept by digest: what is found again, for which paths, and what counts for nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from attrs import evolve, fields

from dagger_aml.base import facts_cache
from dagger_aml.base.facts import BaseFacts, Distribution, PathFact
from dagger_aml.base.facts_cache import facts_folder, keep_facts, known_facts
from dagger_aml.base.from_layers import known_from_layers
from dagger_aml.base.known import KnownFacts
from tests.support.cases import for_each
from tests.support.layers import Put, file, layers, link

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
FACTS = BaseFacts(
    "probed",
    environment="/env",
    python="3.12",
    env={"PATH": "/bin", "X": "é\udcff"},
    cmd=("a", "b"),
    volumes=None,
    full_python="3.12.4",
    distributions=(Distribution("idna", "3.10", ("x>=1", "y")), Distribution("z", "1")),
    paths={"/a": PathFact("dir", 0o2755, 1, 2), "/a/l": PathFact("link", 0o777, target="/b")},
)
KNOWN = KnownFacts(FACTS, frozenset({"/a", "/a/l", "/a/gone"}), {"/b": frozenset({"c"})})


def cached_facts(
    digest: str, paths: Iterable[str], folder: Path | None = None, *, packages: bool = False
) -> BaseFacts | None:
    """What is kept of a base as if it were probed for these paths; None where that does not tell all of them."""
    known = known_facts(digest, folder)
    return known.for_paths(paths, packages=packages) if known else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "facts"


# --- which paths are settled --------------------------------------------------------------------------------------


def known(paths: tuple[str, ...], *stack: dict[str, Put], **said: object) -> KnownFacts:
    return known_from_layers({"Env": ["PATH=/bin"], **said}, layers(*stack), paths)


TREE = {
    **{
        "app": Put(uid=5),
        "app/old": Put(),
        "app/old/f": file(),
        "app/f": file(),
        "to": link("app"),
        "gone": link("no"),
    },
    **{"proc": Put(), "app/l": link("/app/old")},
}


@for_each(
    ("path", "settled"),
    {
        **{
            "/app": True,
            "/app/new": True,
            "/app/new/er/f": True,
            "/app/f/x": False,
            "/app/old": False,
            "/other": True,
        },
        **{"/app/old/f": False, "/to/new": True, "/to/old": False, "/gone/x": True, "/proc/1": False, "/dev": False},
        **{"/data": False, "/app/l": False},
    }.items(),
)
def test_what_one_reading_settles_of_other_paths(path, settled):
    asked = ("/app", "/to", "/gone", "/app/score.py")
    found = known(asked, TREE, {"app": Put(uid=5), "app/f": file("new")}, Volumes={"/data/x": {}}).for_paths(
        ["/app", path]
    )
    assert (found is not None) is settled
    if found:
        alone = {each: fact for each, fact in known(("/app", path), TREE).facts.paths.items()}
        assert found.paths == alone and found.paths["/app"].uid == 5


def test_a_file_asked_for_has_nothing_below():
    found = known(("/app/f", "/app/l", "/app/old"), TREE)
    assert found.for_paths(["/app/f/x", "/app/l/new"]).paths == {}
    assert found.for_paths(["/app/l/f"]) is None


def test_a_folder_of_very_many_names_is_not_remembered():
    many = {f"many/{number}": file() for number in range(501)}
    found = known(("/many", "/many/x"), many, {"few": Put()})
    assert found.for_paths(["/many/x"]).paths == {} and found.for_paths(["/many/y"]) is None
    assert known(("/many", "/many/x"), {"many/1": file()}).for_paths(["/many/y"]).paths == {}


def test_what_lower_layers_hold_is_not_claimed_where_they_were_not_read():
    top = {**TREE, "bin": Put(), ".wh.bin": file(), ".wh.etc": file(), ".wh.var": file()}
    found = known(("/app",), {"app/low": file(), "low": file()}, top)
    assert found.listed == {} and found.for_paths(["/low"]) is None and found.for_paths(["/app/low"]) is None


# --- kept and found again -----------------------------------------------------------------------------------------


def test_facts_come_back_as_they_were(folder):
    assert cached_facts(DIGEST, ["/a"], folder) is None
    keep_facts(DIGEST, KNOWN, folder)
    found = known_facts(DIGEST, folder)
    assert found == KNOWN and found.facts.full_python == "3.12.4" and found.facts.glibc == ""
    assert found.facts.distributions == FACTS.distributions
    assert cached_facts(DIGEST, ["/a", "/a/gone", "/b/d"], folder) == evolve(FACTS, paths={"/a": FACTS.paths["/a"]})
    assert cached_facts(DIGEST, [], folder) == evolve(FACTS, paths={})
    assert cached_facts(DIGEST, [], folder, packages=True).distributions == FACTS.distributions
    assert cached_facts(DIGEST, ["/a", "/b"], folder) is None, "one of them was not asked for"
    assert cached_facts(OTHER, ["/a"], folder) is None
    (kept,) = folder.iterdir()
    assert kept.name == "ab" * 32 + ".json"
    assert folder.stat().st_mode & 0o777 == 0o700 == folder.parent.stat().st_mode & 0o700


def test_facts_without_packages_are_asked_again_for_these(folder):
    keep_facts(DIGEST, evolve(KNOWN, facts=evolve(FACTS, distributions=None)), folder)
    assert cached_facts(DIGEST, ["/a"], folder) and cached_facts(DIGEST, ["/a"], folder, packages=True) is None
    keep_facts(DIGEST, KNOWN, folder)
    assert cached_facts(DIGEST, ["/a"], folder, packages=True).distributions == FACTS.distributions


def test_what_was_known_before_stays(folder):
    keep_facts(DIGEST, KNOWN, folder)
    less = evolve(FACTS, paths={"/c": PathFact("file")}, full_python="", distributions=None)
    more = KnownFacts(less, frozenset({"/c", "/d"}))
    keep_facts(DIGEST, more, folder)
    found = cached_facts(DIGEST, ["/a", "/c", "/d"], folder)
    assert found and set(found.paths) == {"/a", "/c"}
    found = known_facts(DIGEST, folder)
    assert found == KNOWN.merged(more) and found.facts.distributions == FACTS.distributions
    keep_facts(DIGEST, KnownFacts(evolve(FACTS, glibc="2.36", distributions=None), frozenset()), folder)
    found = known_facts(DIGEST, folder)
    assert found.facts.glibc == "2.36" and found.facts.distributions == FACTS.distributions


def test_so_many_paths_that_only_the_last_count(folder, monkeypatch):
    monkeypatch.setattr(facts_cache, "_MOST_PATHS", 3)
    keep_facts(DIGEST, KNOWN, folder)
    more = KnownFacts(evolve(FACTS, paths={}), frozenset({"/c"}))
    keep_facts(DIGEST, more, folder)
    assert known_facts(DIGEST, folder) == more


def test_what_is_assumed_or_has_no_digest_is_not_kept(folder):
    keep_facts(DIGEST, evolve(KNOWN, facts=evolve(FACTS, source="catalog")), folder)
    for digest in ("", "latest", "sha256:../../x", "sha256:" + "AB" * 32, "sha512:" + "ab" * 64, DIGEST + "\n"):
        keep_facts(digest, KNOWN, folder)
        assert cached_facts(digest, [], folder) is None
    assert not folder.exists()


def edited(**more: object) -> object:
    def edit(text: str) -> str:
        return json.dumps(json.loads(text) | more, sort_keys=True)

    return edit


def edited_facts(**more: object) -> object:
    def edit(text: str) -> str:
        read = json.loads(text)
        read["known"]["facts"] |= more
        return json.dumps(read, sort_keys=True)

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text[:-20],
        lambda text: "",
        lambda text: "[]",
        lambda text: "null",
        lambda text: "\udcff",
        lambda text: "[" * 100_000,
        edited(schema=0),
        edited(schema=None),
        edited(digest=OTHER),
        edited(known={}),
        edited(known=[1]),
        edited(more=1),
        edited_facts(uid="root"),
        edited_facts(uid="1000"),
        edited_facts(uid=None),
        edited_facts(cmd=1),
        edited_facts(paths=[1]),
        edited_facts(paths={"/a": {"type": "door"}}),
        edited_facts(source="assumed"),
        edited_facts(colour="blue"),
    ],
)
def test_a_damaged_or_foreign_file_counts_for_nothing_and_is_replaced(folder, edit):
    keep_facts(DIGEST, KNOWN, folder)
    (path,) = folder.iterdir()
    path.write_text(edit(path.read_text()), errors="surrogateescape")
    assert cached_facts(DIGEST, ["/a"], folder) is None
    keep_facts(DIGEST, KNOWN, folder)
    assert known_facts(DIGEST, folder) == KNOWN


def test_a_file_that_is_too_large_is_not_read(folder, monkeypatch):
    keep_facts(DIGEST, KNOWN, folder)
    monkeypatch.setattr(facts_cache, "_MOST_BYTES", 100)
    assert known_facts(DIGEST, folder) is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users and modes")
def test_a_folder_that_others_may_write_to_is_not_used(folder):
    keep_facts(DIGEST, KNOWN, folder)
    folder.chmod(0o770)
    assert cached_facts(DIGEST, ["/a"], folder) is None
    keep_facts(OTHER, KNOWN, folder)
    assert len(list(folder.iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    keep_facts(DIGEST, KNOWN, tmp_path / "file" / "facts")
    assert cached_facts(DIGEST, ["/a"], tmp_path / "file" / "facts") is None


def test_where_facts_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "mine"))
    assert facts_folder() == tmp_path / "mine/facts"
    monkeypatch.delenv("DAGGER_AML_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert facts_folder() == tmp_path / "dagger-aml/facts"
    keep_facts(DIGEST, KNOWN)
    assert cached_facts(DIGEST, ["/a"])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert facts_folder() == tmp_path / "home/.cache/dagger-aml/facts"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cached_facts(DIGEST, ["/a"]) is None


def test_a_new_property_of_bases_needs_a_new_schema():
    """Files that lack it would be taken to have its default: raise ``_SCHEMA`` with this list."""
    names = "source user uid gid workdir environment environment_uid environment_gid interpreter python pip managed"
    more = "server starts extras env entrypoint cmd onbuild volumes paths full_python glibc distributions"
    assert [each.name for each in fields(BaseFacts)] == f"{names} {more}".split()
    assert [each.name for each in fields(Distribution)] == ["name", "version", "requires"]
    assert [each.name for each in fields(PathFact)] == ["type", "mode", "uid", "gid", "target"]
    assert facts_cache._SCHEMA == 2
