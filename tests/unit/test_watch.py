"""``run --watch``: what is seen of a change, what is given to a server, what is said; with servers of the test."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from dagger_aml import Options, load_project
from dagger_aml.building.graphs import lay_out_first
from dagger_aml.cli.flags import in_flags
from dagger_aml.cli.target import Target
from dagger_aml.cli.watch import Watching, check_loads_anew, check_watch, keep_serving
from dagger_aml.errors import BuildError, UsageError
from dagger_aml.graph.graph import Graph
from dagger_aml.serving import endpoint, log, poll, renew
from dagger_aml.serving.changes import Changes, changes, state_of, unsound
from dagger_aml.serving.endpoint import Endpoint
from dagger_aml.serving.log import Log
from dagger_aml.serving.poll import Poll
from dagger_aml.serving.renew import Renewal
from dagger_aml.text import speaking
from tests.support.calls import await_
from tests.support.cases import for_each
from tests.support.projects import SCORE, make

APP = "/var/azureml-app"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "PAUSE", 0.005)
    monkeypatch.setattr(poll, "_SETTLED", 0.01)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(
        tmp_path / "p", {"code/score.py": SCORE, "code/a/b.py": "x = 1\n", "model/w": "w", "apt.txt": "curl\n"}
    )


def graph_of(root: Path) -> Graph:
    graph: Graph = await_(lay_out_first(load_project(root, Options())))
    return graph


def found(root: Path, change: Callable[[], object]) -> Changes:
    """What is seen of a change."""
    before = state_of(graph_of(root))
    change()
    return changes(before, before.code, state_of(graph_of(root)))


def put(said: Changes) -> list[str]:
    return [each.path.removeprefix(f"{APP}/") for each in said.put]


# --- what has changed -----------------------------------------------------------------------------------------------


def test_code_that_is_new_other_or_gone(root: Path) -> None:
    def change() -> None:
        (root / "code/new/deep").mkdir(parents=True)
        (root / "code/new/deep/m.py").write_text("y = 1\n")
        (root / "code/score.py").chmod(0o755)
        (root / "code/a/b.py").unlink()
        (root / "code/a").rmdir()

    said = found(root, change)
    assert put(said) == ["new", "new/deep", "new/deep/m.py", "score.py"]
    assert said.removed == (f"{APP}/a/b.py", f"{APP}/a") and said.others == ()
    assert {each.path: each.mode for each in said.put}[f"{APP}/score.py"] == 0o755


def test_a_file_that_is_only_touched_or_ignored_is_no_change(root: Path) -> None:
    def change() -> None:
        os.utime(root / "code/score.py", (1, 1))
        (root / "code/__pycache__").mkdir()
        (root / "code/__pycache__/x.pyc").write_bytes(b"x")

    assert found(root, change) == Changes((), (), ())


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("model/w", "v", "model p 1 B"),
        ("requirements.txt", "six==1.16.0\n", "copy requirements.txt"),
        ("apt.txt", "wget\n", "apt curl"),
        ("dagger-aml.toml", '[env]\nA = "1"\n', "the variable A"),
        ("dagger-aml.toml", 'base = "example.org/other:1"\n', "the base image"),
        ("dagger-aml.toml", '[labels]\na = "1"\n', "what the image says of itself"),
    ],
)
def test_what_needs_another_image_is_named(root: Path, file: str, text: str, said: str) -> None:
    os.utime(root / "model/w", (1, 1))
    seen = found(root, lambda: (root / file).write_text(text))
    assert said in seen.others and not seen.put


def test_a_large_file_is_not_put_anywhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagger_aml.serving.changes.LARGEST", 1000)
    seen = found(root, lambda: (root / "code/data.bin").write_bytes(b"x" * 1001))
    assert seen.put == () and seen.others == (f"{APP}/data.bin, which is larger than 0 MB",)


def test_code_that_no_python_of_the_image_parses(root: Path) -> None:
    seen = found(root, lambda: (root / "code/a/b.py").write_text("x = 1\ny = (\n"))
    assert (unsound(seen, (3, 11)) or "").startswith(f"{APP}/a/b.py:2: Python 3.11 cannot parse it: '(' was never")
    newer = found(root, lambda: (root / "code/a/b.py").write_text("type A = int\n"))
    assert unsound(newer, (3, 9)) and not unsound(newer, (3, 13))


# --- waiting for it -------------------------------------------------------------------------------------------------


def changed(root: Path, change: Callable[[], object], within: float = 2) -> bool:
    """Whether a change is noticed."""

    async def main() -> bool:
        look = Poll(root, graph_of_async)
        change()
        with anyio.move_on_after(within):
            await look.changed()
            return True
        return False

    graph_of_async = graph_of(root)
    return anyio.run(main)


def renamed(root: Path) -> None:
    (root / "code/.score.swp").write_text("z = 1\n" + SCORE)
    (root / "code/.score.swp").replace(root / "code/score.py")


@pytest.mark.parametrize(
    "change",
    [
        renamed,
        lambda root: (root / "code/score.py").write_text(SCORE + "# more\n"),
        lambda root: (root / "code/a/new.py").write_text(""),
        lambda root: (root / "code/folder").mkdir(),
        lambda root: (root / "code/a/b.py").unlink(),
        lambda root: (root / "model/w").write_text("longer"),
        lambda root: (root / "requirements.txt").write_text("six\n"),
    ],
)
def test_a_change_is_noticed(root: Path, change: Callable[[Path], object]) -> None:
    assert changed(root, lambda: change(root))


def test_no_change_is_none(root: Path) -> None:
    assert not changed(root, lambda: None, 0.1)


def test_several_files_at_once_are_one_change(root: Path) -> None:
    async def main() -> int:
        look, count = Poll(root, graph), 0

        async def save() -> None:
            for number in range(5):
                (root / f"code/{number}.py").write_text("")
                await anyio.sleep(0.004)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(save)
            with anyio.move_on_after(0.3):
                while True:
                    await look.changed()
                    count += 1
        return count

    graph = graph_of(root)
    assert anyio.run(main) == 1


def test_what_changes_while_it_is_read_is_not_missed(root: Path) -> None:
    async def main() -> None:
        look = Poll(root, graph)
        (root / "code/score.py").write_text(SCORE + "# one\n")
        await look.changed()
        (root / "code/score.py").write_text(SCORE + "# number two\n")
        look.follow(graph)
        with anyio.fail_after(2):
            await look.changed()

    graph = graph_of(root)
    anyio.run(main)


# --- serving it -----------------------------------------------------------------------------------------------------


class Server:
    """A server of the test. It does not bear code that has ``boom``.

    :param anew: whether it is started anew for each change.
    """

    def __init__(self, root: Path, *, anew: bool = False) -> None:
        self.root, self.anew = root, anew
        self.graph = graph_of(root)
        self.log, self.starts, self.given = Log(), 0, list[list[str]]()
        state = state_of(self.graph)

        async def read() -> Graph:
            return await lay_out_first(load_project(root, Options()))

        target = Target(load_project(root, Options()), self.graph)
        self.watch = Watching(
            target, "dagger-aml run p", read, 5, self.graph, state, state.code, Poll(root, self.graph)
        )

    @asynccontextmanager
    async def life(self, first: bool) -> AsyncIterator[Endpoint]:
        self.starts += 1
        self.log = Log()
        if not first and not self.anew:
            self.given.append(put(self.watch.all_since()))
        self._bear()
        yield Endpoint("http://test", "test", None, self.log)  # type: ignore[arg-type]

    async def give(self, _: Endpoint, wanted: Changes) -> None:
        self.given.append(put(wanted))
        self._bear()

    def _bear(self) -> None:
        code = self.root / "code/a/b.py"
        if code.exists() and "boom" in code.read_text():
            raise BuildError("it does not bear that")

    def run(self, *saves: str | Callable[[], object], capsys: pytest.CaptureFixture[str]) -> list[str]:
        """Save one after another, each once the one before was told of; what is said."""
        said: list[str] = []

        async def main() -> None:
            async with anyio.create_task_group() as tasks:

                async def serve() -> None:
                    give = None if self.anew else self.give
                    await keep_serving(self.watch, self.life, give, lambda _: None, lambda _: "no reason")

                tasks.start_soon(serve)
                await anyio.sleep(0.05)
                for save in saves:
                    if isinstance(save, str):
                        (self.root / "code/a/b.py").write_text(save)
                    else:
                        save()
                    with anyio.fail_after(5):
                        while not (new := capsys.readouterr().err):
                            await anyio.sleep(0.005)
                        await anyio.sleep(0.05)
                    said.append(new + capsys.readouterr().err)
                tasks.cancel_scope.cancel()

        anyio.run(main)
        return said


def test_what_is_saved_is_given_to_the_server_that_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(root)
    said = server.run("x = 2\n", lambda: (root / "code/a/b.py").unlink(), capsys=capsys)
    assert server.starts == 1 and server.given == [["a/b.py"], []]
    assert said[0].startswith("dagger-aml: served after 0.") and said[0].endswith(f" s: {APP}/a/b.py\n")
    assert said[1].endswith(f" s: {APP}/a/b.py (removed)\n")


def test_a_server_without_an_image_is_started_anew(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(root, anew=True)
    (said,) = server.run("x = 2\n", capsys=capsys)
    assert server.starts == 2 and not server.given and f" s: {APP}/a/b.py\n" in said


def test_what_cannot_be_parsed_is_told_and_the_old_code_goes_on(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(root)
    said = server.run("x = (\n", "x = 3\n", capsys=capsys)
    assert "not served, since it cannot be loaded: /var/azureml-app/a/b.py:1: Python" in said[0]
    assert "served after" in said[1] and server.starts == 1 and server.given == [["a/b.py"]]


def test_a_project_that_cannot_work_is_told_and_the_next_save_mends_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(root)
    score = root / "code/score.py"
    said = server.run(score.unlink, lambda: score.write_text(SCORE + "# mended\n"), capsys=capsys)
    assert "not served, since it cannot work: " in said[0] and "served after" in said[1]


@pytest.mark.parametrize("anew", [False, True])
def test_a_server_that_does_not_bear_it_starts_again_with_the_next_save(
    root: Path, capsys: pytest.CaptureFixture[str], anew: bool
) -> None:
    server = Server(root, anew=anew)
    new = root / "code/new.py"
    said = server.run(lambda: new.write_text("n = 1\n"), "boom = 1\n", "x = 9\n", capsys=capsys)
    assert "not served: it does not bear that" in said[1] and "save the code again to start the server" in said[1]
    assert "served after" in said[2]
    if not anew:
        assert server.starts == 2 and server.given == [["new.py"], ["a/b.py"], ["a/b.py", "new.py"]]


def test_a_server_that_ends_by_itself_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(root)
    said = server.run(lambda: server.log.end(7), "x = 4\n", capsys=capsys)
    assert "the server ended: no reason" in said[0] and "served after" in said[1] and server.starts == 2


def test_what_came_and_went_while_the_server_was_away_goes_too(root: Path) -> None:
    server = Server(root)
    (root / "code/new.py").write_text("n = 1\n")
    state = state_of(graph_of(root))
    server.watch.taken(changes(server.watch.before, server.watch.served, state))
    (root / "code/new.py").unlink()
    server.watch.taken(changes(server.watch.before, server.watch.served, state_of(graph_of(root))))
    assert server.watch.all_since() == Changes((), (f"{APP}/new.py",), ())


def test_a_folder_goes_after_what_came_and_went_in_it(root: Path) -> None:
    watch = Server(root).watch

    def taken() -> None:
        watch.taken(changes(watch.before, watch.served, state_of(graph_of(root))))

    (root / "code/a/new.py").write_text("n = 1\n")
    taken()
    for name in ("code/a/new.py", "code/a/b.py"):
        (root / name).unlink()
    (root / "code/a").rmdir()
    taken()
    assert watch.all_since() == Changes((), (f"{APP}/a/b.py", f"{APP}/a/new.py", f"{APP}/a"), ())


def test_what_needs_another_image_is_told_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server, code = Server(root), root / "code/a/b.py"
    said = server.run(
        lambda: (root / "model/w").write_text("other"), lambda: code.write_text("y = 1\n"), capsys=capsys
    )
    assert said[0] == (
        "dagger-aml: changed, and not served: model p 1 B, model p 5 B; stop with Ctrl-C and make it anew: "
        "dagger-aml run p\n"
    )
    assert "changed, and not served" not in said[1] and "served after" in said[1]


def test_a_file_that_is_emptied_for_a_moment_is_not_served_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(root)

    async def later() -> None:
        await anyio.sleep(0.1)
        (root / "code/a/b.py").write_text("x = 5\n")

    async def main() -> Changes:
        (root / "code/a/b.py").write_text("")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(later)
            return await server.watch.next()
        raise AssertionError

    assert [each.data for each in anyio.run(main).put] == [b"x = 5\n"]


# --- what cannot be watched -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"local": False, "containers": False}, "a Dagger engine cannot give what it serves new code"),
        ({"others": {"--debug": True}}, "--watch does not work with --debug"),
        ({"target": Target(image="x:1")}, "--watch works only with a project"),
    ],
)
def test_what_cannot_be_watched_is_refused(root: Path, said: dict[str, Any], text: str) -> None:
    target = Target(load_project(root, Options()), graph_of(root))
    given: dict[str, Any] = {"target": target, "local": True, "containers": False, "others": {}, **said}
    with pytest.raises(UsageError, match=text):
        check_watch(given.pop("target"), **given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_PRELOAD", "true"),
        ("WORKER_PRELOAD", "True"),
        ("GUNICORN_CMD_ARGS", "--preload"),
        ("GUNICORN_CMD_ARGS", "--keep-alive 5 --preload"),
        ("GUNICORN_CMD_ARGS", "--preload --access-logformat '%(h)s %(l)s'"),
        ("GUNICORN_CMD_ARGS", "--prel"),  # As argparse takes it.
    ],
)
def test_a_server_that_loads_the_code_once_is_refused(root: Path, name: str, value: str) -> None:
    (root / "dagger-aml.toml").write_text(f'[env]\n{name} = "{value}"\n')
    target = Target(load_project(root, Options()), graph_of(root))
    check_watch(target, local=True, containers=False, others={})
    with (
        speaking(in_flags),
        pytest.raises(UsageError, match=re.escape(f"{name}={value} the server loads the code once")) as caught,
    ):
        check_watch(target, local=False, containers=True, others={})
    said, _, typed = str(caught.value.hint).partition("--env ")
    (word,) = shlex.split(typed)
    assert said == "Add --local, or " and word.startswith(f"{name}=")
    if name == "GUNICORN_CMD_ARGS":
        others = [each for each in shlex.split(value) if not each.startswith("--pre")]
        assert shlex.split(word.partition("=")[2]) == others, "its other words are lost"
    again = load_project(root, Options(env=(word,)))
    check_watch(Target(again, await_(lay_out_first(again))), local=False, containers=True, others={})


@for_each("value", ["", "--keep-alive 5", "--pre-x", "--preload-dir x", "'", "preload", "--p"])
def test_other_words_for_gunicorn_are_no_reason_to_refuse(value: str) -> None:
    check_loads_anew({"GUNICORN_CMD_ARGS": value})


@pytest.mark.parametrize("value", ["1", "yes", "false", ""])
def test_what_the_server_takes_for_no_is_watched(root: Path, value: str) -> None:
    """It compares with ``true`` alone (amlserver_linux.py of 1.5.1)."""
    (root / "dagger-aml.toml").write_text(f'[env]\nWORKER_PRELOAD = "{value}"\n')
    check_watch(Target(load_project(root, Options()), graph_of(root)), local=False, containers=True, others={})


# --- what it printed ------------------------------------------------------------------------------------------------


def test_what_came_after_so_many_lines_is_told_though_not_all_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "KEPT_LINES", 5)
    said = Log()
    for number in range(3):
        said.add(f"{number}")
    since = said.count
    assert since == 3 and said.since(since) == [] and said.since(1) == ["1", "2"]
    for number in range(3, 7):
        said.add(f"{number}")
    assert list(said.lines) == ["2", "3", "4", "5", "6"] and said.since(since) == ["3", "4", "5", "6"]
    for number in range(7, 20):
        said.add(f"{number}")
    assert said.since(since) == list(said.lines) == ["15", "16", "17", "18", "19"]


def test_lines_that_come_are_waited_for_though_not_all_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "KEPT_LINES", 2)
    said, coming = Log(), ["c", "d"]
    said.add_text("a\nb\n")

    async def sleep(_: float) -> None:
        if coming:
            said.add(coming.pop(0))

    monkeypatch.setattr(endpoint, "anyio", SimpleNamespace(sleep=sleep))
    assert await_(Endpoint("http://test", "test", None, said).settled()) == ["c", "d"]  # type: ignore[arg-type]


# --- in the container -----------------------------------------------------------------------------------------------


def test_the_script_replaces_removes_and_forgets_what_was_compiled(tmp_path: Path) -> None:
    """Run here, as the user that runs the tests; no server is there to be told."""
    old, gone = tmp_path / "m.py", tmp_path / "gone.py"
    make(tmp_path, {"m.py": "old", "gone.py": "x", "__pycache__/m.cpython-312.pyc": "x", "__pycache__/mo.pyc": "x"})
    owner = [os.getuid(), os.getgid()]
    data = {"data": "bmV3", "target": "", "owner": owner}
    asked = {
        "put": [
            {"path": str(old), "type": "file", "mode": 0o644, **data},
            {"path": str(tmp_path / "a/b/c.py"), "type": "file", "mode": 0o755, **data},
            {"path": str(tmp_path / "l"), "type": "link", "mode": 0o777, **data, "target": "m.py"},
        ],
        "removed": [str(gone), str(tmp_path / "never.py")],
        "seconds": 1,
    }
    script = renew._RENEW.partition("pid = master()")[0]
    subprocess.run([sys.executable, "-I", "-c", script], input=json.dumps(asked), text=True, check=True)
    assert old.read_text() == "new" and not gone.exists() and (tmp_path / "l").readlink() == Path("m.py")
    assert (tmp_path / "a/b/c.py").stat().st_mode & 0o777 == 0o755
    assert [each.name for each in (tmp_path / "__pycache__").iterdir()] == ["mo.pyc"]
    assert not list(tmp_path.glob("**/.dagger-aml-new"))


def test_what_a_container_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\ncat >/dev/null\necho 'no server runs in the container' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    renewal = Renewal("docker", "c")
    with pytest.raises(BuildError, match="could not be given the new code: no server runs in the container"):
        await_(renewal.give(Changes((), (), ())))
    with pytest.raises(BuildError, match="does not tell whose its code is"):
        await_(renewal.learn({}))


def test_a_container_that_has_ended_is_given_a_tar_and_started_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" != cp ] || cat > {tmp_path}/tar\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def change() -> None:
        make(root, {"code/new/m.py": "m = 1\n"})
        (root / "code/l").symlink_to("score.py")

    await_(Renewal("docker", "c").revive(found(root, change)))
    assert (tmp_path / "calls").read_text() == "cp --archive=false - c:/\nrestart --time 1 c\n"
    with tarfile.open(tmp_path / "tar") as tar:
        members = {each.name: each for each in tar}
        read = tar.extractfile("var/azureml-app/new/m.py")
        assert read and read.read() == b"m = 1\n"
    assert [(name, each.type, each.mode, each.linkname) for name, each in members.items()] == [
        ("var/azureml-app/new", tarfile.DIRTYPE, 0o755, ""),
        ("var/azureml-app/l", tarfile.SYMTYPE, 0o777, "score.py"),
        ("var/azureml-app/new/m.py", tarfile.REGTYPE, 0o644, ""),
    ]
