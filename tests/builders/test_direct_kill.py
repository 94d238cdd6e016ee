"""A push of layers written directly, killed at ten moments: the tag, the cache, and the next build."""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from dagger_aml.oci.content_store import ContentStore
from tests.support.cli import Started, run, started
from tests.support.direct import put_base
from tests.support.direct_push import named
from tests.support.faulty import Fault, Faulty, faulty
from tests.support.projects import small
from tests.support.registry import fake_registry

pytestmark = [pytest.mark.builders]

MOMENTS = 10


def check_cache(folder: Path) -> None:
    """Whatever is kept is right; documents that can be read say what they said."""
    store = ContentStore(folder)
    for each in store.blobs():
        assert store.is_whole(each.name), each
    for path in folder.rglob("*.json"):
        if "wheels" not in path.parts:
            json.loads(path.read_text())


class Killing:
    """Kills a call of the command line when a registry gets its n-th request, which goes on once it is dead."""

    def __init__(self, proxy: Faulty, number: int) -> None:
        self.number = number
        self._calls: queue.Queue[Started] = queue.Queue()
        self._dead = threading.Event()
        proxy.breaks(Fault("", self._decide))

    def wait(self, call: Started) -> int:
        """The exit code of a call that was just started."""
        self._calls.put(call)
        code = call.wait(60)
        self._dead.set()
        return code

    def _decide(self, asked: Sequence[str]) -> None:
        if len(asked) == self.number:
            self._calls.get(timeout=30).signal(signal.SIGKILL)
            self._dead.wait(30)


def test_a_push_is_killed_at_ten_moments(tmp_path: Path) -> None:
    folder, cache = small(tmp_path / "p"), tmp_path / "cache"
    env = {"DAGGER_AML_CACHE_DIR": cache, "DOCKER_CONFIG": tmp_path, "TMPDIR": tmp_path}
    with fake_registry() as registry, faulty(registry.host) as proxy:
        put_base(registry)
        words = ["build", folder, "--layers", "direct", "--base", f"{proxy.host}/base:1"]
        words += ["-t", f"{proxy.host}/app:1", "--push"]

        def changed() -> None:
            (folder / "code/data.bin").write_bytes(os.urandom(6 << 20))
            for path in sorted(cache.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()

        for _ in range(2):
            # The first also has the base's layers to copy.
            changed()
            proxy.breaks()
            done = run(*words, env=env)
            assert done.returncode == 0, done.stderr
        requests, tags = len(proxy.asked), {named(registry)}
        assert requests > MOMENTS
        for moment in range(MOMENTS):
            changed()
            before = named(registry)
            killing = Killing(proxy, 1 + moment * (requests - 1) // (MOMENTS - 1))
            with started(*words, env=env) as call:
                assert killing.wait(call) == -signal.SIGKILL, call.printed()
            after = named(registry)
            assert after == before or moment == MOMENTS - 1, f"killed at request {killing.number} of {requests}"
            check_cache(cache)
            proxy.breaks()
            done = run(*words, env=env)
            assert done.returncode == 0, done.stderr
            tags.add(named(registry))
            assert named(registry) in done.stdout
            assert after == before or named(registry) == after
        assert len(tags) == MOMENTS + 1
        assert not list(tmp_path.glob("dagger-aml-*")), "temporary folders of the killed"
