"""What a push asks and sends at the same time, since each wait is a large part of it."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dagger_aml.backends.direct import builder as builder_module
from dagger_aml.backends.direct import image as image_module
from dagger_aml.errors import BuildError
from dagger_aml.oci.push import PushClient
from tests.support.direct import put_base
from tests.support.direct_push import graph, image_in, pushed
from tests.support.registry import FakeRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("cache")]

_SECONDS = 20


async def test_the_config_is_sent_while_layers_are(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tag = put_base(registry), f"{registry.host}/app:1"
    await pushed(graph(base, folder), tag)
    (folder / "code/score.py").write_text("x = 2\n")
    upload, both = PushClient.upload, threading.Barrier(2)

    def waits(*args: Any, **more: Any) -> None:
        # Broken after so many seconds, unless the other of two blobs is sent too.
        both.wait(_SECONDS)
        upload(*args, **more)

    monkeypatch.setattr(PushClient, "upload", waits)
    result = await pushed(graph(base, folder), tag)
    assert result.config_digest and image_in(registry, "app", "1")


async def test_what_the_tag_names_is_asked_for_while_the_base_is_looked_up(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)
    find_base, earlier = builder_module.find_base, builder_module.earlier

    def waits(work: Any) -> Any:
        def waiting(*args: Any) -> Any:
            both.wait(_SECONDS)
            return work(*args)

        return waiting

    monkeypatch.setattr(builder_module, "find_base", waits(find_base))
    monkeypatch.setattr(builder_module, "earlier", waits(earlier))
    await pushed(graph(put_base(registry), folder), f"{registry.host}/app:1")
    assert image_in(registry, "app", "1")
    manifests = [each for each in registry.requests() if each == "GET /v2/app/manifests/1"]
    assert len(manifests) == 1, "asked once"


async def test_that_there_is_no_base_is_told_as_ever(registry: FakeRegistry, folder: Path) -> None:
    base = put_base(registry)
    registry.asked.clear()
    registry.manifests.clear()
    with pytest.raises(BuildError, match="has no such image"):
        await pushed(graph(base, folder), f"{registry.host}/app:1")
    assert not [each for each in registry.requests() if each.split()[0] in ("PUT", "POST", "PATCH")]


async def test_where_a_layer_cannot_be_sent_no_thread_is_left_waiting(
    registry: FakeRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Noted(threading.Event):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    def refused(*_: Any, **__: Any) -> None:
        raise BuildError("no")

    monkeypatch.setattr(image_module, "threading", SimpleNamespace(Event=Noted, Lock=threading.Lock))
    monkeypatch.setattr("dagger_aml.backends.direct.layers.OwnLayer.stream", refused)
    with pytest.raises(BuildError, match="no"):
        await pushed(graph(put_base(registry), folder), f"{registry.host}/app:1")
    assert [each.is_set() for each in made] == [True]
    assert not [each for each in registry.requests() if each.startswith("PUT /v2/app/manifests")]
