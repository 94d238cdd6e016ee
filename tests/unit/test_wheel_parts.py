"""Modules of a wheel are compiled in parts, at the same time; the wheel alone decides what is in each."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
import zipfile

import pytest

from dagger_aml.errors import ProjectError
from dagger_aml.graph.access import Access
from dagger_aml.graph.wheels import Wheels
from dagger_aml.policy import DEFAULT
from dagger_aml.process import processors
from dagger_aml.wheels import store, unpack
from dagger_aml.wheels.archive import Contents, Member
from dagger_aml.wheels.cache import WheelCache
from dagger_aml.wheels.manifest import FIXED_TIME, Unpacked
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


def tree_of(made, cache):
    """The tree of one wheel, made or found."""
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    source = Wheels(python, "linux/amd64", (made.wheel(),), True, "pylock.toml")
    return await_(TreeStore(cache, Access(), False, lambda _: None, DEFAULT).trees([source]))[source]


def test_modules_are_compiled_while_others_are_unpacked(monkeypatch, tmp_path):
    monkeypatch.setattr(unpack, "_COMPILED_TOGETHER", 1)
    made = made_wheel(tmp_path, "lib", files={f"lib/{name}.py": "x = 1\n" for name in "abz"})
    begun, waited = threading.Event(), []
    run, open_ = store.run, zipfile.ZipFile.open

    async def seen(argv, *, stdin):
        begun.set()
        return await run(argv, stdin=stdin)

    def opened(archive, name, *more, **words):
        if getattr(name, "filename", "") == "lib/z.py":
            waited.append(begun.wait(20))
        return open_(archive, name, *more, **words)

    monkeypatch.setattr(store, "run", seen)
    monkeypatch.setattr(zipfile.ZipFile, "open", opened)
    tree = tree_of(made, WheelCache(tmp_path / "cache"))
    assert waited == [True]
    assert sum(each.path.endswith(".pyc") for each in tree.manifest.files) == 3


def test_what_a_tree_is_said_to_hold_is_what_lies_there(monkeypatch, tmp_path):
    monkeypatch.setattr(unpack, "_COMPILED_TOGETHER", 10)
    files = {"lib/b.py": "x = 1\n", "lib/a/c.py": "y = 2\n", "lib/template.py": "{{ no Python }}\n", "top.py": ""}
    made = made_wheel(tmp_path, "lib", files=files | {"lib/large.bin": "é" * (1 << 20)})
    cache = WheelCache(tmp_path / "cache")
    tree = tree_of(made, cache)
    there = sorted(path for path in tree.path.rglob("*") if path.is_file())
    said = {each.path: (each.size, each.sha256, each.mode) for each in tree.manifest.files}
    assert said == {
        path.relative_to(tree.path).as_posix(): (
            path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest(), stat.S_IMODE(path.stat().st_mode)
        ) for path in there
    }  # fmt: skip
    assert {path.stat().st_mtime for path in tree.path.rglob("*")} == {FIXED_TIME}
    rows = (tree.path / "lib-1.0.dist-info/RECORD").read_text().splitlines()
    tag, info = sys.implementation.cache_tag, "lib-1.0.dist-info"
    assert [row.split(",")[0] for row in rows] == [
        "top.py",
        f"__pycache__/top.{tag}.pyc",
        *("lib/b.py", "lib/large.bin", "lib/template.py"),
        f"lib/__pycache__/b.{tag}.pyc",
        "lib/a/c.py",
        f"lib/a/__pycache__/c.{tag}.pyc",
        *(f"{info}/INSTALLER", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"),
    ]
    # It is taken as it lies there, the next time.
    again = tree_of(made, cache)
    assert (again.path, again.manifest) == (tree.path, tree.manifest)


def test_a_wheel_that_breaks_off_leaves_no_tree(monkeypatch, tmp_path):
    """Some of its modules are compiled by then."""
    monkeypatch.setattr(unpack, "_COMPILED_TOGETHER", 1)
    made = made_wheel(tmp_path, "lib", files={f"lib/{name}.py": "x = 1\n" for name in "abz"})
    open_ = zipfile.ZipFile.open

    def opened(archive, name, *more, **words):
        if getattr(name, "filename", "") == "lib/z.py":
            raise zipfile.BadZipFile("cut")
        return open_(archive, name, *more, **words)

    monkeypatch.setattr(zipfile.ZipFile, "open", opened)
    cache = WheelCache(tmp_path / "cache")
    with pytest.raises(ProjectError, match=r"cannot be unpacked \(cut\)"):
        tree_of(made, cache)
    assert not list((tmp_path / "cache").glob("work-*")) and not list((tmp_path / "cache").glob("trees/*"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to processors")
def test_only_processors_that_it_may_use_are_counted() -> None:
    allowed = os.sched_getaffinity(0)
    assert processors() == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)
