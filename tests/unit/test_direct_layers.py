"""What copies make of a layer: entries, parents, owners; and what the image then says of itself."""

import json
import os
from pathlib import Path

import pytest
from attrs import evolve

from dagger_aml.backends.direct.config import AddedLayer, config_document
from dagger_aml.backends.direct.entries import layer_entries
from dagger_aml.backends.direct.layers import own_layers
from dagger_aml.base.facts import BaseFacts, PathFact
from dagger_aml.errors import DaggerAmlError, GraphError
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.config import Config
from dagger_aml.graph.graph import Copy, Graph, Root
from dagger_aml.graph.source import Empty, Text
from dagger_aml.oci.entries import TarEntry
from dagger_aml.plan.make import plan

BASE = From("example.org/base:1", "sha256:" + "1" * 64)

APP = {"/var": PathFact("dir", 0o755, 0, 0), "/var/app": PathFact("dir", 0o750, 1000, 1000)}


def entries(*copies: Copy, beneath: dict[str, PathFact] = APP) -> dict[str, TarEntry]:
    """Of one layer, by path."""
    return {each.path: each for each in layer_entries(copies, beneath)[0]}


def tree(folder: Path, **files: str) -> Path:
    """A folder with files; `__` in a name is a slash."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_folder_that_exists_keeps_its_owner_and_mode_and_new_ones_above_are_roots(tmp_path: Path) -> None:
    source = local(tree(tmp_path / "code", a="1", sub__b="2"))
    found = entries(Copy(source, "/var/app", uid=5, gid=6), Copy(source, "/var/app/new/deep", uid=7, gid=8))
    said = {path: (each.type, each.mode, each.uid, each.gid) for path, each in found.items()}
    assert said == {
        "/var": ("dir", 0o755, 0, 0),
        "/var/app": ("dir", 0o750, 1000, 1000),
        "/var/app/a": ("file", 0o644, 5, 6),
        "/var/app/sub": ("dir", 0o755, 5, 6),
        "/var/app/sub/b": ("file", 0o644, 5, 6),
        "/var/app/new": ("dir", 0o755, 0, 0),
        "/var/app/new/deep": ("dir", 0o755, 7, 8),
        "/var/app/new/deep/a": ("file", 0o644, 7, 8),
        "/var/app/new/deep/sub": ("dir", 0o755, 7, 8),
        "/var/app/new/deep/sub/b": ("file", 0o644, 7, 8),
    }


def test_a_stated_root_and_single_files() -> None:
    found = entries(
        Copy(Empty(), "/var/app", root=Root(3, 4, 0o700)),
        Copy(Text(b"#!/bin/sh\n", executable=True), "/opt/x/run", "file", uid=9, gid=9),
    )
    assert (found["/var/app"].mode, found["/var/app"].uid, found["/var/app"].gid) == (0o700, 3, 4)
    assert found["/opt/x"] == TarEntry("/opt/x", "dir", 0o755, 0, 0)
    assert found["/opt/x/run"] == TarEntry("/opt/x/run", "file", 0o755, 9, 9, 10)
    assert found["/opt/x/run"].content == b"#!/bin/sh\n"


def test_a_later_copy_sees_what_an_earlier_one_made() -> None:
    found, after = layer_entries([Copy(Empty(), "/a/b", uid=1, gid=1)], {})
    more, _ = layer_entries([Copy(Text(b""), "/a/b/c", "file", uid=2, gid=2)], after)
    assert [each.path for each in found] == ["/a", "/a/b"]
    assert more[1] == TarEntry("/a/b", "dir", 0o755, 1, 1)


def test_several_names_of_one_file_stay_one(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", a="1", z="2")
    os.link(folder / "a", folder / "b")
    found = entries(Copy(local(folder), "/t"))
    assert (found["/t/b"].type, found["/t/b"].target, found["/t/a"].type) == ("hardlink", "/t/a", "file")
    replaced = entries(Copy(local(folder), "/t"), Copy(Text(b"new"), "/t/a", "file"))
    assert replaced["/t/a"].content == b"new"
    assert replaced["/t/b"].type == "file" and replaced["/t/b"].content == folder / "a"


@pytest.mark.parametrize("fact", [PathFact("dir"), PathFact("dir", 0o700, 3, 3)])
def test_a_file_where_a_folder_is_is_refused(fact: PathFact) -> None:
    with pytest.raises(GraphError, match="/x is a dir in the image and would become a file"):
        entries(Copy(Text(b""), "/x", "file"), beneath={"/x": fact})


def test_a_folder_where_a_file_is_is_refused() -> None:
    with pytest.raises(GraphError, match="/x is a file in the image and would become a dir"):
        entries(Copy(Empty(), "/x/y"), beneath={"/x": PathFact("file")})


def test_copies_without_room_for_a_layer_each_share_the_last(tmp_path: Path) -> None:
    copies = [Copy(Text(b"%d" % number), f"/f{number}", "file", name=f"f{number}") for number in range(4)]
    made = plan(Graph(BASE, copies), {BASE: BaseFacts("probed")})
    assert [each.name for each in own_layers(made, {}, 9)] == ["f0", "f1", "f2", "f3"]
    two = own_layers(made, {}, 2)
    assert [each.name for each in two] == ["f0", "f1, f2, f3"] and two[1].numbers == (2, 3, 4)
    assert [each.path for each in two[1].entries] == ["/f1", "/f2", "/f3"]
    with pytest.raises(DaggerAmlError, match="more than 125"):
        own_layers(made, {}, 0)


DOCUMENT = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-01-01T00:00:00Z",
    "docker_version": "20",
    "container_config": {"Cmd": ["x"]},
    "config": {
        "Env": ["PATH=/bin", "A=1"],
        "User": "me",
        "Labels": {"l": "old"},
        "Cmd": ["c"],
        "Volumes": {"/v": {}},
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:a"]},
    "history": [{"created_by": "base"}, {"created_by": "ENV", "empty_layer": True}],
}


def test_a_config_keeps_what_the_plan_leaves_and_has_one_history_entry_a_layer() -> None:
    config = Config(env={"A": "2", "B": "x=y"}, ports=(5001,), entrypoint=("e",), user="1000")
    made = plan(Graph(BASE, config=config), {BASE: BaseFacts("probed", workdir="/w")})
    read = json.loads(config_document(DOCUMENT, made, {"l": "new"}, [AddedLayer("sha256:b", "code")]))
    assert read["config"] == {
        "Env": ["PATH=/bin", "A=2", "B=x=y"],
        "User": "1000",
        "Labels": {"l": "new"},
        "Cmd": ["c"],
        "Volumes": {"/v": {}},
        "WorkingDir": "/w",
        "Entrypoint": ["e"],
        "ExposedPorts": {"5001/tcp": {}},
    }
    assert read["rootfs"]["diff_ids"] == ["sha256:a", "sha256:b"]
    assert [each["created_by"] for each in read["history"] if not each.get("empty_layer")] == ["base", "code"]
    assert "docker_version" not in read and "container_config" not in read and read["created"] == DOCUMENT["created"]


def test_a_base_whose_history_does_not_fit_its_layers_gets_none() -> None:
    made = plan(Graph(BASE), {BASE: BaseFacts("probed")})
    document = {**DOCUMENT, "history": []}
    assert "history" not in json.loads(config_document(document, made, {}, [AddedLayer("sha256:b", "code")]))


def test_the_same_plan_gives_the_same_bytes() -> None:
    made = plan(Graph(BASE, config=Config(env={"B": "1"})), {BASE: BaseFacts("probed")})
    shuffled = dict(reversed(DOCUMENT.items()))
    assert config_document(DOCUMENT, made, {}, []) == config_document(shuffled, evolve(made), {}, [])
