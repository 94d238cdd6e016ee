"""Facts of bases as JSON: every field there and back, and nothing taken that is not exactly what would be written."""

from __future__ import annotations

import json

import pytest
from attrs import fields, resolve_types
from cattrs import BaseConverter

from dagger_aml.backends.direct import note
from dagger_aml.backends.direct.note import Note, RuntimeNote, read_note, write_note
from dagger_aml.base import facts_json
from dagger_aml.base.facts import BaseFacts, Distribution, PathFact
from dagger_aml.base.facts_json import read_known, written
from dagger_aml.base.known import KnownFacts
from tests.support.cases import for_each

FACTS = BaseFacts(
    "probed",
    user="",
    uid=0,
    gid=7,
    workdir="/w",
    environment="/env",
    environment_uid=3,
    environment_gid=4,
    interpreter="/usr/bin/python3",
    python="3.12",
    pip=False,
    managed=True,
    server="/env/bin/azmlinfsrv",
    starts=True,
    extras=False,
    env={"PATH": "/bin", "X": "é\udcff"},
    entrypoint=("e",),
    cmd=("a", "b"),
    onbuild=None,
    volumes=("/v",),
    paths={"/a": PathFact("dir", 0o2755, 1, 2), "/a/l": PathFact("link", 0o777, target="/b")},
    full_python="3.12.4",
    glibc="2.35",
    distributions=(Distribution("idna", "3.10", ("x>=1", "y")), Distribution("z", "1")),
)
KNOWN = KnownFacts(FACTS, frozenset({"/a", "/a/l", "/a/gone"}), {"/b": frozenset({"c", "a"})})
BARE = KnownFacts(BaseFacts("probed"), frozenset())


@pytest.mark.parametrize("known", [KNOWN, BARE])
@pytest.mark.parametrize("defaults", [True, False])
def test_every_field_comes_back(known, defaults):
    text = json.dumps(written(known, defaults=defaults), sort_keys=True)
    found = read_known(json.loads(text))
    for each in fields(BaseFacts):
        assert getattr(found.facts, each.name) == getattr(known.facts, each.name), each.name
    assert (found.asked, found.listed) == (known.asked, known.listed)
    assert found.facts.distributions == known.facts.distributions


@pytest.mark.parametrize(
    ("table", "kind"),
    [("_FACTS", BaseFacts), ("_KNOWN", KnownFacts), ("_PATH", PathFact), ("_DISTRIBUTION", Distribution)],
)
def test_every_field_has_its_reader(table, kind):
    assert list(getattr(facts_json, table)) == [each.name for each in fields(kind)]


@pytest.mark.parametrize(("table", "kind"), [("_NOTE", Note), ("_RUNTIME", RuntimeNote), ("_WRITTEN", note._Written)])
def test_every_field_of_a_note_has_its_reader(table, kind):
    assert list(getattr(note, table)) == [each.name for each in fields(kind)]


@pytest.mark.parametrize("known", [KNOWN, BARE])
def test_what_is_written_is_what_a_library_for_it_writes(known):
    converter = BaseConverter()
    for each in (KnownFacts, BaseFacts, PathFact, Distribution):
        resolve_types(each)
    expected = json.dumps(converter.unstructure(known), sort_keys=True, default=sorted)
    assert json.dumps(written(known), sort_keys=True) == expected


def replaced(name: str, value: object) -> object:
    """What is written of all facts, one field of it another."""
    data = json.loads(json.dumps(written(KNOWN)))
    at = data
    *above, last = name.split(" ")
    for each in above:
        at = at[int(each)] if isinstance(at, list) else at[each]
    at[last] = value
    return data


@for_each(
    ("name", "value"),
    [
        ("facts uid", "0"),
        ("facts uid", True),
        ("facts uid", 1.0),
        ("facts user", None),
        ("facts pip", 1),
        ("facts source", "said"),
        ("facts env", [["PATH", "/bin"]]),
        ("facts env", {"PATH": 1}),
        ("facts cmd", "ab"),
        ("facts cmd", ["a", 1]),
        ("facts volumes", {"/v": {}}),
        ("facts more", ""),
        ("facts paths", {"/a": {"mode": 1}}),
        ("facts paths /a type", "folder"),
        ("facts paths /a type", ["dir"]),
        ("facts paths /a mode", None),
        ("facts distributions", [{"name": "x"}]),
        ("facts distributions 0 requires", "x"),
        ("asked", {"/a": 1}),
        ("asked", None),
        ("listed", {"/b": "c"}),
        ("listed", []),
        ("facts", None),
        ("facts", {}),
        ("more", 1),
    ],
)
def test_nothing_of_another_kind_is_taken(name, value):
    with pytest.raises(ValueError):
        read_known(replaced(name, value))


@for_each("data", [None, [], "x", 1, {}, {"asked": []}])
def test_what_are_no_facts_is_refused(data):
    with pytest.raises(ValueError):
        read_known(data)


@pytest.mark.parametrize("made", [1, 1.5])
def test_a_note_comes_back_without_packages(made):
    said = Note("sha256:b", KNOWN, RuntimeNote("sha256:k", 1, made, KNOWN))
    text = write_note(said, [], 0)
    found = read_note(text, [None], 0)  # type: ignore[list-item]
    assert found and found.base == "sha256:b" and found.runtime and found.runtime.made == made
    assert found.facts and found.facts.facts == FACTS and found.facts.facts.distributions is None
    assert read_note(text.replace('"schema": 1', '"schema": "1"'), [None], 0) is None  # type: ignore[list-item]
    assert read_note(text.replace('"layers": 1', '"layers": 1, "more": 2'), [None], 0) is None  # type: ignore[list-item]


def test_only_what_is_not_as_usual_stands_in_a_note():
    data = json.loads(write_note(Note("sha256:b", BARE), [], 0))
    assert data == {"schema": 1, "note": {"base": "sha256:b", "facts": {"facts": {"source": "probed"}, "asked": []}}}
