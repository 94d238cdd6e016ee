"""``--with buildx`` by a BuildKit that is elsewhere, over TCP with TLS, as far as another machine can be played."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from dagger_aml import BuildError, DaggerAmlError, Graph, TransientError, build, open_builder
from dagger_aml.backends.base import Builder
from dagger_aml.backends.outputs import Export
from dagger_aml.building.plans import probe
from dagger_aml.diff import compare, read_image
from dagger_aml.events import Event, OpDone, Output
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Run
from dagger_aml.graph.source import Text
from dagger_aml.oci.layout import base as base_of
from tests.support.builders import Need
from tests.support.buildkitd import RemoteBuilder, remote_builder

pytestmark = [pytest.mark.builders, pytest.mark.anyio]


EVERY_BASE_HAS = ("/dev", "/proc", "/sys", "/run", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""What the tiny base lacks, and gets from some builders (docs/equality.md)."""


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteBuilder]:
    """A BuildKit elsewhere, which buildx knows."""
    with remote_builder(tmp_path_factory.mktemp("remote")) as found, pytest.MonkeyPatch.context() as patch:
        for name, value in found.env.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture
def events() -> list[Event]:
    """What the builder told."""
    return []


@pytest.fixture
async def builder(remote: RemoteBuilder, events: list[Event]) -> AsyncIterator[Builder]:
    """A builder of buildx's that makes all layers and attests how."""
    async with open_builder(
        "buildx", layers="builder", instance=remote.name, provenance="mode=min", on_event=events.append
    ) as found:
        yield found


def shell(script: str, step: str = "script") -> Run:
    """A step that runs a script as root."""
    return Run(["/bin/sh", "-ec", script], touches=(), name=step)


def manifest_of(reference: str) -> dict[str, list[dict[str, dict[str, str]]]]:
    """What a registry of this machine has under a tag."""
    host, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    kinds = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
    asked = urllib.request.Request(f"http://{host}/v2/{name}/manifests/{tag}", headers={"Accept": kinds})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        found: dict[str, list[dict[str, dict[str, str]]]] = json.load(answer)
        return found


async def test_an_attested_image_is_pushed_and_is_a_base_like_any_other(
    builder: Builder, events: list[Event], host: str, tiny: str, need: Need, tmp_path: Path
) -> None:
    need("docker")
    (tmp_path / "weights").write_bytes(os.urandom(1000))
    mark, tag = time.time_ns(), f"{host}/dagger-aml-test/buildx:1"
    graph = Graph(From.parse(tiny)).add(
        shell(f"echo {mark} >/made"), Copy(local(tmp_path / "weights"), "/srv/weights", "file", name="weights")
    )
    tars = [tmp_path / "buildx.tar", tmp_path / "docker.tar"]
    result = await build(graph, builder, tags=[tag], push=True, output=tars[0])
    kinds = [each["platform"]["os"] for each in manifest_of(tag)["manifests"]]
    assert sorted(kinds) == ["linux", "unknown"] and len(result.layers) >= 3
    assert [(each.number, each.cached) for each in events if isinstance(each, OpDone)] == [(1, False), (2, False)]

    async with open_builder("docker", layers="builder") as docker:
        await build(graph, docker, output=tars[1])
    one, two = (read_image(tar) for tar in tars)
    different = compare(one, two, builders=["docker"]).differences
    assert {each.subject for each in different} <= set(EVERY_BASE_HAS), different

    # What attests it stays aside, whoever starts from it: the builder, and what is written directly.
    upon = Graph(From.parse(tag)).add(Copy(Text(b"more\n"), "/srv/more", "file"))
    digest, facts = await builder.probe(From.parse(tag), ["/srv/weights"])
    assert digest == result.digest and facts.paths["/srv/weights"].type == "file" and facts.user == "dockeruser"
    async with open_builder("docker") as direct:
        written = await build(upon, direct, tags=[f"{tag}-more"], push=True)
        again = await build(upon, direct, tags=[f"{tag}-more"], push=True)
    assert [each.digest for each in written.layers[: len(result.layers)]] == [each.digest for each in result.layers]
    assert written.digest == again.digest and "manifests" not in manifest_of(f"{tag}-more")
    made = await build(upon, builder, output=tmp_path / "more.tar")
    assert made.config_digest and "/srv/more" in read_image(tmp_path / "more.tar").files


async def test_what_runs_runs_there_and_the_rest_is_written_here(
    remote: RemoteBuilder, host: str, tiny: str, need: Need, tmp_path: Path
) -> None:
    need("docker")
    graph = Graph(From.parse(tiny)).add(
        shell(f"echo {time.time_ns()} >/made"), Copy(Text(b"x"), "/srv/x", "file", changes="often")
    )
    tag = f"{host}/dagger-aml-test/buildx:direct"
    async with open_builder("buildx", instance=remote.name) as direct:
        result = await build(graph, direct, tags=[tag], push=True, load=True)
        assert [each.way for each in result.makings] == ["runs", "written"]
        lines, code = await direct.runtime().run_probe(tag, ["/bin/cat", "/srv/x", "/made"], offline=True)
    assert code == 0 and lines[0].startswith("x")
    subprocess.run(["docker", "rmi", "--force", tag], capture_output=True, check=False)


async def test_a_folder_is_copied_out_of_an_image_on_a_base_of_this_machine(
    builder: Builder, tiny: str, tmp_path: Path
) -> None:
    layout, out = tmp_path / "layout", tmp_path / "out"
    out.mkdir()
    await build(Graph(From.parse(tiny)).add(shell("echo base >/base")), builder, output=Export(layout, "oci", True))
    graph = Graph(base_of(f"oci:{layout}", "linux/amd64", tmp_path)).add(
        shell("mkdir -p '/made/a b'; cp /base '/made/a b/f'; chown -R 7:7 /made; ln -s f '/made/a b/link'")
    )
    await builder.folder(await probe(graph, builder), "/made", out)
    assert (out / "a b/f").read_text() == "base\n" and (out / "a b/link").readlink() == Path("f")
    assert (out / "a b/f").stat().st_uid == os.geteuid() and [each.name for each in out.iterdir()] == ["a b"]


async def test_what_fails_is_named(builder: Builder, tiny: str, host: str, remote: RemoteBuilder) -> None:
    with pytest.raises(BuildError) as caught:
        await build(Graph(From.parse(tiny)).add(shell("echo lost; exit 7", "the step")), builder)
    assert caught.value.location == "the step" and caught.value.output.splitlines() == ["lost"]
    with pytest.raises(BuildError, match="no such image"):
        await builder.probe(From.parse(f"{host}/dagger-aml-test/none:1"), [])
    with pytest.raises(DaggerAmlError, match="nobody"):
        async with open_builder("buildx", layers="builder", instance="nobody") as unknown:
            await unknown.image(await probe(Graph(From.parse(tiny)), builder))


async def test_a_buildkit_that_goes_away_ends_its_build_with_75(
    remote: RemoteBuilder, builder: Builder, events: list[Event], tiny: str
) -> None:
    """The last of this file, since the BuildKit does not come back."""
    planned = await probe(Graph(From.parse(tiny)).add(shell("echo begun; exec sleep 60")), builder)
    caught: list[DaggerAmlError] = []

    async def built() -> None:
        try:
            await builder.image(planned)
        except DaggerAmlError as error:
            caught.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(built)
        while not any(isinstance(event, Output) and event.text.endswith("begun") for event in events):
            await anyio.sleep(0.05)
        remote.process.kill()
    (error,) = caught
    assert isinstance(error, TransientError) and error.exit_code == 75 and remote.name in error.message, error
