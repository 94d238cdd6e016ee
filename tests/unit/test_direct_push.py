"""Images written directly and pushed: what is sent, what is not, and what a registry has then."""

import shutil
import tarfile
import zlib
from pathlib import Path

import pytest
from attrs import evolve

from dagger_aml.backends.dagger.capabilities import CAPABILITIES
from dagger_aml.backends.outputs import Export
from dagger_aml.building.plans import probe
from dagger_aml.errors import BaseError, BuildError, DaggerAmlError, ProjectError
from dagger_aml.graph.graph import Copy, Graph
from dagger_aml.graph.source import Text
from dagger_aml.oci import compression
from dagger_aml.oci import layout as oci_layout
from dagger_aml.oci.image import read_image
from dagger_aml.oci.manifest import INDEXES, index_document
from dagger_aml.oci.registry import download
from tests.support.direct import LAYERS, Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import changes_of, graph, image_in, pushed, sent
from tests.support.layers import Put
from tests.support.registry import FakeRegistry, digest_of, fake_registry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]


async def test_what_a_registry_has_then(registry: FakeRegistry, folder: Path) -> None:
    base = put_base(registry)
    result = await pushed(graph(base, folder), f"{registry.host}/app:1")
    config, layers = image_in(registry, "app", "1")
    assert layers[:2] == blobs_of()
    assert config["config"]["Env"] == ["PATH=/bin", "A=1"] and config["config"]["Cmd"] == ["sh"]
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 4
    said = {
        path: (node.mode, node.uid, node.gid)
        for path, node in changes_of(layers[3]).items()
        if not isinstance(node, str)
    }
    assert said == {
        "/var": (0o755, 0, 0),
        "/var/app": (0o750, 1000, 1001),
        "/var/app/score.py": (0o644, 1000, 1001),
        "/var/app/util.py": (0o644, 1000, 1001),
    }
    assert result.digest and result.config_digest == result.image_id and len(result.layers) == 4
    assert [each.op for each in result.layers] == ["", "", "model", "code"]


async def test_only_what_is_new_is_sent(registry: FakeRegistry, folder: Path) -> None:
    base, tag = put_base(registry), f"{registry.host}/app:1"
    first = await pushed(graph(base, folder), tag)
    assert "POST /v2/app/blobs/" in sent(registry)
    assert (await pushed(graph(base, folder), tag)).digest == first.digest
    assert sent(registry) == ["PUT /v2/app/manifests/1"]
    (folder / "code/score.py").write_text("x = 2\n")
    assert (await pushed(graph(base, folder), tag)).digest != first.digest
    # The layer of code and the config: each begins, and is put.
    assert sorted(sent(registry)) == sorted(
        [*["POST /v2/app/blobs/", "PUT /v2/app/blobs/"] * 2, "PUT /v2/app/manifests/1"]
    )


async def test_what_is_compressed_otherwise_is_not_sent_again(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another zlib; of larger layers isa-l itself makes two blobs, once in a great many times."""
    base, tag = put_base(registry), f"{registry.host}/app:1"
    first = await pushed(graph(base, folder), tag)
    assert "POST /v2/app/blobs/" in sent(registry)
    monkeypatch.setattr(compression, "_plain", lambda: zlib.compressobj(9, wbits=31))
    assert (await pushed(graph(base, folder), tag)).digest == first.digest
    assert sent(registry) == ["PUT /v2/app/manifests/1"]


async def test_of_what_little_changed_nothing_is_asked(registry: FakeRegistry, folder: Path) -> None:
    base, tag = put_base(registry), f"{registry.host}/app:1"
    await pushed(graph(base, folder), tag)
    registry.asked.clear()
    (folder / "code/score.py").write_text("x = 2\n")
    await pushed(graph(base, folder), tag)
    # Neither the config that was sent last, nor whether anything is there.
    looked = ["HEAD /v2/base/manifests/1", "GET /v2/app/manifests/1"]
    sent = ["POST /v2/app/blobs/", "PUT /v2/app/blobs/"] * 2
    assert sorted(registry.requests()) == sorted([*looked, *sent, "PUT /v2/app/manifests/1"])


async def test_layers_of_the_base_are_mounted(registry: FakeRegistry, folder: Path) -> None:
    await pushed(graph(put_base(registry), folder), f"{registry.host}/app:1")
    mounts = [each.query for each in registry.asked if "mount=" in each.query]
    assert len(mounts) == 2 and all("from=base" in each for each in mounts)


async def test_a_base_of_another_registry_is_passed_on(registry: FakeRegistry, folder: Path) -> None:
    with fake_registry() as other:
        base = put_base(other)
        await pushed(graph(base, folder), f"{registry.host}/app:1")
    assert image_in(registry, "app", "1")[1][:2] == blobs_of()


async def test_a_new_machine_reads_no_layer_of_a_base_that_an_image_tells_of(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, tag = put_base(registry), f"{registry.host}/app:1"
    await pushed(graph(base, folder), tag)
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    (folder / "code/new.py").write_text("z = 3\n")
    registry.asked.clear()
    await pushed(graph(base, folder), tag)
    read = [each for each in registry.requests() if each.startswith("GET /v2/base/blobs/")]
    assert len(read) == 1, "the config alone"


async def test_a_gate_that_does_not_hold_moves_no_tag(registry: FakeRegistry, folder: Path) -> None:
    base, tag = put_base(registry), f"{registry.host}/app:1"
    old = (await pushed(graph(base, folder), tag)).digest
    (folder / "code/score.py").write_text("x = 3\n")
    seen = []

    async def gate(plan, image, builder) -> None:
        seen.append(image.staged)
        raise BuildError("it does not hold", location="smoke", hint="Mend it.")

    with pytest.raises(BuildError, match="does not hold") as caught:
        await pushed(graph(base, folder), tag, gate=gate)
    (staged,) = seen
    assert staged and staged.startswith(f"{registry.host}/app@sha256:")
    assert caught.value.hint == (f"Mend it.\nNo tag was moved. The image stays in the registry without one: {staged}")
    assert staged.partition("@")[2] in registry.manifests["app"]
    assert registry.manifests["app"]["1"] == registry.manifests["app"][old]


async def test_what_held_is_tagged_and_nothing_is_sent_twice(registry: FakeRegistry, folder: Path) -> None:
    base = put_base(registry)

    async def gate(plan, image, builder) -> None:
        sent(registry)

    result = await pushed(graph(base, folder), f"{registry.host}/app:1", gate=gate)
    assert sent(registry) == ["PUT /v2/app/manifests/1"]
    assert digest_of(registry.manifests["app"]["1"][0]) == result.digest


async def test_a_file_that_changes_while_it_is_sent_moves_no_tag(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = put_base(registry)
    laid_out = graph(base, folder)
    (folder / "model/w.bin").write_text("other weights")
    with pytest.raises(ProjectError, match="changed while it was being read"):
        await pushed(laid_out, f"{registry.host}/app:1")
    assert "1" not in registry.manifests.get("app", {})


async def test_a_tar_and_a_layout_hold_the_image_that_is_pushed(
    registry: FakeRegistry, folder: Path, tmp_path: Path
) -> None:
    base, builder = put_base(registry), direct_builder()
    result = await pushed(graph(base, folder), f"{registry.host}/app:1")
    for export in (
        Export(tmp_path / "plain.tar"),
        Export(tmp_path / "docker.tar", "docker"),
        Export(tmp_path / "oci.tar", "oci"),
        Export(tmp_path / "layout", "oci", folder=True),
    ):
        plan = await probe(graph(base, folder), builder)
        written = await (await builder.image(plan)).export(export, ["x:1"])
        assert written.config_digest == result.config_digest
        assert (written.digest == result.digest) == (export.type != "docker")
        read = read_image(export.path)
        assert read.files["/var/app/score.py"].uid == 1000 and read.files["/var/app/old"].uid == 7
    builder.close()


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
async def test_a_base_that_lies_on_this_machine(
    registry: FakeRegistry, folder: Path, tmp_path: Path, kind: str
) -> None:
    named = put_base(registry)
    (tmp_path / "layout").mkdir()
    await download(named.reference, "linux/amd64", tmp_path / "layout")
    base = oci_layout.base(f"oci:{tmp_path / 'layout'}", "linux/amd64", tmp_path)
    if kind == "docker-archive":
        oci_layout.write_tar(base, tmp_path / "base.tar", "example.org/base:1")
    else:
        with tarfile.open(tmp_path / "base.tar", "w") as tar:
            tar.add(tmp_path / "layout", ".")
    if kind != "oci":
        base = oci_layout.base(f"{kind}:{tmp_path / 'base.tar'}", "linux/amd64", tmp_path)
    registry.asked.clear()
    await pushed(graph(base, folder), f"{registry.host}/app:1")
    assert not any("/v2/base/" in each for each in registry.requests()), "the base's registry is not asked"
    _, layers = image_in(registry, "app", "1")
    assert layers[:2] == blobs_of()
    await pushed(graph(named, folder), f"{registry.host}/other:1")
    assert image_in(registry, "other", "1")[1] == layers


async def test_a_base_on_this_machine_that_is_damaged_moves_no_tag(
    registry: FakeRegistry, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "layout").mkdir()
    await download(put_base(registry).reference, "linux/amd64", tmp_path / "layout")
    base = oci_layout.base(f"oci:{tmp_path / 'layout'}", "linux/amd64", tmp_path)
    layer = tmp_path / "layout/blobs/sha256" / digest_of(blobs_of()[0])[7:]
    layer.write_bytes(layer.read_bytes()[:-9] + b"x" * 9)
    with pytest.raises(DaggerAmlError):
        await pushed(graph(base, folder), f"{registry.host}/app:1")
    assert not registry.manifests.get("app")


@pytest.mark.parametrize("how", ["damaged", "removed", "not writable"])
async def test_a_tar_is_written_whatever_became_of_the_cache(
    registry: FakeRegistry, folder: Path, cache: Path, tmp_path: Path, how: str
) -> None:
    base, builder = put_base(registry), direct_builder()
    plan = await probe(graph(base, folder), builder)
    image = await builder.image(plan)
    await image.export(tmp_path / "1.tar")
    for blob in (cache / "blobs/sha256").iterdir():
        blob.write_bytes(b"")
    if how != "damaged":
        shutil.rmtree(cache)
    if how == "not writable":
        cache.write_text("a file")
    await image.export(tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    builder.close()


async def test_a_platform_that_the_base_lacks_is_said_by_us(registry: FakeRegistry, folder: Path) -> None:
    base = put_base(registry)
    raw = index_document("oci", [(registry.manifests["base"]["1"][0], "linux/arm64")])
    registry.manifests["base"]["1"] = registry.manifests["base"][digest_of(raw)] = (raw, INDEXES["oci"])
    runner = Runner()
    runner.capabilities = evolve(CAPABILITIES, own_store=True)
    with pytest.raises(BaseError, match="no variant for linux/amd64"):
        await pushed(graph(base, folder), f"{registry.host}/app:1", direct_builder(runner))


async def test_small_texts_and_nothing_at_all(registry: FakeRegistry) -> None:
    base = put_base(registry)
    await pushed(Graph(base), f"{registry.host}/app:1")
    assert image_in(registry, "app", "1")[1] == blobs_of()
    await pushed(Graph(base, [Copy(Text(b"t"), "/t", "file")]), f"{registry.host}/app:2")
    assert len(image_in(registry, "app", "2")[1]) == 3


async def test_folders_above_where_a_link_leads_stay_as_they_are(registry: FakeRegistry, folder: Path) -> None:
    made = {
        "deep": Put(0o711, 5, 6),
        "deep/er": Put(0o700, 7, 8),
        "way": Put(link="/deep/er"),
    }
    base = put_base(registry, LAYERS[0], made)
    copies = [Copy(Text(b"t"), "/way/text", "file")]
    await pushed(Graph(base, copies), f"{registry.host}/app:1")
    said = changes_of(image_in(registry, "app", "1")[1][2])
    owners = {path: (node.mode, node.uid, node.gid) for path, node in said.items() if not isinstance(node, str)}
    assert owners == {"/deep": (0o711, 5, 6), "/deep/er": (0o700, 7, 8), "/deep/er/text": (0o644, 0, 0)}
