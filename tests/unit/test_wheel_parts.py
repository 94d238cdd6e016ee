"""Modules of a wheel are compiled in parts, at the same time; the wheel alone decides what is in each."""

from __future__ import annotations

import os
import sys
import zipfile

import pytest

from dagger_aml.graph.access import Access
from dagger_aml.graph.wheels import Wheels
from dagger_aml.policy import DEFAULT
from dagger_aml.process import processors
from dagger_aml.wheels import store, unpack
from dagger_aml.wheels.archive import Contents, Member
from dagger_aml.wheels.cache import WheelCache
from dagger_aml.wheels.manifest import Unpacked
from dagger_aml.wheels.store import TreeStore
from tests.support.calls import await_
from tests.support.wheels import made_wheel


def contents(*sizes, data=()):
    members = []
    for number, size in enumerate(sizes):
        info = zipfile.ZipInfo(f"lib/m{number}.py")
        info.file_size = size
        members.append(Member(info, info.filename, number in data))
    return Contents(Unpacked("lib", "1", (), (), ()), "lib-1.dist-info", tuple(members))


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ((), []),
        ((1, 2, 3), [[0, 1, 2]]),
        ((60, 40, 1), [[0, 1], [2]]),
        ((1, 300, 1), [[0], [1], [2]]),
        ((101,), [[0]]),
        ((0, 100, 0, 1), [[0, 1, 2], [3]]),
    ],
)
def test_a_part_has_as_much_as_one_process_compiles(monkeypatch, sizes, parts):
    monkeypatch.setattr(unpack, "_COMPILED_TOGETHER", 100)
    found = unpack.modules(contents(*sizes))
    assert found == tuple(tuple(f"lib/m{each}.py" for each in part) for part in parts)


def test_what_is_no_module_is_in_no_part():
    assert unpack.modules(contents(1, 1, 1, data=(1,))) == (("lib/m0.py", "lib/m2.py"),)


def test_each_part_is_compiled_and_how_many_at_once_changes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(unpack, "_COMPILED_TOGETHER", 1)
    text = "def f(x):\n    return x in {'a', 'b'}, f'{x}', frozenset((1, 'é'))\n"
    made = made_wheel(tmp_path, "lib", files={f"lib/m{number}.py": text + f"N = {number}\n" for number in range(4)})
    running, most, started = 0, 0, []
    run = store.run

    async def counted(argv, *, stdin):
        nonlocal running, most
        running += 1
        most = max(most, running)
        started.append(stdin)
        done = await run(argv, stdin=stdin)
        running -= 1
        return done

    monkeypatch.setattr(store, "run", counted)
    found = []
    for limit in (1, 3):
        most = 0
        monkeypatch.setattr(store, "processors", lambda limit=limit: limit)
        cache = WheelCache(tmp_path / f"cache{limit}")
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        source = Wheels(python, "linux/amd64", (made.wheel(),), True, "pylock.toml")
        trees = TreeStore(cache, Access(), False, lambda _: None, DEFAULT)
        root = await_(trees.trees([source]))[source].path
        found.append({path.name: path.read_bytes() for path in root.rglob("*.pyc")})
        assert most == limit
    assert found[0] == found[1] and len(found[0]) == 4
    assert sorted(started) == sorted(2 * [f"lib/m{number}.py" for number in range(4)])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to processors")
def test_only_processors_that_it_may_use_are_counted() -> None:
    allowed = os.sched_getaffinity(0)
    assert processors() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)
