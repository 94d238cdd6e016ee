"""What is to be made of a project: its tags, its outputs, and what is refused of them before anything is built."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen

from dagger_aml import DaggerAmlError, GraphError, Result, UsageError
from dagger_aml.backends.base import Capabilities, own_image
from dagger_aml.backends.builders import kind_of
from dagger_aml.base.facts import BaseFacts
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Layout, Output, Registry, Store, Tar, parse_outputs
from dagger_aml.building.target import BuildTarget, tag_of, tags_of
from dagger_aml.events import ignore
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Graph
from dagger_aml.oci.reference import Reference
from tests.support.calls import await_

GRAPH = Graph(From.parse("example.org/x:1"))
ANY = kind_of("dagger").capabilities


@pytest.mark.parametrize(
    ("text", "shown", "host", "repository"),
    [
        ("x", "x:latest", "docker.io", "library/x"),
        ("library/x:1", "library/x:1", "docker.io", "library/x"),
        ("docker.io/library/x:1", "docker.io/library/x:1", "docker.io", "library/x"),
        ("localhost:5000/a/b:2", "localhost:5000/a/b:2", "localhost:5000", "a/b"),
    ],
)
def test_a_tag_is_parsed_once_and_shown_as_it_was_written(text, shown, host, repository):
    tag = tag_of(text)
    assert (str(tag), tag.host, tag.repository) == (shown, host, repository)
    assert Reference.parse(str(tag)) == tag


def test_a_reference_keeps_its_digest():
    text = f"h.example/x:1@sha256:{'a' * 64}"
    assert str(Reference.parse(text)) == text
    with pytest.raises(UsageError, match="cannot have a digest"):
        tag_of(text)
    with pytest.raises(GraphError):
        tag_of("X:1")


def test_one_name_may_be_given_as_a_text():
    assert tags_of("registry.example/x:1") == tags_of(["registry.example/x:1", "registry.example/x:1"])
    assert len(tags_of("registry.example/x:1")) == 1


def test_tags_are_named_once():
    assert list(map(str, tags_of(["x", "x:latest", "y:1"]))) == ["x:latest", "y:1"]


def test_outputs_come_in_the_order_in_which_they_are_written():
    asked = ["type=registry", "type=oci,dest=l,tar=false", "x.tar", "type=docker"]
    assert parse_outputs(asked, push=False, load=False) == (
        Layout(Path("l")),
        Tar(Path("x.tar")),
        Store(),
        Registry(),
    )


@pytest.mark.parametrize(
    ("outputs", "flag"),
    [((Store(),), "build(load=…)"), ((Registry(),), "build(push=…)"), ((Store(), Registry()), "build(push=…)")],
)
def test_what_needs_a_tag_is_refused_without_one(outputs, flag):
    with pytest.raises(UsageError, match=re.escape(f"{flag} needs a tag")):
        BuildTarget((GRAPH,), outputs=outputs).check(ANY)


def test_files_of_its_own_are_looked_at_too(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        BuildTarget((GRAPH,), metadata_file=tmp_path).check(ANY)
    with pytest.raises(UsageError, match="two outputs go to"):
        BuildTarget((GRAPH,), outputs=(Tar(tmp_path / "x"), Layout(tmp_path / "x"))).check(ANY)


@define
class _Builder:
    name: str = "fake"
    on_event: Any = ignore

    def for_tags(self, tags: object) -> Any:
        return self

    def with_events(self, on_event: object) -> Any:
        return self

    async def probe(self, base: From, paths: object) -> tuple[str, BaseFacts]:
        return "sha256:" + "0" * 64, BaseFacts(source="probed")

    async def image(self, plan: object, *, title: str) -> Any:
        self.id = title
        return self

    id: str = ""
    makings: tuple[()] = ()
    files: Mapping[str, bytes] = field(factory=dict)


@frozen
class Shelf:
    """An output that nobody thought of: one class, and nothing else knows it."""

    kept: list[str]
    tag_for: str = "--shelf"
    file: None = None

    def check(self, platforms: int, capabilities: Capabilities) -> None:
        if platforms > 1:
            raise UsageError("the shelf is small")

    async def write(self, image: Any, tags: Sequence[Reference]) -> list[Result]:
        self.kept.extend(f"{image.id} as {tag}" for tag in tags)
        return [Result(f"sha256:{image.id}")]


def test_a_new_output_is_a_class():
    shelf: Output = Shelf([])
    with pytest.raises(UsageError, match="the shelf is small"):
        BuildTarget((GRAPH, GRAPH), "p", tags_of(["p"]), (shelf,)).check(ANY)
    target = BuildTarget((GRAPH,), "p", tags_of(["p", "q:2"]), (shelf,))
    target.check(ANY)
    (result,) = await_(build_all([target], _Builder()))  # type: ignore[arg-type]
    assert shelf.kept == ["p as p:latest", "p as q:2"]
    assert (result.digest, result.tags) == ("sha256:p", ("p:latest", "q:2"))


def test_an_image_of_another_builder_is_refused():
    with pytest.raises(DaggerAmlError, match="docker cannot serve an image that another builder made"):
        own_image(object(), Tar, "docker", "serve")
    assert own_image(tar := Tar(Path("x")), Tar, "docker", "serve") is tar
