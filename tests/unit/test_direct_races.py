"""Others at the same tag, the same cache and the same files while an image is pushed directly."""

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio
import pytest

from dagger_aml.errors import BuildError, DaggerAmlError, ProjectError
from dagger_aml.oci.content_store import ContentStore
from tests.support.direct import Runner, blobs_of, direct_builder, put_base
from tests.support.direct_push import RAN, changes_of, graph, image_in, named, project, pushed, running
from tests.support.faulty import Fault, Faulty
from tests.support.registry import FakeRegistry, digest_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

LARGE = "0123456789abcdef" * 400_000
"""6.4 MB: read while it is sent."""


class AtRequest:
    """Does something when such a request comes for the first time, and lets it through."""

    def __init__(self, proxy: Faulty, on: str, do: Callable[[], object]) -> None:
        self.done = threading.Event()

        def now(_asked: Sequence[str]) -> None:
            do()
            self.done.set()

        proxy.breaks(Fault(on, now, times=1))


async def test_two_writers_of_one_tag_leave_one_of_two_images(
    registry: FakeRegistry, folder: Path, tmp_path: Path, cache: Path
) -> None:
    """At once and with one cache; each project is another image."""
    base, made = put_base(registry), []
    runners = [Runner(blobs_of(), RAN), Runner(blobs_of(), RAN)]

    async def one(number: int) -> None:
        mine = project(tmp_path / f"p{number}")
        (mine / "code/score.py").write_text(f"x = {number}\n")
        result = await pushed(running(base, mine), f"{registry.host}/app:1", direct_builder(runners[number]))
        made.append(result.digest)

    for _ in range(3):
        made.clear()
        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(one, number)
        assert named(registry) in made and len(set(made)) == 2
        store = ContentStore(cache)
        assert store.blobs() and all(store.is_whole(each.name) for each in store.blobs())


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("other bytes", "changed while it was being read"),
        ("longer", "changed while it was being read"),
        ("shorter", "changed while it was being read"),
        ("gone", "disappeared while it was being read"),
        ("another file", "changed while it was being read"),
    ],
)
async def test_a_file_that_changes_while_it_is_on_its_way_moves_no_tag(
    registry: FakeRegistry, proxy: Faulty, folder: Path, how: str, says: str
) -> None:
    base, model = put_base(registry), folder / "model/w.bin"
    model.write_text(LARGE)
    tag = f"{proxy.host}/app:1"
    old = await pushed(graph(base, folder), tag)
    model.write_text(LARGE[1:] + "x")
    laid_out = graph(base, folder)

    def change() -> None:
        if how == "gone":
            model.unlink()
        elif how == "another file":
            (folder / "new").write_text(LARGE)
            os.utime(folder / "new", ns=(model.stat().st_atime_ns, model.stat().st_mtime_ns))
            (folder / "new").replace(model)
        else:
            text = {"other bytes": "y" * len(LARGE), "longer": LARGE * 2, "shorter": LARGE[:1000]}[how]
            model.write_text(text)

    changed = AtRequest(proxy, r"PATCH /v2/app/", change)
    with pytest.raises(ProjectError, match=says) as caught:
        await pushed(laid_out, tag)
    assert changed.done.wait(10)
    assert caught.value.location == str(model) and named(registry) == old.digest
    model.write_text(LARGE)
    assert (await pushed(graph(base, folder), tag)).digest == named(registry)


@pytest.mark.parametrize("cached", [True, False])
async def test_what_a_tag_names_is_deleted_while_it_is_used(
    registry: FakeRegistry,
    proxy: Faulty,
    folder: Path,
    cached: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Between looking it up and pushing on it: its blobs are sent anew, or it is said what lacks; never half."""
    base, runner, tag = put_base(registry), Runner(blobs_of(), RAN), f"{proxy.host}/app:1"
    await pushed(running(base, folder), tag, direct_builder(runner))
    (folder / "code/score.py").write_text("x = 2\n")
    if not cached:
        monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))

    def delete() -> None:
        with registry.lock:
            registry.manifests["app"].clear()
            registry.blobs["app"].clear()

    deleted = AtRequest(proxy, r"(POST|PUT|HEAD) /v2/app/", delete)
    if cached:
        made = await pushed(running(base, folder), tag, direct_builder(runner))
        assert named(registry) == made.digest and len(runner.plans) == 1
    else:
        with pytest.raises(BuildError, match=r"lacks a part of an image of app: sha256:") as caught:
            await pushed(running(base, folder), tag, direct_builder(runner))
        assert "open_builder(no_cache=…)" in (caught.value.hint or "") and not registry.manifests["app"]
        # The next build finds nothing, and makes it.
        made = await pushed(running(base, folder), tag, direct_builder(runner))
        assert named(registry) == made.digest and len(runner.plans) == 2
    assert deleted.done.is_set()
    assert "/opt/lib" in changes_of(image_in(registry, "app", "1")[1][2])


async def test_what_ran_is_gone_though_its_tag_names_it(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where a registry's own clean-up went wrong: said each time, and mended by --no-cache."""
    base, runner, tag = put_base(registry), Runner(blobs_of(), RAN), f"{registry.host}/app:1"
    old = await pushed(running(base, folder), tag, direct_builder(runner))
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "another"))
    del registry.blobs["app"][json.loads(registry.manifests["app"]["1"][0])["layers"][2]["digest"]]
    (folder / "code/score.py").write_text("x = 2\n")
    for _ in range(2):
        with pytest.raises(DaggerAmlError, match="lacks a part of an image of app"):
            await pushed(running(base, folder), tag, direct_builder(runner))
        assert digest_of(registry.manifests["app"]["1"][0]) == old.digest
    await pushed(running(base, folder), tag, direct_builder(runner, no_cache=True))
    assert named(registry) and len(runner.plans) == 2


async def test_the_cache_is_pruned_while_it_is_used(
    registry: FakeRegistry, proxy: Faulty, folder: Path, cache: Path
) -> None:
    base, runner = put_base(registry), Runner(blobs_of(), RAN)
    await pushed(running(base, folder), f"{registry.host}/other:1", direct_builder(runner))
    store = ContentStore(cache)

    def prune() -> None:
        store.prune(0)
        store.forget()

    pruned = AtRequest(proxy, r"POST /v2/app/", prune)
    with pytest.raises(BuildError, match="what ran is not in the cache any more") as caught:
        await pushed(running(base, folder), f"{proxy.host}/app:1", direct_builder(runner))
    assert caught.value.hint == "Run the same command again."
    assert not registry.manifests.get("app")
    await pushed(running(base, folder), f"{proxy.host}/app:1", direct_builder(runner))
    assert pruned.done.is_set() and named(registry) and len(runner.plans) == 2
