"""What ran, found again: in the image that a tag names, in a repository for it, in the cache."""

import json
from pathlib import Path

import anyio
import pytest

from dagger_aml.backends.direct import after
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Registry
from dagger_aml.building.plans import probe
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.cli.progress.words import ran_before
from dagger_aml.errors import DaggerAmlError
from dagger_aml.events import Message, RanBefore, Warned
from dagger_aml.oci.manifest import INDEXES, index_document
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import RAN, changes_of, image_in, pushed, running
from tests.support.faulty import Answer, Fault, Faulty
from tests.support.layers import Put, file
from tests.support.registry import FakeRegistry, digest_of, fake_registry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]


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
    (before,) = (each for each in events if isinstance(each, RanBefore))
    assert before.taken and before.place == tag and "the commands are not run" in ran_before(before)
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


async def test_what_ran_is_looked_into_once_for_several_images_on_it(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, builder, read = put_base(registry), direct_builder(Runner(blobs_of(), RAN)), []
    index = after.read_index
    monkeypatch.setattr(after, "read_index", lambda *asked: read.append(1) or index(*asked))
    plan = await probe(running(base, folder), builder)
    first, second = [await builder.image(plan) for _ in range(2)]
    builder.close()
    assert read == [1] and first.own[0].entries == second.own[0].entries


async def test_what_ran_for_another_image_of_the_call_is_told_as_found(registry: FakeRegistry, folder: Path) -> None:
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    builder = direct_builder(runner)
    plan, made = await probe(running(base, folder), builder), []

    async def one() -> None:
        made.append((await builder.image(plan)).makings[0])

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one)
    builder.close()
    ran, *others = sorted(made, key=lambda each: each.way, reverse=True)
    assert (ran.way, ran.place) == ("runs", "") and len(runner.plans) == 1
    assert [(each.way, each.place) for each in others] == [("found", "another image of this call")] * 2
    assert {each.made for each in others} == {ran.made}


def _no_object(note: dict, monkeypatch: pytest.MonkeyPatch) -> object:
    return []


def _a_text(note: dict, monkeypatch: pytest.MonkeyPatch) -> object:
    return "x"


def _deep(note: dict, monkeypatch: pytest.MonkeyPatch) -> object:
    """As text: Python's own writer does not go so deep."""
    return "[" * 100_000


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
    [
        _other_key,
        _other_base,
        _old,
        _more_layers,
        _unmarked,
        _wrongly_marked,
        _empty_key,
        _no_object,
        _a_text,
        _deep,
        None,
    ],
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
        note = (
            change(note, monkeypatch) if change in (_no_object, _a_text, _deep) else change(note, monkeypatch) or note
        )
    labels["io.dagger-aml.direct"] = note if change is _deep else json.dumps(note)
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


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_several_builds_run_on_is_pushed_once(
    registry: FakeRegistry, proxy: Faulty, folder: Path, refuses: bool
) -> None:
    if refuses:
        proxy.breaks(Fault(r"PUT /v2/cache/manifests/", Answer(403)))
    events: list = []
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    builder = direct_builder(runner, events, cache_to=f"{proxy.host}/cache")
    graph = running(base, folder)
    targets = [
        BuildTarget((graph,), f"p{number}", tags_of([f"{registry.host}/app-{number}:1"]), (Registry(),))
        for number in range(5)
    ]
    try:
        async with anyio.create_task_group() as tasks:
            for target in targets[:4]:
                tasks.start_soon(build_all, [target], builder.with_events(events.append))
        await build_all(targets[4:], builder)
    finally:
        builder.close()
    pushes = [each for each in events if isinstance(each, Message) and each.text.startswith(f"pushing {proxy.host}")]
    assert len(runner.plans) == 1 and len(pushes) == 1
    assert sum(isinstance(each, Warned) for each in events) == refuses
    assert all(registry.manifests[f"app-{number}"]["1"] for number in range(5))


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


@pytest.mark.parametrize("status", [403, 404, 405, 409, 400, 500])
async def test_a_cache_whose_tags_cannot_be_written_is_a_warning(
    registry: FakeRegistry, proxy: Faulty, folder: Path, status: int
) -> None:
    """As where tags are immutable, or a token is for reading: registries say it in as many ways."""
    proxy.breaks(Fault(r"PUT /v2/cache/manifests/", Answer(status)))
    events: list = []
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    builder = direct_builder(runner, events, cache_to=f"{proxy.host}/cache", cache_from=f"{proxy.host}/cache")
    result = await pushed(running(base, folder), f"{registry.host}/app:1", builder)
    (warned,) = (each.finding for each in events if isinstance(each, Warned))
    assert "could not be pushed for later builds" in warned.message and proxy.met
    assert digest_of(registry.manifests["app"]["1"][0]) == result.digest and not registry.manifests["cache"]


async def test_a_cache_that_refuses_is_a_warning(registry: FakeRegistry, folder: Path) -> None:
    with fake_registry() as other:
        other.login, events = ("u", "p"), []
        base, runner = put_base(registry), Runner(blobs_of(), RAN)
        builder = direct_builder(runner, events, cache_to=f"{other.host}/cache")
        result = await pushed(running(base, folder), f"{registry.host}/app:1", builder)
    (warned,) = (each.finding for each in events if isinstance(each, Warned))
    assert "could not be pushed for later builds" in warned.message and warned.location.startswith(
        "open_builder(cache_to="
    )
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
