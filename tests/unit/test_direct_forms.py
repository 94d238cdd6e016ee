"""Images in Docker's form and in OCI's: one throughout, and OCI's where a registry does not take the other."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Registry
from dagger_aml.building.plans import probe
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.errors import BuildError
from dagger_aml.events import Message
from dagger_aml.oci.manifest import INDEXES, MANIFESTS, index_document
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import RAN, graph, pushed, running, sent
from tests.support.registry import FakeRegistry, digest_of, fake_registry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

SCHEMA2 = "vnd.docker.distribution"


def types_of(manifest: Mapping[str, Any]) -> set[str]:
    """Whose media types are in a manifest: ``docker`` or ``oci`` or both."""
    named = (manifest, manifest["config"], *manifest["layers"])
    return {each["mediaType"].split(".")[1] for each in named}


async def test_an_image_on_a_base_in_dockers_form_has_it_throughout(registry: FakeRegistry, folder: Path) -> None:
    await pushed(graph(put_base(registry, form="docker"), folder), f"{registry.host}/app:1")
    raw, media_type = registry.manifests["app"]["1"]
    assert types_of(json.loads(raw)) == {"docker"} and media_type == MANIFESTS["docker"]


@pytest.mark.parametrize("gated", [False, True])
async def test_a_registry_that_refuses_it_gets_ocis(registry: FakeRegistry, folder: Path, gated: bool) -> None:
    base = put_base(registry, form="docker")
    kept = await pushed(graph(base, folder), f"{registry.host}/docker:1")
    registry.refuses, events = SCHEMA2, []
    sent(registry)
    seen: list[str] = []

    async def gate(plan: object, image: Any, builder: object) -> None:
        seen.append(image.staged)

    made = await pushed(
        graph(base, folder), f"{registry.host}/app:1", direct_builder(events=events), gate if gated else None
    )
    raw, media_type = registry.manifests["app"]["1"]
    assert types_of(json.loads(raw)) == {"oci"} and media_type == MANIFESTS["oci"]
    assert made.digest == digest_of(raw)
    # The blobs and the image ID are the same, and nothing but the manifest is sent anew.
    assert registry.blobs["app"] == registry.blobs["docker"] and made.config_digest == kept.config_digest
    # By its digest it is refused once, and then goes by its digest and under its tag.
    puts = [each for each in registry.requests() if each.startswith("PUT /v2/app/manifests/")]
    assert len(puts) == (3 if gated else 2)
    assert seen == [f"{registry.host}/app@{made.digest}"] * gated
    said = [each.text for each in events if isinstance(each, Message) and "Docker's form" in each.text]
    assert said == [f"{registry.host} takes no image in Docker's form, so it gets OCI's"]


async def test_two_registries_get_each_what_it_takes(registry: FakeRegistry, folder: Path) -> None:
    base = put_base(registry, form="docker")
    with fake_registry() as other:
        other.refuses = SCHEMA2
        tags = tags_of([f"{registry.host}/app:1", f"{other.host}/app:1"])
        builder = direct_builder()
        try:
            await build_all([BuildTarget((graph(base, folder),), "p", tags, (Registry(),))], builder)
        finally:
            builder.close()
        forms = [types_of(json.loads(each.manifests["app"]["1"][0])) for each in (registry, other)]
    assert forms == [{"docker"}, {"oci"}]


async def test_an_index_of_refused_images_is_ocis(registry: FakeRegistry, folder: Path) -> None:
    base = put_base(registry, form="docker")
    raw = index_document("docker", [(registry.manifests["base"]["1"][0], "linux/amd64")])
    registry.manifests["base"]["1"] = registry.manifests["base"][digest_of(raw)] = (raw, INDEXES["docker"])
    registry.refuses = SCHEMA2
    builder = direct_builder()
    images = [await builder.image(await probe(graph(base, folder), builder)) for _ in range(2)]
    await builder.index(images).publish(f"{registry.host}/app:1")
    builder.close()
    index = json.loads(registry.manifests["app"]["1"][0])
    assert index["mediaType"] == INDEXES["oci"] == registry.manifests["app"]["1"][1]
    assert {each["mediaType"] for each in index["manifests"]} == {MANIFESTS["oci"]}
    for each in index["manifests"]:
        assert types_of(json.loads(registry.manifests["app"][each["digest"]][0])) == {"oci"}


async def test_what_ran_is_kept_in_the_form_that_is_taken(registry: FakeRegistry, folder: Path) -> None:
    base, runner, cache = put_base(registry, form="docker"), Runner(blobs_of(), RAN), f"{registry.host}/cache"
    registry.refuses = SCHEMA2
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner, cache_to=cache))
    (tag,) = (each for each in registry.manifests["cache"] if each.startswith("rt-"))
    assert types_of(json.loads(registry.manifests["cache"][tag][0])) == {"oci"}


async def test_one_that_takes_neither_is_an_error(registry: FakeRegistry, folder: Path) -> None:
    registry.refuses = "application"
    with pytest.raises(BuildError, match=r"did not take the manifest: it answered 415 \(MANIFEST_INVALID\)"):
        await pushed(graph(put_base(registry, form="docker"), folder), f"{registry.host}/app:1")
    assert not registry.manifests.get("app")
