"""Bases that a local builder takes from its own store, since their registry does not answer."""

from __future__ import annotations

import pytest
from attrs import field, frozen

from dagger_aml import Graph, Policy
from dagger_aml.backends.local.builder import LocalBuilder
from dagger_aml.backends.local.docker import Docker
from dagger_aml.backends.local.program import Build, OnLine, StoredImage
from dagger_aml.building.plans import probe
from dagger_aml.events import Event, Message
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy
from dagger_aml.graph.source import Text
from dagger_aml.process import CompletedProcess
from tests.support.calls import await_

NAME = "registry.invalid/team/base:7"
ID, DIGEST = f"sha256:{'1' * 64}", f"sha256:{'d' * 64}"


@frozen
class Docker29(Docker):
    """A docker whose store has one image, and whose registry is away."""

    image: StoredImage = field(kw_only=True)
    built: list[str] = field(factory=list, kw_only=True)

    async def pull(self, reference: str, platform: str, heard: OnLine | None = None) -> CompletedProcess:
        return CompletedProcess(1, "", "dial tcp 192.0.2.1:443: connect: connection refused")

    async def inspect(self, reference: str) -> StoredImage | None:
        return self.image

    async def probe(self, image: str, argv: object, stdin: str) -> CompletedProcess:
        return CompletedProcess(0, "user 0 0\n", "")

    async def build(self, build: Build, on_line: OnLine) -> CompletedProcess:
        self.built.append((build.context / "Dockerfile").read_text())
        build.id_file.write_text(ID)
        return CompletedProcess(0, "", "")


@pytest.mark.parametrize("digests", [(), (("registry.invalid/team/base", DIGEST),)], ids=["no digest", "a digest"])
def test_a_base_that_only_the_store_has_is_called_by_its_tag(digests: tuple[tuple[str, str], ...]) -> None:
    """Docker 29 tells a digest of each of its images; BuildKit then looks for it in the registry alone."""
    events: list[Event] = []
    tool = Docker29("buildkit", image=StoredImage(ID, digests, "linux/amd64", {"User": "", "Env": []}))
    builder = LocalBuilder(tool, on_event=events.append, policy=Policy(retry_pauses_seconds=()))
    plan = await_(probe(Graph(From.parse(NAME)).add(Copy(Text(b"hi\n"), "/hi", "file")), builder))
    await_(builder.image(plan))
    assert plan.base.digest == (DIGEST if digests else None), "what is known of it is still said"
    assert any("using the copy of" in event.text for event in events if isinstance(event, Message))
    (line,) = [line for line in tool.built[0].splitlines() if line.startswith("FROM ")]
    assert line == f"FROM --platform=linux/amd64 {NAME}"


def test_a_base_named_by_its_digest_is_called_by_it() -> None:
    image = StoredImage(ID, (("registry.invalid/team/base", DIGEST),), "linux/amd64", {"User": "", "Env": []})
    tool = Docker29("buildkit", image=image)
    builder = LocalBuilder(tool, policy=Policy(retry_pauses_seconds=()))
    graph = Graph(From.parse(f"registry.invalid/team/base@{DIGEST}")).add(Copy(Text(b"hi\n"), "/hi", "file"))
    await_(builder.image(await_(probe(graph, builder))))
    assert f"FROM --platform=linux/amd64 registry.invalid/team/base@{DIGEST}" in tool.built[0].splitlines()
