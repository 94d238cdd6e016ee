"""Images written directly and pushed: what is sent, what is not, and what a registry has then."""

import io
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import evolve

from dagger_aml.backends.dagger.capabilities import CAPABILITIES
from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.outputs import Export
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Registry
from dagger_aml.building.plans import probe
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.errors import BaseError, BuildError, DaggerAmlError, ProjectError
from dagger_aml.events import Warned
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph, Run
from dagger_aml.graph.source import Text
from dagger_aml.oci import layout as oci_layout
from dagger_aml.oci.image import read_image
from dagger_aml.oci.layer import Node, read_layer
from dagger_aml.oci.manifest import INDEXES, index_document
from dagger_aml.oci.registry import download
from tests.support.direct import Runner, blobs_of, code, direct_builder, put_base
from tests.support.layers import Put, file
from tests.support.registry import FakeRegistry, digest_of, fake_registry

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of the test's own, and no logins."""
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "cache"


def graph(base: From, folder: Path) -> Graph:
    """A model and code."""
    copies = [
        Copy(local(folder / "model"), "/var/app/models/m", name="model"),
        Copy(local(folder / "code"), "/var/app", uid=1000, gid=1001, changes="often", name="code"),
    ]
    return Graph(base, copies).configure(env={"A": "1"}, user="me")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code(tmp_path / "p/code", **{"score.py": "x = 1\n", "util.py": "y = 2\n"})
    code(tmp_path / "p/model", **{"w.bin": "weights"})
    return tmp_path / "p"


async def pushed(graph: Graph, tag: str, builder: DirectBuilder | None = None, gate=None):
    """Build and push; the result."""
    builder = builder or direct_builder()
    target = BuildTarget((graph,), "p", tags_of([tag]), (Registry(),), gate)
    try:
        (result,) = await build_all([target], builder)
    finally:
        builder.close()
    return result


def sent(registry: FakeRegistry) -> list[str]:
    """The requests that put something there, and forget them."""
    found = [each for each in registry.requests() if each.split()[0] in ("PUT", "POST", "PATCH")]
    registry.asked.clear()
    return found


def image_in(registry: FakeRegistry, repository: str, tag: str):
    """Config and layers of what a tag names: each layer's entries."""
    manifest = json.loads(registry.manifests[repository][tag][0])
    held = registry.blobs[repository]
    layers = [held[each["digest"]] for each in manifest["layers"]]
    for each, blob in zip(manifest["layers"], layers, strict=True):
        assert each["size"] == len(blob)
    return json.loads(held[manifest["config"]["digest"]]), layers


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


def changes_of(blob: bytes) -> Mapping[str, Node | str]:
    """What a layer puts there."""
    return dict(read_layer(io.BytesIO(blob))[0].added)


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


RAN = {"opt": Put(), "opt/lib": file("made by a command"), "var/app": Put(0o700, 5, 5)}


def running(base: From, folder: Path) -> Graph:
    """The same with a command before."""
    inner = graph(base, folder)
    return Graph(base, (Run(["/bin/make"], touches=["/opt"]), *inner.layers), inner.config)


@pytest.mark.parametrize("zipped", [True, False])
async def test_what_ran_is_found_again_in_the_image_that_the_tag_names(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, zipped: bool
) -> None:
    base, tag = put_base(registry), f"{registry.host}/app:1"
    runner = Runner(blobs_of(), RAN, zipped)
    await pushed(running(base, folder), tag, direct_builder(runner))
    (plan,) = runner.plans
    assert [each.name for each in plan.layers] == ["run"] and not plan.config.env
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    (folder / "code/score.py").write_text("x = 2\n")
    registry.asked.clear()
    events: list = []
    await pushed(running(base, folder), tag, direct_builder(runner, events))
    assert len(runner.plans) == 1
    assert any("the commands are not run" in each.text for each in events if hasattr(each, "text"))
    _, layers = image_in(registry, "app", "1")
    assert "/opt/lib" in changes_of(layers[2])
    # The owner and mode that the command left, not the base's.
    kept = changes_of(layers[4])["/var/app"]
    assert not isinstance(kept, str) and (kept.mode, kept.uid, kept.gid) == (0o700, 5, 5)
    # Neither what ran nor the base was read.
    assert f"GET /v2/app/blobs/{digest_of(layers[2])}" not in registry.requests()


async def test_what_ran_is_found_again_in_the_cache(registry: FakeRegistry, folder: Path) -> None:
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    for tag in ("1", "2"):
        await pushed(running(base, folder), f"{registry.host}/app:{tag}", direct_builder(runner))
    assert len(runner.plans) == 1 and image_in(registry, "app", "1")[1] == image_in(registry, "app", "2")[1]
    await pushed(running(base, folder), f"{registry.host}/app:3", direct_builder(runner, no_cache=True))
    assert len(runner.plans) == 2


def _no_object(note: dict, monkeypatch: pytest.MonkeyPatch) -> object:
    return []


def _a_text(note: dict, monkeypatch: pytest.MonkeyPatch) -> object:
    return "x"


def _empty_key(note: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGGER_AML_CACHE_KEY", "")


def _other_key(note: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    note["note"]["runtime"]["key"] = "sha256:" + "0" * 64


def _other_base(note: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    note["note"]["base"] = "sha256:" + "0" * 64


def _old(note: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    note["note"]["runtime"]["made"] -= 8 * 86400


def _more_layers(note: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    note["note"]["runtime"]["layers"] = 9


def _unmarked(note: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGGER_AML_CACHE_KEY", "secret")


def _wrongly_marked(note: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGGER_AML_CACHE_KEY", "secret")
    note["mark"] = "0" * 64


@pytest.mark.parametrize(
    "change",
    [_other_key, _other_base, _old, _more_layers, _unmarked, _wrongly_marked, _empty_key, _no_object, _a_text, None],
    ids=lambda each: each and each.__name__,
)
async def test_what_does_not_fit_is_made_anew(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change
) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    await pushed(running(base, folder), tag, direct_builder(runner))
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    manifest = json.loads(registry.manifests["app"]["1"][0])
    held = registry.blobs["app"]
    config = json.loads(held[manifest["config"]["digest"]])
    labels = config["config"]["Labels"]
    note = json.loads(labels["io.dagger-aml.direct"])
    if change:
        note = change(note, monkeypatch) if change in (_no_object, _a_text) else change(note, monkeypatch) or note
    labels["io.dagger-aml.direct"] = json.dumps(note)
    raw = json.dumps(config).encode()
    manifest["config"] |= {"digest": registry.put("app", raw), "size": len(raw)}
    registry.manifests["app"]["1"] = (json.dumps(manifest).encode(), registry.manifests["app"]["1"][1])
    await pushed(running(base, folder), tag, direct_builder(runner))
    assert len(runner.plans) == (2 if change else 1)


async def test_what_ran_is_shared_where_that_is_asked_for_and_only_there(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, runner, cache = put_base(registry), Runner(blobs_of(), RAN), f"{registry.host}/cache"
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    assert set(registry.manifests) <= {"base", "app", "cache"} and not registry.manifests.get("cache")
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner, cache_to=cache))
    (tag,) = (each for each in registry.manifests["cache"] if not each.startswith("sha256:"))
    assert tag.startswith("rt-") and len(tag) == 3 + 64
    config, layers = image_in(registry, "cache", tag)
    assert len(layers) == 3 and config["config"]["Env"] == ["PATH=/bin"]
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    await pushed(running(base, folder), f"{registry.host}/new:1", direct_builder(runner, cache_from=cache))
    assert len(runner.plans) == 1
    assert image_in(registry, "new", "1")[1] == image_in(registry, "app", "1")[1]


async def test_no_cache_replaces_what_was_shared(registry: FakeRegistry, folder: Path) -> None:
    base, runner, cache = put_base(registry), Runner(blobs_of(), RAN), f"{registry.host}/cache"
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner, cache_to=cache))
    runner.ran = {**RAN, "opt/newer": file("2")}
    again = direct_builder(runner, cache_to=cache, no_cache=True)
    await pushed(running(base, folder), f"{registry.host}/app:1", again)
    await pushed(running(base, folder), f"{registry.host}/new:1", direct_builder(runner, cache_from=cache))
    assert len(runner.plans) == 2 and "/opt/newer" in changes_of(image_in(registry, "new", "1")[1][2])


async def test_what_ran_is_found_in_the_index_that_a_tag_names(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    await pushed(running(base, folder), tag, direct_builder(runner))
    manifests = registry.manifests["app"]
    raw = index_document("oci", [(manifests["1"][0], "linux/amd64")])
    manifests[digest_of(manifests["1"][0])] = manifests["1"]
    manifests["1"] = (raw, INDEXES["oci"])
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    await pushed(running(base, folder), tag, direct_builder(runner))
    assert len(runner.plans) == 1


async def test_a_cache_that_refuses_is_a_warning(registry: FakeRegistry, folder: Path) -> None:
    with fake_registry() as other:
        other.login, events = ("u", "p"), []
        base, runner = put_base(registry), Runner(blobs_of(), RAN)
        builder = direct_builder(runner, events, cache_to=f"{other.host}/cache")
        result = await pushed(running(base, folder), f"{registry.host}/app:1", builder)
    (warned,) = (each.finding for each in events if isinstance(each, Warned))
    assert "could not be pushed for later builds" in warned.message and warned.location.startswith("--cache-to")
    assert digest_of(registry.manifests["app"]["1"][0]) == result.digest


@pytest.mark.parametrize("place", ["size", "packing", "diff_id", "more", "no object", "deep"])
async def test_a_damaged_note_of_the_cache_is_not_taken(
    registry: FakeRegistry, folder: Path, cache: Path, place: str
) -> None:
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    (path,) = (cache / "runtime").iterdir()
    kept = json.loads(path.read_text())
    layer = kept["document"]["layers"][0]
    change = {"size": (2, layer[2] + 1), "packing": (3, "none"), "diff_id": (0, "sha256:" + "0" * 64)}
    if place in change:
        layer[change[place][0]] = change[place][1]
    elif place == "more":
        layer.append(1)
    text = {"no object": "[]", "deep": "[" * 100_000}.get(place) or json.dumps(kept)
    path.write_text(text)
    await pushed(running(base, folder), f"{registry.host}/app:2", direct_builder(runner))
    assert len(runner.plans) == 2
    assert image_in(registry, "app", "1")[1] == image_in(registry, "app", "2")[1]


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


async def test_with_a_key_what_it_marked_is_taken(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAGGER_AML_CACHE_KEY", "secret")
    base, tag, runner = put_base(registry), f"{registry.host}/app:1", Runner(blobs_of(), RAN)
    await pushed(running(base, folder), tag, direct_builder(runner))
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    await pushed(running(base, folder), tag, direct_builder(runner))
    assert len(runner.plans) == 1


async def test_a_command_that_makes_a_destination_a_link_is_an_error(registry: FakeRegistry, folder: Path) -> None:
    base = put_base(registry)
    runner = Runner(blobs_of(), {"var": Put(), "var/app": Put(link="/tmp")})
    with pytest.raises(DaggerAmlError, match="/var/app is a link once the commands of the image have run"):
        await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    assert not registry.manifests.get("app")


async def test_a_base_that_the_builder_has_otherwise_is_left_to_it(registry: FakeRegistry, folder: Path) -> None:
    base, events = put_base(registry), []
    runner = Runner([b"another layer"], RAN)
    with pytest.raises(AttributeError):  # The runner's images cannot be pushed.
        await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner, events))
    assert [len(plan.layers) for plan in runner.plans] == [1, 3]
    assert any("another base image" in each.text for each in events if hasattr(each, "text"))


async def test_a_builder_that_writes_the_bases_layers_anew_is_taken_at_its_word(
    registry: FakeRegistry, folder: Path
) -> None:
    """As a Dagger engine does: other tars of the same files, one a layer, and then one for each command."""
    base = put_base(registry)
    runner = Runner([b"one", b"two"], RAN)
    await pushed(running(base, folder), f"{registry.host}/app:1", direct_builder(runner))
    _, layers = image_in(registry, "app", "1")
    assert layers[:2] == blobs_of() and "/opt/lib" in changes_of(layers[2])


async def test_small_texts_and_nothing_at_all(registry: FakeRegistry) -> None:
    base = put_base(registry)
    await pushed(Graph(base), f"{registry.host}/app:1")
    assert image_in(registry, "app", "1")[1] == blobs_of()
    await pushed(Graph(base, [Copy(Text(b"t"), "/t", "file")]), f"{registry.host}/app:2")
    assert len(image_in(registry, "app", "2")[1]) == 3
