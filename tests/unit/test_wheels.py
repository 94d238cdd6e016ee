"""Packages as files: which wheel a base takes, what of it becomes a tree, and what is refused by name."""

from __future__ import annotations

import base64
import contextlib
import csv
import errno
import io
import marshal
import os
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from email.message import Message as Headers
from pathlib import Path
from types import SimpleNamespace
from wsgiref.simple_server import WSGIRequestHandler, make_server

import anyio
import pytest
from attrs import evolve

from dagger_aml import Copy, From, Graph, Local, Options, ProjectError, UsageError, load_project
from dagger_aml.base.facts import BaseFacts, Distribution
from dagger_aml.cli.progress.words import is_over, moved
from dagger_aml.errors import BaseError, DaggerAmlError, GraphError, RegistryDenied
from dagger_aml.events import Message, Transferred
from dagger_aml.fs.digest import digest
from dagger_aml.graph.access import Access
from dagger_aml.graph.mount import Secret
from dagger_aml.graph.wheel_files import Wheel, WheelFile
from dagger_aml.graph.wheels import LockedWheels, Wheels
from dagger_aml.plan.make import plan
from dagger_aml.requirements.read import read_requirements
from dagger_aml.requirements.wheels import LARGE, MOST_LAYERS, Home, choose, in_layers, locked_wheels
from dagger_aml.text import human_size
from dagger_aml.wheels.cache import WheelCache
from dagger_aml.wheels.fetch import Redirects
from dagger_aml.wheels.manifest import FIXED_TIME, read_manifest
from dagger_aml.wheels.trees import with_trees
from tests.support.calls import await_, error_of
from tests.support.cases import for_each
from tests.support.package_index import index
from tests.support.projects import make, planned
from tests.support.servers import answering
from tests.support.wheels import base_with, lock_of, made_wheel


class Silent(WSGIRequestHandler):
    def log_message(self, format, *args):
        pass


OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"
BASE = From.parse("example.org/base:1")
HOME = Home("3.12", "linux/amd64", "3.12.4", (2, 35))
DEST = "/var/azureml-app/python-packages"


@pytest.fixture
def cache(tmp_path: Path) -> WheelCache:
    return WheelCache(tmp_path / "cache")


def locked(folder: Path, *tables: str) -> LockedWheels:
    make(folder, {"pylock.toml": lock_of(*tables)})
    return locked_wheels(read_requirements(folder / "pylock.toml"))


def copied(*wheels: Wheel, python: str = "3.12", facts: BaseFacts | None = None, bytecode: bool = False):
    """A plan that copies wheels."""
    source = Wheels(python, "linux/amd64", wheels, bytecode, "pylock.toml")
    return plan(Graph(BASE).add(Copy(source, DEST)), {BASE: facts or base_with(python=python)})


def tree(cache: WheelCache, *wheels: Wheel, events: list[str] | None = None, **more) -> Path:
    """The folder that wheels become."""
    said = events if events is not None else []

    def hear(event: object) -> None:
        said.extend([event.text] if isinstance(event, Message) else [])

    made = await_(with_trees(copied(*wheels, **more), cache=cache, on_event=hear))
    (layer,) = made.layers
    assert isinstance(layer, Copy) and isinstance(layer.source, Local)
    return Path(layer.source.path)


# --- which wheel ----------------------------------------------------------------------------------------------------


def wheels_of(*names: str) -> str:
    """A package with wheels of these tags."""
    files = ", ".join(
        f'{{ url = "https://x/big-1.0-{name}.whl", hashes = {{ sha256 = "{number:064x}" }} }}'
        for number, name in enumerate(names)
    )
    return f'[[packages]]\nname = "big"\nversion = "1.0"\nwheels = [{files}]\n'


@for_each(
    ("tags", "expected"),
    [
        (["py3-none-any", "cp312-cp312-manylinux_2_17_x86_64"], "cp312-cp312-manylinux_2_17_x86_64"),
        ([f"cp312-cp312-manylinux_2_{n}_x86_64" for n in (17, 28)], "cp312-cp312-manylinux_2_28_x86_64"),
        ([f"cp312-cp312-manylinux_2_{n}_x86_64" for n in (17, 36)], "cp312-cp312-manylinux_2_17_x86_64"),
        (["cp311-cp311-manylinux2014_x86_64", "cp39-abi3-manylinux2014_x86_64"], "cp39-abi3-manylinux2014_x86_64"),
        (["cp312-cp312-musllinux_1_2_x86_64", "py3-none-any"], "py3-none-any"),
        (["cp312-cp312-manylinux2014_aarch64", "py2.py3-none-any"], "py2.py3-none-any"),
        (["1-py3-none-any", "2-py3-none-any"], "2-py3-none-any"),
    ],
)  # fmt: skip
def test_the_wheel_is_the_one_that_pip_takes_there(tmp_path, tags, expected):
    for order in (tags, tags[::-1]):
        (chosen,) = choose(locked(tmp_path, wheels_of(*order)), HOME)
        assert chosen.file.filename == f"big-1.0-{expected}.whl"


@pytest.mark.parametrize(
    ("tags", "home", "words"),
    [
        (["cp311-cp311-manylinux2014_x86_64"], HOME, ["big 1.0", "Python 3.12", "linux/amd64", "cp311"]),
        (["cp312-cp312-manylinux_2_36_x86_64"], HOME, ["glibc 2.35", "manylinux_2_36"]),
        (["cp312-cp312-manylinux2014_x86_64"], evolve(HOME, platform="linux/arm64"), ["linux/arm64", "only"]),
        ([], HOME, ["no file with a SHA-256"]),
    ],
)
def test_a_package_without_a_wheel_that_fits_is_named(tmp_path, tags, home, words):
    table = wheels_of(*tags) if tags else wheels_of("x").partition("wheels")[0] + (
        'sdist = { url = "https://x/big-1.0.tar.gz", hashes = { sha256 = "' + "0" * 64 + '" } }\n'
    )  # fmt: skip
    if not tags:
        words = ["only a source archive"]
    error = error_of(choose, locked(tmp_path, table), home)
    assert isinstance(error, ProjectError)
    assert all(word in error.message for word in words), error.message
    assert error.location == f"{tmp_path / 'pylock.toml'}:4" and 'Options(packages_as="installed")' in (
        error.hint or ""
    )


def test_markers_are_those_of_the_base_to_its_last_number(tmp_path):
    one, two = made_wheel(tmp_path / "w", "one"), made_wheel(tmp_path / "w", "two")
    found = locked(tmp_path, one.table(marker="python_full_version < '3.12.4'"), two.table(marker="os_name == 'nt'"))
    assert choose(found, HOME) == ()
    assert [each.name for each in choose(found, evolve(HOME, full_python="3.12.3"))] == ["one"]
    assert [each.name for each in choose(found, evolve(HOME, full_python=""))] == ["one"]


def test_two_versions_for_one_base_are_refused(tmp_path):
    one, two = made_wheel(tmp_path / "w", "one"), made_wheel(tmp_path / "w", "one", "2.0")
    assert "two versions of one" in error_of(choose, locked(tmp_path, one.table(), two.table()), HOME).message


def test_a_list_that_is_no_lock_says_how_to_make_one(tmp_path):
    make(tmp_path, {"requirements.txt": "idna==3.10\n"})
    error = error_of(locked_wheels, read_requirements(tmp_path / "requirements.txt"), python="3.12")
    assert "uv pip compile --format pylock.toml --universal --python-version 3.12 requirements.txt" in str(error)


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (("pylock.toml", "pylock.a.toml", "uv.lock"), "pylock.toml"),
        (("pylock.a.toml", "uv.lock"), "pylock.a.toml"),
        (("uv.lock", "other.lock"), "uv.lock"),
        (("other.lock", "notpylock.toml"), None),
    ],
)
def test_a_list_that_is_no_lock_names_the_lock_beside_it(tmp_path, there, told):
    root = make(tmp_path, {"requirements.txt": "idna==3.10\n", **dict.fromkeys(there, "")})
    hint = str(error_of(locked_wheels, read_requirements(root / "requirements.txt")).hint)
    start = "Make a lock of it" if told is None else f"{told} beside it is a lock: use that, Options(requirements="
    assert hint.startswith(start) and "uv pip compile" in hint
    assert told is None or f'"{root / told}"' in hint


def test_a_password_in_a_wheels_url_is_refused(tmp_path):
    one = made_wheel(tmp_path / "w", "one")
    error = error_of(locked, tmp_path, one.table(url=f"https://me:secret@x/{one.path.name}"))
    assert "secret" not in str(error).replace("Options(secret=", "") and "password" in error.message


def test_a_large_wheel_is_a_layer_of_its_own_and_the_rest_is_one():
    def sized(name: str, size: int | None, tag: str = "py3-none-any") -> Wheel:
        return Wheel(name, "1", WheelFile(f"{name}-1-{tag}.whl", "0" * 64, "https://x/y.whl", size=size))

    wheels = [sized("a", 5), sized("b", LARGE + 1), sized("c", None), sized("d", None, "cp312-cp312-linux_x86_64")]
    names = [[each.name for each in part] for part in in_layers(wheels)]
    assert names == [["b"], ["d"], ["a", "c"]]
    many = [sized(f"n{number}", LARGE + number) for number in range(1, 100)]
    parts = in_layers(many)
    assert len(parts) == MOST_LAYERS and sorted(each.name for part in parts for each in part) == sorted(
        each.name for each in many
    )
    assert min(part[0].file.size or 0 for part in parts[:-1]) > max(each.file.size or 0 for each in parts[-1])


# --- the tree -------------------------------------------------------------------------------------------------------


def test_a_wheel_becomes_a_tree_by_the_specification(tmp_path, cache):
    made = made_wheel(
        tmp_path, "my-lib",
        files={
            "my_lib/__init__.py": "X = 1\n",
            "my_lib/run.sh": "echo\n",
            "my_lib-1.0.data/platlib/my_lib/fast.txt": "platlib",
            "my_lib-1.0.data/data/share/doc.txt": "data",
            "my_lib-1.0.data/headers/my.h": "header",
            "my_lib-1.0.data/scripts/my-tool": "#!python\n",
            "my_lib-1.0.dist-info/entry_points.txt": "[console_scripts]\nmy = my_lib:main\n",
            "my_lib-1.0.dist-info/direct_url.json": "{}",
        },
        modes={"my_lib/run.sh": 0o100775, "my_lib/__init__.py": 0o106600},
    )  # fmt: skip
    events: list[str] = []
    root = tree(cache, made.wheel(), events=events)
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    info = "my_lib-1.0.dist-info"
    assert sorted(found) == sorted(
        ["my_lib/__init__.py", "my_lib/run.sh", "my_lib/fast.txt", "share/doc.txt", "include/my-lib/my.h"]
        + [f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "INSTALLER", "entry_points.txt")]
    )
    modes = {name: stat.S_IMODE(path.stat().st_mode) for name, path in found.items()}
    assert modes.pop("my_lib/run.sh") == 0o755 and set(modes.values()) == {0o644}
    assert {path.stat().st_mtime for path in found.values()} == {FIXED_TIME}
    assert (root / info / "INSTALLER").read_text() == "dagger-aml\n"
    rows = {row[0]: row[1:] for row in csv.reader((root / info / "RECORD").open())}
    assert sorted(rows) == sorted(found) and rows[f"{info}/RECORD"] == ["", ""]
    assert rows["my_lib/__init__.py"][1] == "6" and rows["my_lib/__init__.py"][0].startswith("sha256=")
    assert any("my-tool" in each for each in events) and any("share/doc.txt" in each for each in events)


def test_the_tree_is_importable_and_its_metadata_says_so(tmp_path, cache):
    one = made_wheel(tmp_path, "one", files={"ns/one.py": "A = 1\n"})
    two = made_wheel(tmp_path, "two", "2.5", {"ns/two.py": "B = 2\n"})
    root = tree(cache, one.wheel(), two.wheel(), python=OURS, bytecode=True)
    ask = (
        "import ns.one, ns.two, importlib.metadata as m\n"
        "print(ns.one.A, ns.two.B, m.version('two'), ns.one.__cached__)"
    )
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-S", "-c", ask], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "1",
        "2",
        "2.5",
        str(root / f"ns/__pycache__/one.{sys.implementation.cache_tag}.pyc"),
    ]


def test_compiled_modules_hold_a_hash_that_nobody_checks_and_are_the_same_each_time(tmp_path, cache):
    text = "import os\n\ndef f(x):\n    return x in {'a', 'b', os.sep}, f'{x}', frozenset((1, 'é'))\n"
    files = {"lib/__init__.py": text, "lib/more.py": text + "Y = 'a'\n", "lib/template.py": "{{ name }} is no Python"}
    made = made_wheel(tmp_path, "lib", files=files)
    first = tree(cache, made.wheel(), python=OURS, bytecode=True)
    second = tree(WheelCache(tmp_path / "other"), made.wheel(), python=OURS, bytecode=True)
    compiled = sorted(path.relative_to(first) for path in first.rglob("*.pyc"))
    assert [path.name.partition(".")[0] for path in compiled] == ["__init__", "more"]
    for path in compiled:
        data = (first / path).read_bytes()
        assert data == (second / path).read_bytes()
        assert data[4:8] == b"\1\0\0\0", "hash-based, unchecked"
        assert marshal.loads(data[16:]).co_filename == f"lib/{path.name.partition('.')[0]}.py"


def test_compiled_modules_are_found_where_they_are_whatever_this_process_was_told(tmp_path, cache, monkeypatch):
    made = made_wheel(tmp_path, "lib", files={"lib/__init__.py": "A = 1\n", "top.v2.py": "B = 2\n"})
    expected = tree(cache, made.wheel(), python=OURS, bytecode=True)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "elsewhere"))
    for told in (sys.flags.optimize, 1):
        monkeypatch.setattr(sys, "flags", SimpleNamespace(**{**_flags(), "optimize": told}))
        root = tree(WheelCache(tmp_path / f"other{told}"), made.wheel(), python=OURS, bytecode=True)
        manifest = read_manifest(root.parent / "manifest.json")
        assert manifest == read_manifest(expected.parent / "manifest.json")
        assert sorted(each.path for each in manifest.files) == sorted(
            path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
        )
        assert {path.stat().st_mtime for path in root.rglob("*.pyc")} == {FIXED_TIME}


def _flags() -> dict[str, int]:
    return {name: getattr(sys.flags, name) for name in dir(sys.flags) if not name.startswith("_")}


def test_nothing_is_compiled_for_another_python(tmp_path, cache):
    other = "3.99"
    source = locked(tmp_path, made_wheel(tmp_path / "w", "one").table())
    made = plan(Graph(BASE).add(Copy(source, DEST)), {BASE: base_with(python=other)})
    (layer,) = made.layers
    assert isinstance(layer, Copy) and isinstance(layer.source, Wheels) and not layer.source.bytecode
    ours = plan(Graph(BASE).add(Copy(source, DEST)), {BASE: base_with(python=OURS)}).layers[0]
    assert isinstance(ours, Copy) and isinstance(ours.source, Wheels) and ours.source.bytecode


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"lib.pth": "import lib\n", "lib.py": ""}, ["lib.pth", "site-packages"]),
        ({"lib-nspkg.pth": "import sys\n"}, ["lib-nspkg.pth"]),
        ({"dataclasses.py": ""}, ["dataclasses", "Python's own library"]),
        ({"typing/__init__.py": ""}, ["typing"]),
        ({"lib-1.0.data/purelib/enum.py": ""}, ["enum"]),
        ({"a/../../lib.py": ""}, ["called 'a/../../lib.py'"]),
        ({"/lib.py": ""}, ["'/lib.py'"]),
        ({"a\\lib.py": ""}, ["called"]),
        ({"lib-1.0.data/scriptz/x": ""}, ["no known kind"]),
        ({"lib/a.py": "", "lib-1.0.data/purelib/lib/a.py": ""}, ["lib/a.py twice"]),
        ({"lib/link": "target"}, ["no plain file"]),
    ],
)
def test_what_cannot_work_from_a_folder_is_refused_by_name(tmp_path, cache, files, words):
    made = made_wheel(tmp_path, "lib", files=files, modes={"lib/link": 0o120777})
    error = error_of(tree, cache, made.wheel())
    assert all(word in error.message for word in ["lib-1.0-py3-none-any.whl", *words]), error.message
    assert not list((cache.root / "trees").glob("*")) if (cache.root / "trees").exists() else True
    assert not list(cache.root.glob("work-*"))


def test_what_setuptools_has_for_site_packages_does_no_harm(tmp_path, cache):
    made = made_wheel(tmp_path, "setuptools", files={"distutils-precedence.pth": "x", "setuptools/__init__.py": ""})
    assert (tree(cache, made.wheel()) / "setuptools").is_dir()


def test_another_packages_wheel_is_refused(tmp_path, cache):
    made = made_wheel(tmp_path, "lib")
    assert "is of lib" in error_of(tree, cache, evolve(made.wheel(), name="other")).message


def test_two_wheels_may_share_a_path_only_with_the_same_bytes(tmp_path, cache):
    one = made_wheel(tmp_path, "one", files={"ns/__init__.py": "", "ns/one.py": ""})
    same = made_wheel(tmp_path, "same", files={"ns/__init__.py": "", "ns/two.py": ""})
    other = made_wheel(tmp_path, "other", files={"ns/__init__.py": "X = 1\n"})
    below = made_wheel(tmp_path, "below", files={"ns/one.py/x.py": ""})
    assert sorted(path.name for path in (tree(cache, one.wheel(), same.wheel()) / "ns").iterdir()) == [
        "__init__.py", "one.py", "two.py",
    ]  # fmt: skip
    error = error_of(tree, cache, one.wheel(), other.wheel())
    assert "one and other both have ns/__init__.py" in error.message
    assert "ns/one.py" in error_of(tree, cache, one.wheel(), below.wheel()).message


def test_layers_of_one_folder_are_looked_at_together(tmp_path, cache):
    one = made_wheel(tmp_path, "one", files={"ns/__init__.py": ""})
    other = made_wheel(tmp_path, "other", files={"ns/__init__.py": "X = 1\n"})
    copies = [Copy(Wheels("3.12", "linux/amd64", [each.wheel()]), DEST) for each in (one, other)]
    made = plan(Graph(BASE).add(*copies), {BASE: base_with()})
    assert "both have ns/__init__.py" in error_of(lambda: await_(with_trees(made, cache=cache))).message


# --- the cache ------------------------------------------------------------------------------------------------------


def test_the_cache_is_this_users_alone_and_is_used_again(tmp_path, cache):
    made = made_wheel(tmp_path, "one")
    root = tree(cache, made.wheel())
    number = (root / "one.py").stat().st_ino
    assert stat.S_IMODE(cache.root.stat().st_mode) == 0o700
    made.path.unlink()
    assert (tree(cache, made.wheel()) / "one.py").stat().st_ino == number
    cache.root.chmod(0o755)
    assert "this user's alone" in error_of(tree, cache, made_wheel(tmp_path, "two").wheel()).message


def test_a_damaged_tree_is_made_anew(tmp_path, cache):
    made = made_wheel(tmp_path, "one")
    for damage in (
        lambda root: (root / "one.py").write_text("NAME = 'two'\n"),
        lambda root: (root / "one.py").unlink(),
        lambda root: (root / "more.py").write_text(""),
        lambda root: (root / "one.py").chmod(0o666),
        lambda root: (root.parent / "manifest.json").write_text("{"),
    ):
        damage(tree(cache, made.wheel()))
        root = tree(cache, made.wheel())
        assert (root / "one.py").read_text() == "NAME = 'one'\n" and not (root / "more.py").exists()
        assert stat.S_IMODE((root / "one.py").stat().st_mode) == 0o644


@pytest.mark.parametrize("step", ["unpack", "compiled", "finish"])
def test_a_full_disk_is_told_of_the_cache(tmp_path, cache, monkeypatch, step):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"dagger_aml.wheels.store.{step}", full)
    with pytest.raises(DaggerAmlError, match="No space left on device") as caught:
        tree(cache, made_wheel(tmp_path, "one").wheel(), python=OURS, bytecode=True)
    assert caught.value.location == str(cache.root) and "dagger-aml cache prune" in (caught.value.hint or "")
    assert not list(cache.root.rglob("work-*"))


def test_what_a_killed_build_left_is_removed_after_a_day(tmp_path, cache):
    made = made_wheel(tmp_path, "one")
    tree(cache, made.wheel())
    for name, hours in (("work-old", 25), ("work-new", 1)):
        make(cache.root / name, {"x": ""})
        when = time.time() - hours * 3600
        os.utime(cache.root / name, (when, when))
    tree(cache, made_wheel(tmp_path, "two").wheel())
    assert [path.name for path in cache.root.glob("work-*")] == ["work-new"]


def test_the_cache_lies_with_all_that_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path))
    assert WheelCache.of_user().root == tmp_path / "wheels"


def test_a_wheel_of_the_project_that_changed_is_refused(tmp_path, cache):
    made = made_wheel(tmp_path, "one")
    made.path.write_bytes(made.path.read_bytes() + b"x")
    assert "another SHA-256" in error_of(tree, cache, made.wheel()).message


# --- fetching -------------------------------------------------------------------------------------------------------


def fetched(cache: WheelCache, wheel: Wheel, access: Access | None = None, *, fetch: bool = True) -> Path:
    graph = Graph(BASE, access=access or Access()).add(Copy(Wheels("3.12", "linux/amd64", [wheel]), DEST))
    made = await_(with_trees(plan(graph, {BASE: base_with()}), cache=cache, fetch=fetch))
    return Path(made.layers[0].source.path)


def test_what_takes_long_is_told_before_it_is_done_and_only_then(tmp_path, cache):
    wheels = [made_wheel(tmp_path / "packages", name).wheel() for name in ("one", "two")]
    first, again = list[str](), list[str]()
    tree(cache, *wheels, events=first, bytecode=True)
    assert "unpacking 2 wheels, and compiling their modules" in first
    tree(cache, *wheels, events=again, bytecode=True)
    assert not any(each.startswith(("unpacking", "fetching")) for each in again)


def test_wheels_come_from_where_the_lock_says_and_are_kept(tmp_path, cache):
    made = made_wheel(tmp_path / "packages", "one")
    with index(tmp_path / "packages") as served:
        wheel = made.wheel(f"{served.url.removesuffix('simple/')}packages/{made.path.name}")
        error = error_of(fetched, cache, wheel, fetch=False)
        assert (
            isinstance(error, UsageError)
            and made.path.name in error.message
            and "probe(graph, builder)" in (error.hint or "")
        )
        assert served.answers == []
        assert (fetched(cache, wheel) / "one.py").is_file()
        before = len(served.answers)
        assert (fetched(cache, wheel, fetch=False) / "one.py").is_file() and len(served.answers) == before == 1


@pytest.mark.parametrize("sized", [True, False])
def test_how_much_of_a_large_wheel_is_fetched_is_told(tmp_path, cache, sized):
    made = made_wheel(tmp_path, "one", files={"one.py": "", "data": os.urandom(900_000)})
    data, more = made.path.read_bytes(), threading.Event()
    events: list[Transferred] = []

    def app(environ, start):
        start("200 OK", [("Content-Length", str(len(data)))])
        yield data[:600_000]
        more.wait(10)  # Until something is told of the first part.
        yield data[600_000:]

    def on_event(event):
        if isinstance(event, Transferred):
            events.append(event)
            if event.done:
                more.set()

    with answering(server := make_server("127.0.0.1", 0, app, handler_class=Silent)):
        wheel = made.wheel(f"http://127.0.0.1:{server.server_port}/one.whl")
        wheel = evolve(wheel, file=evolve(wheel.file, size=len(data) if sized else None))
        graph = Graph(BASE).add(Copy(Wheels("3.12", "linux/amd64", [wheel]), DEST))
        await_(with_trees(plan(graph, {BASE: base_with()}), cache=cache, on_event=on_event))
    assert {(each.kind, each.name) for each in events} == {("fetched", made.path.name)}
    total = len(data) if sized else None
    moving = [(each.done, each.total) for each in events[:-1]]
    assert moving[0] == (0, total) and moving[1:] and all(0 < done < len(data) for done, _ in moving[1:])
    assert {each for _, each in moving} == {total}
    assert (events[-1].done, events[-1].total) == (len(data), len(data))
    assert [is_over(each) for each in events] == [False] * len(moving) + [True]
    of = f" of {human_size(len(data))}" if sized else ""
    assert moved(events[1]) == f"{human_size(events[1].done)}{of} fetched"
    assert moved(events[-1]) == f"{human_size(len(data))} fetched"


@pytest.mark.parametrize("way", ["index", "extra", "pip", "netrc"])
def test_an_index_that_the_build_names_comes_first_with_its_login(tmp_path, cache, way):
    made = made_wheel(tmp_path / "packages", "my-one")
    wheel = made.wheel("https://nowhere.invalid/one.whl")
    password = "pa55 word" if way in ("pip", "netrc") else None
    with index(tmp_path / "packages", password=password) as served:
        host = "127.0.0.1"
        access = {
            "index": Access(index_url=served.url),
            "extra": Access(extra_index_urls=(served.url,)),
            "pip": Access(secrets=(Secret.of("pip", served.login_url.replace(" ", "%20")),)),
            "netrc": Access(
                index_url=served.url,
                secrets=(Secret.of("netrc", f'machine {host} login builder password "{password}"\n'),),
            ),
        }[way]
        assert (fetched(cache, wheel, access) / "my_one.py").is_file()
        assert served.answers[0][0] == "/simple/my-one/"
        if password:
            with pytest.raises(RegistryDenied) as caught:
                fetched(WheelCache(tmp_path / "c2"), wheel, Access(index_url=served.url))
            assert password not in str(caught.value)


def test_another_file_under_the_same_name_is_refused(tmp_path, cache):
    made = made_wheel(tmp_path / "packages", "one")
    with index(tmp_path / "packages") as served:
        url = f"{served.url.removesuffix('simple/')}packages/{made.path.name}"
        wheel = evolve(made.wheel(url), file=WheelFile(made.path.name, "0" * 64, url))
        with pytest.raises(DaggerAmlError, match="another SHA-256"):
            fetched(cache, wheel)
    assert not list(cache.root.glob("files/*")) and not list(cache.root.glob("work-*"))


def test_a_login_is_not_sent_on_to_another_host(tmp_path, cache):
    made = made_wheel(tmp_path, "one")
    seen: list[tuple[str, str | None]] = []

    def app(environ, start):
        host = environ["HTTP_HOST"]
        seen.append((host.partition(":")[0], environ.get("HTTP_AUTHORIZATION")))
        if host.startswith("127."):
            start("302 Found", [("Location", f"http://localhost:{server.server_port}/one.whl")])
            return [b""]
        start("200 OK", [])
        return [made.path.read_bytes()]

    server = make_server("127.0.0.1", 0, app, handler_class=Silent)
    netrc = Secret.of("netrc", "machine 127.0.0.1 login me password secret\n")
    with answering(server):
        fetched(cache, made.wheel(f"http://127.0.0.1:{server.server_port}/one.whl"), Access(secrets=(netrc,)))
    assert [host for host, _ in seen] == ["127.0.0.1", "localhost"]
    assert seen[0][1] == "Basic " + base64.b64encode(b"me:secret").decode() and seen[1][1] is None


def test_no_redirect_leads_away_from_https():
    request = urllib.request.Request("https://example.org/a")
    for url, taken in {"https://example.org/b": True, "http://example.org/b": False}.items():
        with contextlib.nullcontext() if taken else pytest.raises(urllib.error.HTTPError):
            assert Redirects().redirect_request(request, io.BytesIO(), 302, "Found", Headers(), url)


def test_a_cancelled_download_ends_at_once_and_leaves_nothing(tmp_path, cache):
    """The host sends the beginning of a file and then a little now and then."""
    begun = threading.Event()

    def app(environ, start):
        start("200 OK", [("Content-Length", "10000000")])
        for _ in range(200):
            begun.set()
            yield b"x" * 16384
            time.sleep(0.02)

    server = make_server("127.0.0.1", 0, app, handler_class=Silent)
    url = f"http://127.0.0.1:{server.server_port}/one.whl"
    wheel = Wheel("one", "1.0", WheelFile("one-1.0-py3-none-any.whl", "0" * 64, url))

    async def cancelled() -> float:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: with_trees(copied(wheel), cache=cache))
            while not begun.is_set():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
            return time.monotonic()

    with answering(server):
        at = anyio.run(cancelled)
        assert time.monotonic() - at < 1
        deadline = time.monotonic() + 10
        while (left := list(cache.root.glob("work-*"))) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert not left and not list(cache.root.glob("files/*"))


# --- what they require, and what the base has -----------------------------------------------------------------------

SERVER = Distribution("azureml-inference-server-http", "1.5.1", ("flask<2.4", 'other; extra == "x"'))
FLASK = Distribution("Flask", "2.3.0", ("werkzeug>=2",))


def resolved(folder: Path, facts: BaseFacts, *tables: str):
    return plan(Graph(BASE).add(Copy(locked(folder, *tables), DEST)), {BASE: facts})


def test_what_the_server_cannot_live_with_is_refused(tmp_path):
    flask = made_wheel(tmp_path / "w", "flask", "3.0")
    facts = base_with(SERVER, FLASK, Distribution("werkzeug", "2.0"))
    error = error_of(resolved, tmp_path, facts, flask.table())
    assert isinstance(error, GraphError)
    assert all(word in error.message for word in ("azureml-inference-server-http", "flask<2.4", "flask 3.0"))
    assert "Lock again together with 'flask<2.4'" in (error.hint or "")
    assert resolved(tmp_path, base_with(FLASK), flask.table()).layers


@pytest.mark.parametrize(
    ("requires", "there", "words"),
    [
        (("numpy>=2",), (), ["one 1.0 requires numpy>=2", "neither in the lock nor in the base"]),
        (("numpy>=2",), (Distribution("numpy", "1.26"),), ["numpy 1.26 is there"]),
        (("numpy>=1",), (Distribution("numpy", "1.26"),), None),
        (('numpy>=2; sys_platform == "win32"', 'x; extra == "all"'), (), None),
        (("two>=2",), (), ["two 1.5 is there"]),
    ],
)
def test_what_a_package_requires_is_looked_for_in_folder_and_base(tmp_path, cache, requires, there, words):
    wheels = made_wheel(tmp_path, "one", requires=requires).wheel(), made_wheel(tmp_path, "two", "1.5").wheel()
    facts = base_with(*there)
    if words is None:
        assert tree(cache, *wheels, facts=facts).is_dir()
        return
    error = error_of(tree, cache, *wheels, facts=facts)
    assert all(word in str(error) for word in words), str(error)


def test_what_the_base_lacked_before_is_no_fault_of_the_locks(tmp_path, cache):
    facts = base_with(SERVER, Distribution("flask", "3.0"))
    assert tree(cache, made_wheel(tmp_path, "one").wheel(), facts=facts).is_dir()


def test_what_the_server_does_not_need_is_told_and_no_error(tmp_path, cache):
    facts = base_with(
        SERVER, Distribution("flask", "2.3"), Distribution("two", "0.5"), Distribution("onlooker", "1", ("two<1",))
    )
    events: list[str] = []
    tree(cache, made_wheel(tmp_path, "two", "1.5").wheel(), facts=facts, events=events)
    assert any("onlooker 1 requires two<1" in each for each in events)


def test_a_base_whose_python_or_library_is_not_known_is_refused(tmp_path):
    one = made_wheel(tmp_path / "w", "one")
    error = error_of(resolved, tmp_path, BaseFacts("assumed", environment="/env"), one.table())
    assert isinstance(error, BaseError) and "probe(graph, builder)" in (error.hint or "")
    assert "not glibc" in error_of(resolved, tmp_path, base_with(glibc=""), one.table()).message


def test_the_digest_is_of_the_wheels_and_is_the_trees_too(tmp_path, cache):
    one, two = made_wheel(tmp_path, "one"), made_wheel(tmp_path, "two")
    made = copied(one.wheel(), two.wheel())
    carried = await_(with_trees(made, cache=cache))
    before, after = (each.layers[0].source for each in (made, carried))
    assert digest(before) == digest(after) != digest(copied(one.wheel()).layers[0].source)
    assert digest(evolve(before, bytecode=True)) != digest(before)


# --- a project ------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DAGGER_AML_CACHE_DIR", str(tmp_path / "kept"))
    one, two = made_wheel(tmp_path / "p/wheels", "one"), made_wheel(tmp_path / "p/wheels", "two", requires=("one",))
    files = {
        "pylock.toml": lock_of(one.table(), two.table()),
        "code/score.py": "def init():\n    pass\n\n\ndef run(data):\n    return data\n",
        "dagger-aml.toml": '[packages]\nas = "files"\n',
    }
    return make(tmp_path / "p", files)


@pytest.mark.parametrize(
    ("recipe", "variable"), [("extended", "PYTHONPATH"), ("preinstalled", "AZUREML_EXTRA_PYTHON_LIB_PATH")]
)
def test_a_project_runs_nothing_and_has_its_packages_in_front(project, recipe, variable):
    made = planned(project, recipe=recipe)
    assert made.engine_part == () and variable in made.config.env
    assert [layer.dest for layer in made.layers if isinstance(layer.source, Wheels)] == [DEST]


def test_plan_shows_each_wheel_and_dockerfile_carries_the_tree(project, cli, tmp_path):
    code, out, _ = cli("plan", project)
    assert code == 0 and "one-1.0-py3-none-any.whl" in out and "two-1.0-py3-none-any.whl" in out
    code, _, err = cli("dockerfile", project, "-o", tmp_path / "out")
    assert code == 0, err
    (found,) = (tmp_path / "out").rglob("one.py")
    assert found.read_text() == "NAME = 'one'\n" and (found.parent / "two-1.0.dist-info/RECORD").is_file()


def test_dockerfile_fetches_nothing_unless_it_may(project, cli, tmp_path):
    lock = (project / "pylock.toml").read_text().replace('path = "wheels/', 'url = "http://127.0.0.1:9/')
    make(project, {"pylock.toml": lock})
    code, _, err = cli("dockerfile", project, "-o", tmp_path / "out")
    assert code == 2 and "one-1.0-py3-none-any.whl and 1 other wheel" in err and "--pin" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pip": ("idna==3.10",)}, ["Options(pip=…)", "in no lock"]),
        ({"recipe": "dynamic"}, ["dynamic", "as files"]),
        ({"recipe": "package"}, ["package", "as files"]),
        ({"environment_only": True}, ["beside the code", 'Options(packages_as="installed")']),
        ({"packages_as": "zip"}, ["no such way"]),
    ],
)
def test_what_cannot_be_is_refused(project, given, words):
    error = error_of(planned, project, **given)
    assert all(word in str(error) for word in words), str(error)


def test_a_preinstalled_project_has_them_copied_unless_something_is_said(project):
    make(project, {"dagger-aml.toml": 'recipe = "preinstalled"\n'})
    made = planned(project)
    assert made.engine_part == ()
    assert [layer.dest for layer in made.layers if isinstance(layer.source, Wheels)] == [DEST]
    for said in ({"packages_as": "installed"}, {"installer": "uv"}, {"pip": ("idna==3.10",)}):
        assert load_project(project, Options(**said)).packages_as == "installed", said
    assert load_project(project, Options(recipe="extended")).packages_as == "installed"
    assert load_project(project, Options(platform="linux/amd64,linux/arm64")).packages_as == "files"


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (wheels_of("cp312-cp312-win_amd64"), "no wheel of big 1.0"),
        (wheels_of("cp311-cp311-manylinux_2_17_x86_64"), "no wheel of big 1.0"),
        (
            '[[packages]]\nname = "big"\nversion = "1.0"\nsdist = { url = "https://x/big-1.0.tar.gz", '
            f'hashes = {{ sha256 = "{0:064x}" }} }}\n',
            "only a source archive",
        ),
    ],
)
def test_a_lock_that_lacks_a_wheel_is_installed_as_before_and_that_is_noted(project, table, why):
    make(project, {"pylock.toml": lock_of(table), "dagger-aml.toml": 'recipe = "preinstalled"\n'})
    found = load_project(project)
    assert found.packages_as == "installed" and why in found.notes.installed_since
    assert not load_project(project, Options(recipe="extended")).notes.installed_since


def test_a_base_of_an_unknown_python_has_them_installed(project):
    make(project, {"dagger-aml.toml": 'recipe = "preinstalled"\nbase = "example.org/mine:1"\n'})
    found = load_project(project)
    assert found.packages_as == "installed" and "is not known" in found.notes.installed_since


def test_another_list_than_a_lock_is_installed_and_nothing_is_noted(project):
    (project / "pylock.toml").unlink()
    make(project, {"requirements.txt": "six\n", "dagger-aml.toml": 'recipe = "preinstalled"\n'})
    found = load_project(project)
    assert found.packages_as == "installed" and not found.notes.installed_since
