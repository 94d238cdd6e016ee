"""Images written directly and loaded into a store of this machine: what is sent, what stays, when all of it is."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from attrs import evolve

from dagger_aml import tasks
from dagger_aml.backends.base import Builder, Capabilities, Opening
from dagger_aml.backends.dagger.capabilities import CAPABILITIES
from dagger_aml.backends.direct.builder import DirectBuilder
from dagger_aml.backends.direct.inner import Opened
from dagger_aml.backends.direct.runtime import DirectRuntime
from dagger_aml.backends.local.kind import LocalKind
from dagger_aml.backends.local.program import StoredImage
from dagger_aml.backends.runtime import Start
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Store
from dagger_aml.building.plans import probe
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.errors import DaggerAmlError, EngineNotFound, ProjectError
from dagger_aml.events import Event, Message, OpDone, Transferred
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph
from dagger_aml.oci.content_store import ContentStore
from dagger_aml.oci.image import ImageContents, read_image
from dagger_aml.process import CompletedProcess
from tests.support.direct import SOON, Runner, code, put_base
from tests.support.local_store import FakeStore
from tests.support.registry import FakeRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

OWN_STORE: Capabilities = evolve(CAPABILITIES, name="docker", own_store=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code(tmp_path / "p/code", **{"score.py": "x = 1\n"})
    code(tmp_path / "p/model")
    (tmp_path / "p/model/w.bin").write_bytes(os.urandom(5_000_000))
    return tmp_path / "p"


def graph(base: From, folder: Path) -> Graph:
    """A model that is not small, and code."""
    copies = [
        Copy(local(folder / "model"), "/var/app/models/m", name="model"),
        Copy(local(folder / "code"), "/var/app", uid=1000, gid=1001, changes="often", name="code"),
    ]
    return Graph(base, copies).configure(env={"A": "1"}, user="me")


class LoadingRunner(Runner):
    """Takes tars too, and keeps what was in them."""

    tars: list[ImageContents]

    async def load_tar(self, tar: Path, reference: str) -> str | None:
        self.tars.append(read_image(tar))
        return None


class Loads:
    """Loads one image again and again, each time by another process, as far as memory goes."""

    def __init__(self, store: FakeStore | None) -> None:
        self.store = store
        self.runner = LoadingRunner(capabilities=OWN_STORE)
        self.runner.tars = []
        self.events: list[Event] = []

    def builder(self) -> DirectBuilder:
        kind = LocalKind(OWN_STORE, cast(Any, None), cast(Any, None), cast(Any, self.store and (lambda: self.store)))
        opening = Opening(layers="direct", policy=evolve(SOON, connect_timeout_seconds=0.5))
        return DirectBuilder(Opened(cast(Any, self.runner)), opening, self.events.append, lambda _: kind)

    async def __call__(self, laid_out: Graph, *tags: str) -> Any:
        self.events.clear()
        builder = self.builder()
        try:
            (result,) = await build_all(
                [BuildTarget((laid_out,), "p", tags_of(tags or ("app:1",)), (Store(),))], builder
            )
        finally:
            builder.close()
        return result

    @property
    def said(self) -> list[str]:
        return [each.text for each in self.events if isinstance(each, Message)]

    @property
    def sent(self) -> list[str]:
        """The steps of which a layer was sent."""
        return [each.name for each in self.events if isinstance(each, OpDone) and not each.cached]


async def test_how_many_bytes_a_store_has_taken_is_told(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it pulls, more and more, and once when it has all."""
    monkeypatch.setattr(tasks, "_AGAIN", 0.005)
    store, base = FakeStore(), put_base(registry)
    loads = Loads(store)
    await loads(graph(base, folder))
    told = [each for each in loads.events if isinstance(each, Transferred) and each.kind == "loaded"]
    taken = sum(len(each) for each in store.layers.values())
    assert told[-1].name == "app:1" and told[-1].done == told[-1].total and taken < told[-1].done < taken + 20_000
    assert [each.total for each in told[:-1]] == [None] * (len(told) - 1)
    assert sorted({each.done for each in told[:-1]}) == [each.done for each in told[:-1]]


async def test_only_what_a_store_lacks_is_sent(registry: FakeRegistry, folder: Path) -> None:
    store, base = FakeStore(), put_base(registry)
    loads = Loads(store)
    first = await loads(graph(base, folder))
    assert loads.sent == ["model", "code"] and "docker lacked 4 of 4 layers, 5.0 MB" in loads.said
    assert await loads(graph(base, folder)) == first and loads.sent == []
    assert "docker lacked 0 of 4 layers, 0 B" in loads.said
    (folder / "code/score.py").write_text("x = 2\n")
    registry.asked.clear()
    second = await loads(graph(base, folder))
    assert loads.sent == ["code"] and any(text.startswith("docker lacked 1 of 4 layers") for text in loads.said)
    assert not any("/blobs/" in each for each in registry.requests()), "layers of the base"
    assert second.image_id != first.image_id and [each.op for each in second.layers] == ["", "", "model", "code"]
    assert store.images == {"app:1": second.image_id}
    assert store.log == ["pull linux/amd64", "tag", "untag"] * 3 and not loads.runner.tars


@pytest.mark.parametrize("by_tag", [True, False])
async def test_it_is_the_image_that_a_tar_has(registry: FakeRegistry, folder: Path, by_tag: bool) -> None:
    base = put_base(registry)
    pulled, whole = Loads(FakeStore(by_tag=by_tag)), Loads(FakeStore(away="it is far away"))
    one, other = await pulled(graph(base, folder)), await whole(graph(base, folder))
    assert one == other and one.config_digest == one.image_id
    assert "docker gets the whole image, not only the layers that it lacks: it is far away" in whole.said
    (tar,) = whole.runner.tars
    assert pulled.store and list(pulled.store.configs[one.image_id]["rootfs"]["diff_ids"]) == list(tar.layers)


async def test_under_each_tag(registry: FakeRegistry, folder: Path) -> None:
    store = FakeStore()
    result = await Loads(store)(graph(put_base(registry), folder), "app:1", "example.org/app:2")
    assert store.images == dict.fromkeys(["app:1", "example.org/app:2"], result.image_id)


async def test_where_nothing_can_pull_a_tar_is_loaded(registry: FakeRegistry, folder: Path) -> None:
    loads = Loads(None)
    await loads(graph(put_base(registry), folder))
    assert len(loads.runner.tars) == 1 and not any("whole image" in text for text in loads.said)


@pytest.mark.parametrize(
    ("refuses", "why"),
    [("warn\nError: connection refused.", "Error: connection refused"), ("", "exit code 1")],
)
async def test_a_store_that_does_not_pull_gets_the_tar(
    registry: FakeRegistry, folder: Path, refuses: str, why: str
) -> None:
    loads = Loads(FakeStore(refuses=refuses))
    await loads(graph(put_base(registry), folder))
    assert len(loads.runner.tars) == 1
    assert f"docker gets the whole image, not only the layers that it lacks: {why}" in loads.said


async def test_a_store_that_asks_for_nothing_gets_the_tar(registry: FakeRegistry, folder: Path) -> None:
    """As where the port of its own machine swallows what comes."""
    loads = Loads(FakeStore(pulling=anyio.Event()))
    laid_out = graph(put_base(registry), folder)
    with anyio.fail_after(20):
        await loads(laid_out)
    assert len(loads.runner.tars) == 1 and any("it asked for nothing at 127.0.0.1:" in text for text in loads.said)


async def test_a_store_that_has_another_image_then_gets_the_tar(registry: FakeRegistry, folder: Path) -> None:
    class Other(FakeStore):
        async def tag(self, image: str, reference: str) -> Any:
            done = await super().tag(image, reference)
            self.configs["sha256:other"], self.images[reference] = {}, "sha256:other"
            return done

    loads = Loads(Other())
    await loads(graph(put_base(registry), folder))
    assert len(loads.runner.tars) == 1 and any("has another image of that name then" in text for text in loads.said)


async def test_a_base_that_has_gone_is_told_as_always(registry: FakeRegistry, folder: Path, cache: Path) -> None:
    store, base = FakeStore(), put_base(registry)
    builder = Loads(store).builder()
    image = await builder.image(await probe(graph(base, folder), builder))
    registry.blobs["base"].clear()
    shutil.rmtree(cache)
    with pytest.raises(DaggerAmlError, match=registry.host):
        await image.load("app:1")
    builder.close()
    assert not store.images


async def test_what_is_changed_meanwhile_is_not_loaded(registry: FakeRegistry, folder: Path) -> None:
    class Slow(FakeStore):
        async def pull_served(self, served: Any, platform: str) -> Any:
            (folder / "model/w.bin").write_bytes(os.urandom(5_000_000))
            return await super().pull_served(served, platform)

    store = Slow()
    loads = Loads(store)
    with pytest.raises(ProjectError, match="changed while"):
        await loads(graph(put_base(registry), folder))
    assert not store.images and not loads.runner.tars


async def test_a_layer_that_becomes_another_blob_than_before_is_sent_in_a_tar_and_noted(
    registry: FakeRegistry, folder: Path, cache: Path
) -> None:
    """As after a registry had the same tar compressed by another processor."""
    base, kept = put_base(registry), ContentStore(cache)
    loads = Loads(FakeStore())
    diff_id = (await loads(graph(base, folder))).layers[2].digest
    wrong = {"digest": f"sha256:{'0' * 64}", "size": 5_000_000, "packing": "none"}
    kept.put_document("layers", diff_id.removeprefix("sha256:"), wrong)
    loads = Loads(FakeStore())
    first = await loads(graph(base, folder))
    assert len(loads.runner.tars) == 1
    again = Loads(FakeStore())
    assert (await again(graph(base, folder))).image_id == first.image_id and not again.runner.tars


async def placed(loads: Loads, laid_out: Graph, *tags: str) -> tuple[str | None, DirectRuntime]:
    """Have an image where the other builder would start it, then load it."""
    loads.events.clear()
    builder = loads.builder()
    image = await builder.image(await probe(laid_out, builder))
    runtime = builder.runtime()
    assert isinstance(runtime, DirectRuntime)
    async with runtime._placed(image) as place:
        for tag in tags:
            await image.load(tag)
    builder.close()
    return cast("str | None", place), runtime


async def test_what_is_started_is_sent_as_what_is_loaded(registry: FakeRegistry, folder: Path) -> None:
    store, base = FakeStore(), put_base(registry)
    loads = Loads(store)
    first, _ = await placed(loads, graph(base, folder))
    (name,) = store.images
    assert store.images[name] == first and name.startswith("localhost/dagger-aml-direct:")
    (folder / "code/score.py").write_text("x = 2\n")
    second, _ = await placed(loads, graph(base, folder))
    assert second != first and loads.sent == ["code"] and store.images == {name: second}
    (folder / "code/score.py").write_text("x = 3\n")
    third, _ = await placed(loads, graph(base, folder), "app:1")
    assert store.images == {"app:1": third} and "docker lacked 0 of 4 layers, 0 B" in loads.said
    assert not loads.runner.tars


async def test_another_project_has_another_name(registry: FakeRegistry, folder: Path, tmp_path: Path) -> None:
    store, base = FakeStore(), put_base(registry)
    shutil.copytree(folder, tmp_path / "q")
    await placed(Loads(store), graph(base, folder))
    await placed(Loads(store), graph(base, tmp_path / "q"))
    assert len(store.images) == 2


async def test_what_cannot_be_pulled_is_started_from_a_tar(registry: FakeRegistry, folder: Path) -> None:
    place, _ = await placed(Loads(None), graph(put_base(registry), folder))
    assert isinstance(place, Path)


async def test_nothing_is_sent_or_written_where_nothing_starts_it(registry: FakeRegistry, folder: Path) -> None:
    """A smoke test of a build that writes a tar, say, on a machine without an engine."""
    loads = Loads(store := FakeStore())
    builder = loads.builder()
    image = await builder.image(await probe(graph(put_base(registry), folder), builder))

    class Absent(Opened):
        async def builder(self) -> Builder:
            raise EngineNotFound("no Dagger engine answers")

    runtime = DirectRuntime(Absent(cast("Any", loads.runner)))
    with pytest.raises(EngineNotFound):
        async with runtime.serve(image, Start(), cast("Any", None)):
            pass
    with pytest.raises(EngineNotFound):
        await runtime.run_probe(image, ["true"], offline=True)
    builder.close()
    assert not store.log and not store.images and image.id is None


async def test_a_cancel_ends_it_and_leaves_nothing(registry: FakeRegistry, folder: Path) -> None:
    store = FakeStore(pulling=anyio.Event())
    laid_out = graph(put_base(registry), folder)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Loads(store), laid_out)
            assert store.pulling
            await store.pulling.wait()
            tasks.cancel_scope.cancel()
    assert store.log == ["pull linux/amd64", "untag"] and not store.images
    assert not any(each.name == "loopback" for each in threading.enumerate() if each.is_alive())


class AskedStore(FakeStore):
    """Takes a name away only when it is asked for an image, for which it may never have an answer."""

    def __init__(self, *, answers: bool) -> None:
        super().__init__()
        self.answers, self.asked = answers, anyio.Event()

    async def inspect(self, reference: str) -> StoredImage | None:
        if reference in self.images:
            self.asked.set()
            if not self.answers:
                await anyio.sleep_forever()
        return await super().inspect(reference)

    async def untag(self, reference: str) -> CompletedProcess:
        await self.asked.wait()
        await anyio.sleep(0.02)
        return await super().untag(reference)


async def test_what_it_has_is_asked_while_our_name_is_taken_away(registry: FakeRegistry, folder: Path) -> None:
    store = AskedStore(answers=True)
    await Loads(store)(graph(put_base(registry), folder))
    assert [*store.images] == ["app:1"] and store.log == ["pull linux/amd64", "tag", "untag"]


async def test_a_cancel_meanwhile_takes_our_name_away_too(registry: FakeRegistry, folder: Path) -> None:
    store = AskedStore(answers=False)
    laid_out = graph(put_base(registry), folder)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Loads(store), laid_out)
            await store.asked.wait()
            tasks.cancel_scope.cancel()
    assert [*store.images] == ["app:1"] and store.log == ["pull linux/amd64", "tag", "untag"]
