"""``--with buildx``: how it is called, and what is made of what it says; the program is a shell script."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dagger_aml import DaggerAmlError, Graph, Policy, TransientError, UsageError
from dagger_aml.backends.base import Opening
from dagger_aml.backends.builders import kind_of
from dagger_aml.backends.local.buildx_cli import Buildx, gone
from dagger_aml.base.facts import BaseFacts
from dagger_aml.building.build import build
from dagger_aml.errors import BuildError
from dagger_aml.events import ignore
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Run
from dagger_aml.oci.registry import variant
from dagger_aml.plan.make import plan
from dagger_aml.process import CompletedProcess
from tests.support.calls import await_
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry, digest_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake program is a shell script")

BASE = From("example.org/base:1", "sha256:" + "1" * 64)
PLAN = plan(Graph(BASE).add(Run(["/bin/one"], touches=[], name="one")), {BASE: BaseFacts("probed")})
POLICY = Policy(retry_pauses_seconds=())

IMAGE = json.dumps({"schemaVersion": 2, "config": {"digest": digest_of(b"{}")}, "layers": []}).encode()
INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "manifests": [
            {"digest": "sha256:a", "size": 1, "platform": {"os": "unknown", "architecture": "unknown"},
             "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {"digest": "sha256:i", "size": 1, "platform": {"os": "linux", "architecture": "amd64"}},
        ],
    }
).encode()  # fmt: skip

SCRIPT = """#!/bin/sh
[ "$1" = version ] && echo "github.com/docker/buildx v0.36.0 abc" && exit
echo "$*" >>{log}
while [ $# -gt 0 ]; do
  [ "$1" = --metadata-file ] && printf '{{"containerimage.digest": "%s"}}' {digest} >"$2"
  shift
done
{more}
"""

Fake = Callable[..., Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a buildx alone on the PATH; gives the file that has its calls."""

    def put(more: str = "", digest: str = "sha256:d") -> Path:
        folder, log = tmp_path / "bin", tmp_path / "calls"
        folder.mkdir(exist_ok=True)
        (folder / "docker-buildx").write_text(SCRIPT.format(log=log, more=more, digest=digest))
        (folder / "docker-buildx").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setattr("dagger_aml.backends.local.buildx_cli.shutil.which", lambda name: (
            str(folder / name) if (folder / name).exists() else None))  # fmt: skip
        return log

    return put


def opened(work: Callable[[Any], Any], **more: Any) -> Any:
    """What some work gives that a builder of buildx's is handed to."""

    async def run() -> Any:
        async with kind_of("buildx").opened(Opening(policy=POLICY, **more), ignore) as builder:
            return await work(builder)

    return await_(run())


def test_the_builder_that_is_named_builds_without_attestations(fake: Fake) -> None:
    calls = fake()
    opened(lambda builder: builder.image(PLAN), instance="farm", no_cache=True)
    (call,) = calls.read_text().splitlines()
    assert call.startswith("build --builder farm --progress plain --platform linux/amd64 --output type=cacheonly ")
    assert "--no-cache" in call and "--provenance" not in call and "--sbom" not in call


def test_a_tag_names_what_was_pushed_by_its_digest(fake: Fake, registry: FakeRegistry) -> None:
    digest = digest_of(IMAGE)
    registry.put("x/y", b"{}")
    registry.manifests["x/y"] = {digest: (IMAGE, "application/vnd.oci.image.manifest.v1+json")}
    calls = fake(digest=digest)

    async def published(builder: Any) -> Any:
        image = await builder.image(PLAN)
        staged = await image.stage(f"{registry.host}/x/y:1")
        assert staged == f"{registry.host}/x/y@{digest}" and "1" not in registry.manifests["x/y"]
        return [await image.publish(f"{registry.host}/x/y:{tag}") for tag in (1, 2)]

    results = opened(published, provenance="mode=max", sbom="true")
    assert [each.digest for each in results] == [digest] * 2
    assert registry.manifests["x/y"]["1"][0] == registry.manifests["x/y"]["2"][0] == IMAGE
    first, pushed = calls.read_text().splitlines()
    assert "--provenance" not in first and "--provenance=mode=max --sbom=true" in pushed
    output = f"type=image,name={registry.host}/x/y,push=true,push-by-digest=true,name-canonical=true,"
    assert output + "registry.insecure=true" in pushed


def test_of_an_index_with_one_image_that_image_is_told_and_the_index_asked_for_once(
    fake: Fake, registry: FakeRegistry
) -> None:
    image = digest_of(IMAGE)
    raw = INDEX.replace(b"sha256:i", image.encode())
    index, kind = digest_of(raw), "application/vnd.oci.image.%s.v1+json"
    manifest = IMAGE, kind % "manifest"
    registry.manifests["x/y"] = {index: (raw, kind % "index"), image: manifest, "sha256:a": manifest}
    fake(digest=index)

    async def published(builder: Any) -> Any:
        return await (await builder.image(PLAN)).publish(f"{registry.host}/x/y:1")

    result = opened(published)
    assert (result.digest, result.config_digest) == (index, digest_of(b"{}"))
    asked = [each.path.rpartition("/")[2] for each in registry.asked if each.method == "GET"]
    assert [each for each in asked if each.startswith("sha256:")] == [index, image]


def test_a_step_that_fails_is_named(fake: Fake) -> None:
    fake('echo "#5 [2/2] RUN [\\"/bin/one\\"]"; echo "#5 0.1 no such luck"; echo "#5 ERROR: exit code: 3"; exit 1')
    with pytest.raises(BuildError) as caught:
        opened(lambda builder: builder.image(PLAN))
    assert caught.value.location == "one" and "no such luck" in caught.value.output


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
        "ERROR: failed to build: failed to list workers: Unavailable: connection error: desc = transport: refused",
        "ERROR: error during connect: dial tcp 10.1.2.3:1234: connect: connection refused",
    ],
)
def test_a_buildkit_that_is_gone_is_told_from_a_registry(fake: Fake, said: str) -> None:
    fake(f"echo '{said}'; exit 1")
    with pytest.raises(TransientError, match="buildx builder farm does not answer, or went away") as caught:
        opened(lambda builder: builder.image(PLAN), instance="farm")
    assert caught.value.exit_code == 75 and caught.value.after is None
    step = ["#5 0.1 ERROR: dial tcp 10.1.2.3:1: connect: connection refused", 'ERROR: process "x" did not complete']
    assert gone(CompletedProcess(1, "\n".join(step)), Buildx(("buildx",)), "step") is None
    other = 'failed to push r.example/x: failed to do request: Head "https://r.example/v2/": dial tcp: refused'
    assert gone(CompletedProcess(1, "", f"ERROR: {other}"), Buildx(("buildx",)), "push") is None


def test_one_that_is_not_there_says_how_to_get_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DaggerAmlError, match="buildx is not installed") as caught:
        opened(lambda builder: builder.image(PLAN))
    assert "plugin" in (caught.value.hint or "")


def test_several_platforms_become_an_index_with_what_attests_them(fake: Fake, registry: FakeRegistry) -> None:
    digest = digest_of(INDEX)
    kind = "application/vnd.oci.image.index.v1+json"
    registry.manifests["x/y"] = {each: (INDEX, kind) for each in (digest, "sha256:a", "sha256:i")}
    calls = fake(digest=digest)

    async def published(builder: Any) -> Any:
        images = [
            await builder.image(each) for each in (PLAN, evolve(PLAN, base=evolve(BASE, platform="linux/arm64")))
        ]
        for each in images:
            await each.stage(f"{registry.host}/x/y:1")
        made = builder.index(images)
        with pytest.raises(UsageError, match="several platforms"):
            made.check_one()
        return await made.publish(f"{registry.host}/x/y:1")

    result = opened(published)
    raw, told = registry.manifests["x/y"]["1"]
    assert result.digest == digest_of(raw) and told == kind
    assert [each["digest"] for each in json.loads(raw)["manifests"]] == ["sha256:a", "sha256:i"] * 2
    assert calls.read_text().count("type=image") == 2, "pushed once for each platform, by the gate"


def test_of_an_index_the_image_is_taken_and_never_what_attests_it() -> None:
    assert variant(json.loads(INDEX), "linux/amd64", "base") == "sha256:i"
    with pytest.raises(BuildError, match="no variant"):
        variant(json.loads(INDEX), "linux/arm64", "base")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--with", "docker", "--builder", "farm"], "--with docker has no builders to choose from"),
        (["--with", "buildx", "--sbom", "true"], "only by a builder that makes the whole image"),
        (["--with", "docker", "--layers", "builder", "--provenance", "true"], "only by a builder that makes"),
    ],
)
def test_a_flag_that_means_nothing_is_refused(
    words: list[str], said: str, tmp_path: Path, cli: Callable[..., tuple[int, str, str]]
) -> None:
    project = make(tmp_path / "p", {"code/score.py": SCORE})
    code, _, err = cli("build", project, "--base", "example.org/base:1", *words)
    assert code == 2 and said in err


def test_a_build_needs_nothing_of_buildx_where_nothing_runs(fake: Fake) -> None:
    calls = fake()
    with pytest.raises(DaggerAmlError):
        # The base is asked of its registry, which is not there.
        opened(lambda builder: build(Graph(From.parse("localhost:1/x/y:1")), builder), layers="direct")
    assert not calls.exists()
