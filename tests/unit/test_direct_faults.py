"""A registry that breaks while an image is written directly: its tag names the old image or the new one, whole."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from dagger_aml.backends.direct.layers import SMALL
from dagger_aml.building.many import build_all
from dagger_aml.building.outputs import Registry
from dagger_aml.building.target import BuildTarget, tags_of
from dagger_aml.errors import BuildError, DaggerAmlError, RegistryDenied, TransientError
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Copy, Graph
from tests.support.direct import code, direct_builder, put_base
from tests.support.direct_push import named
from tests.support.faulty import Answer, Cut, Fault, Faulty, Unanswered
from tests.support.registry import SECRET, FakeRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

LARGE = "0123456789abcdef" * (SMALL // 16 + 1000)
"""So much that it is sent while it is read, its digest not known before."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    code(tmp_path / "p/code", **{"score.py": "x = 1\n"})
    code(tmp_path / "p/model", **{"w.bin": LARGE})
    return tmp_path / "p"


def graph(base: From, folder: Path) -> Graph:
    return Graph(base, [
        Copy(local(folder / "model"), "/var/app/models/m", name="model"),
        Copy(local(folder / "code"), "/var/app", uid=1000, gid=1001, changes="often", name="code"),
    ])  # fmt: skip


async def pushed(base: From, folder: Path, host: str) -> str | None:
    builder = direct_builder()
    try:
        target = BuildTarget((graph(base, folder),), "p", tags_of([f"{host}/app:1"]), (Registry(),))
        return (await build_all([target], builder))[0].digest
    finally:
        builder.close()


POINTS = {
    "the base's tag": r"HEAD /v2/base/manifests/1",
    "the base's manifest": r"GET /v2/base/manifests/sha256",
    "a blob of the base": r"GET /v2/base/blobs/",
    "the image that the tag names": r"GET /v2/app/manifests/1",
    "whether a blob is there": r"HEAD /v2/app/blobs/",
    "a mount": r"POST /v2/app/blobs/uploads/\?mount",
    "the begin of an upload": r"POST /v2/app/blobs/uploads/$",
    "a part of a large blob": r"PATCH /v2/app/blobs/uploads/",
    "the end of an upload": r"PUT /v2/app/blobs/uploads/",
    "the manifest": r"PUT /v2/app/manifests/",
}

BREAKS = {"cut": Cut(), "no answer": Unanswered(), "503": Answer(503), "429": Answer(429, {"Retry-After": "0"})}


ONCE = [
    *((point, how) for point in POINTS for how in ("cut", "503")),
    *((point, how) for point in ("a part of a large blob", "the end of an upload", "the manifest")
      for how in ("no answer", "429")),
]  # fmt: skip


@pytest.mark.parametrize(("point", "how"), ONCE, ids=lambda each: each)
async def test_what_breaks_once_is_tried_again(
    registry: FakeRegistry, proxy: Faulty, folder: Path, point: str, how: str
) -> None:
    put_base(registry)
    proxy.breaks(Fault(POINTS[point], BREAKS[how], times=1))
    digest = await pushed(From.parse(f"{proxy.host}/base:1"), folder, proxy.host)
    assert digest == named(registry) and len(proxy.met) == 1


@pytest.mark.parametrize("point", POINTS)
async def test_what_stays_broken_ends_with_the_old_image(
    registry: FakeRegistry, proxy: Faulty, folder: Path, point: str
) -> None:
    put_base(registry)
    base = From.parse(f"{proxy.host}/base:1")
    old = await pushed(base, folder, proxy.host)
    (folder / "code/score.py").write_text("x = 2\n")
    (folder / "model/w.bin").write_text(LARGE[1:] + "x")
    for path in sorted((folder.parent / "cache").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    proxy.breaks(Fault(POINTS[point], Answer(503)))
    if point in ("the image that the tag names", "a mount", "whether a blob is there"):
        # It can be done without; of what little the tag's image lacks nothing is asked.
        await pushed(base, folder, proxy.host)
        assert named(registry) != old
        return
    with pytest.raises(TransientError) as caught:
        await pushed(base, folder, proxy.host)
    assert caught.value.exit_code == 75 and named(registry) == old
    proxy.breaks()
    assert await pushed(base, folder, proxy.host) == named(registry) != old


@pytest.mark.parametrize("how", ["503", "it says that it was, and it was not"])
async def test_what_is_never_mounted_is_sent(registry: FakeRegistry, proxy: Faulty, folder: Path, how: str) -> None:
    """The repository is new, so no tag tells that it has the base's layers."""
    put_base(registry)
    proxy.breaks(Fault(POINTS["a mount"], BREAKS.get(how, Answer(201, {"Location": "/v2/app/blobs/x"}))))
    digest = await pushed(From.parse(f"{proxy.host}/base:1"), folder, proxy.host)
    assert digest == named(registry) and len(proxy.met) >= 2, "each of the base's layers was to be mounted"
    assert any(each.startswith("GET /v2/base/blobs/") for each in proxy.asked)


async def test_where_it_is_never_told_whether_a_blob_is_there_no_tag_appears(
    registry: FakeRegistry, proxy: Faulty, folder: Path
) -> None:
    put_base(registry)
    proxy.breaks(Fault(POINTS["whether a blob is there"], Answer(503)))
    with pytest.raises(TransientError):
        await pushed(From.parse(f"{proxy.host}/base:1"), folder, proxy.host)
    assert named(registry) is None


@pytest.mark.parametrize("status", [401, 403, 413, 400])
async def test_what_is_refused_is_said_and_moves_no_tag(
    registry: FakeRegistry, proxy: Faulty, folder: Path, status: int
) -> None:
    put_base(registry)
    base = From.parse(f"{proxy.host}/base:1")
    old = await pushed(base, folder, proxy.host)
    (folder / "code/score.py").write_text("x = 2\n")
    proxy.breaks(Fault(r"(POST|PATCH|PUT) /v2/app/", Answer(status)))
    with pytest.raises(RegistryDenied if status in (401, 403) else BuildError):
        await pushed(base, folder, proxy.host)
    assert named(registry) == old


async def test_whatever_the_last_request_is_the_tag_is_old_or_new(
    registry: FakeRegistry, proxy: Faulty, folder: Path
) -> None:
    put_base(registry)
    base = From.parse(f"{proxy.host}/base:1")
    old, seen = await pushed(base, folder, proxy.host), []
    for number in range(100):
        (folder / "code/score.py").write_text(f"x = {number}\n")
        proxy.breaks(Fault("", Answer(503), skip=number))
        try:
            seen.append(await pushed(base, folder, proxy.host))
            break
        except DaggerAmlError:
            assert named(registry) == old, f"after {number} requests"
    assert seen == [named(registry)] and number > 5


@pytest.mark.parametrize("number", range(10))
async def test_a_token_taken_back_at_any_request_is_asked_for_anew(
    registry: FakeRegistry, proxy: Faulty, folder: Path, number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """401 in the middle: of the ten begins of an upload, parts, ends and questions that a push makes."""
    put_base(registry)
    registry.login, registry.bearer, registry.realm = ("me", SECRET), True, f"http://{registry.host}/token"
    auth = base64.b64encode(f"me:{SECRET}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {proxy.host: {"auth": auth}}}))
    seen, tokens = [], []

    def revoke(asked: Sequence[str]) -> None:
        given = sum(each.path == "/token" for each in registry.asked)
        if not any("/base/blobs/" in each.path for each in registry.asked):
            return  # What the tag names is asked for together with the base, for which a token may just be given.
        seen.append(asked[-1])
        if len(seen) == number + 1:
            tokens.append(given)
            registry.revoke()

    proxy.breaks(Fault(r"\w+ /v2/app/", revoke))
    digest = await pushed(From.parse(f"{proxy.host}/base:1"), folder, proxy.host)
    assert digest == named(registry) and len(seen) > 10
    assert sum(each.path == "/token" for each in registry.asked) > tokens[0] >= 1


async def test_a_blob_that_is_too_much_for_one_request_goes_in_parts(
    registry: FakeRegistry, proxy: Faulty, folder: Path
) -> None:
    put_base(registry)
    registry.largest = 5 << 20
    (folder / "model/w.bin").write_bytes(os.urandom(7 << 20))
    digest = await pushed(From.parse(f"{proxy.host}/base:1"), folder, proxy.host)
    assert digest == named(registry)
    parts = [each.body for each in registry.asked if each.method == "PATCH" and each.body <= 5 << 20]
    assert len(parts) >= 2 and sum(parts) >= 7 << 20


async def test_a_registry_that_asks_to_wait_for_long_is_not_asked_again(
    registry: FakeRegistry, proxy: Faulty, folder: Path
) -> None:
    put_base(registry)
    proxy.breaks(Fault(r"PUT /v2/app/blobs/uploads/", Answer(429, {"Retry-After": "3600"})))
    with pytest.raises(TransientError, match=r"asks to slow down.*3600 s") as caught:
        await pushed(From.parse(f"{proxy.host}/base:1"), folder, proxy.host)
    assert caught.value.exit_code == 75 and named(registry) is None
    assert len(proxy.met) <= 4, "once for each of what is sent at the same time"
