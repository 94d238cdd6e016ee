"""The 28 cases of docs/builder-cases.md, in which builders disagree: each comes out the same, or is refused first.

Cases that come out the same share a few graphs, to be quick; what the image must hold is said beside each, since
builders that agree might all be wrong.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from typing import NamedTuple

import pytest
from attrs import evolve

from dagger_aml import DaggerAmlError, Graph, GraphError
from dagger_aml.building.plans import probe
from dagger_aml.diff import ImageContents
from dagger_aml.fs.tree import local, some_files
from dagger_aml.graph.base import From
from dagger_aml.graph.config import Config
from dagger_aml.graph.graph import Built, Copy, Run
from dagger_aml.graph.source import Empty, Text
from tests.builders.equality import Bench
from tests.standin.odd import push_odd
from tests.support.graphs import CopyOp, Item, RunOp, Sketch, Stage
from tests.support.projects import make

pytestmark = [pytest.mark.builders, pytest.mark.engine, pytest.mark.anyio]

FILE = Item("file", "text\n")
LONG = "x" * 100_000
SPLIT = "\\ #" * 12_000
"""Two lines of a Dockerfile. Docker's builders need time with the square of a variable's or label's length."""


class Shown(NamedTuple):
    """What an image must say of a path."""

    path: str
    type: str
    mode: int
    owner: tuple[int, int]
    target: str = ""

    def check(self, image: ImageContents) -> None:
        """Fail unless it does."""
        node = image.files[self.path]
        assert (node.type, oct(node.mode), (node.uid, node.gid), node.target) == (
            self.type,
            oct(self.mode),
            self.owner,
            self.target,
        ), self.path


COPIES = Sketch(
    (
        CopyOp("/tmp", {"one": FILE}, (1000, 1000)),
        CopyOp("/base/private", {"one": FILE}, (0, 0)),
        CopyOp("/base/setgid", {"one": FILE}, (1234, 5678)),
        CopyOp("/base/owned", {"sub/x": FILE}, (1234, 5678)),
        CopyOp("/new/a/b", {"one": FILE}, (1234, 5678)),
        CopyOp("/base/owned/link", FILE, (0, 0)),
        CopyOp("/nine", {"s": Item("file", mode=0o4755), "g": Item("dir", mode=0o2775), "g/x": Item("file", mode=0)}),
        CopyOp("/seventeen/$HOME\\/${A:-d}", {"$X\\": FILE}, (1, 1)),
        CopyOp("/base/link/to-sub/x y/z", FILE, (1, 1)),
        CopyOp("/base/ends in a blank /x", {"|": FILE}, (1, 1)),
        CopyOp("/base/a+b(c)|{d}^e/x", {"|": FILE}, (1, 1)),
        CopyOp("/links", {"a": FILE, "b": Item("hard", "a"), "c": Item("hard", "a"), "d": Item("link", "a")}),
        CopyOp(
            "/odd links", {"a": Item("file", mode=0o600), "b": Item("hard", "a"), "x/c": Item("hard", "a")}, (5, 6)
        ),
    )
)
COPIES_SHOW = (
    Shown("/tmp", "dir", 0o1777, (0, 0)),  # 1
    Shown("/tmp/one", "file", 0o644, (1000, 1000)),
    Shown("/base/private", "dir", 0o750, (1000, 1000)),
    Shown("/base/setgid", "dir", 0o2775, (0, 50)),
    Shown("/base/owned", "dir", 0o755, (1000, 1000)),
    Shown("/base/owned/sub", "dir", 0o755, (1234, 5678)),  # 2: in the tree too
    Shown("/new", "dir", 0o755, (0, 0)),  # 3
    Shown("/new/a", "dir", 0o755, (0, 0)),
    Shown("/new/a/b", "dir", 0o755, (1234, 5678)),
    Shown("/base/owned/link", "file", 0o644, (0, 0)),  # 4
    Shown("/base/owned/file", "file", 0o640, (1000, 1000)),
    Shown("/nine/s", "file", 0o755, (0, 0)),  # 9
    Shown("/nine/g", "dir", 0o755, (0, 0)),
    Shown("/nine/g/x", "file", 0o644, (0, 0)),
    Shown("/seventeen/$HOME\\/${A:-d}/$X\\", "file", 0o644, (1, 1)),  # 17
    Shown("/base/owned/sub/x y/z", "file", 0o644, (1, 1)),  # 28
    Shown("/base/ends in a blank ", "dir", 0o700, (1000, 1000)),
    Shown("/base/a+b(c)|{d}^e", "dir", 0o711, (1001, 1001)),
    Shown("/links/d", "link", 0o777, (0, 0), "a"),
    Shown("/odd links/x/c", "file", 0o644, (5, 6)),
)

STAGE = Stage(
    (
        RunOp(
            "mkdir -p /s/in; echo a >/s/in/a; ln /s/in/a /s/b; ln -s in/a /s/c; chown -R 7:8 /s/in;"
            "chmod 4711 /s/in/a; chmod 2750 /s/in; chmod 0700 /s; chown 9:9 /s"
        ),
    ),
    "/s",
)
STAGES = Sketch(
    (
        CopyOp("/thirteen/new", STAGE),
        CopyOp("/thirteen/stated", STAGE, root=(3, 4, 0o710)),
    )
)
STAGES_SHOW = (
    Shown("/thirteen", "dir", 0o755, (0, 0)),  # 13
    Shown("/thirteen/new", "dir", 0o755, (0, 0)),
    Shown("/thirteen/new/in", "dir", 0o2750, (7, 8)),
    Shown("/thirteen/new/in/a", "file", 0o4711, (7, 8)),
    Shown("/thirteen/new/c", "link", 0o777, (0, 0), "in/a"),
    Shown("/thirteen/stated", "dir", 0o710, (3, 4)),
)

RUNS = Sketch(
    (
        RunOp("pwd >/tmp/pwd; echo x >made", "1000:1000", workdir="/base/owned"),
        RunOp("pwd >/fifteen-at; stat -c '%a %u %g' . >>/fifteen-at", workdir="/fifteen/$X\\ y"),
        RunOp('echo "$0 ${A:-d} $V" >/argv', env={"V": LONG}),
        CopyOp("/made/by/run", {"one": FILE}, (1, 1)),
    ),
    env={"A": "${A:-d}", "PATH": "/bin:$PATH", "SPLIT": SPLIT, "Q": "\"'`\\ # é\u2028"},
    labels={"a.b": "${A:-d} \\"},
    workdir="/sixteen/$HOME",
    user="1000:1000",
    ports=(5001,),
    cmd=("/bin/echo", "$A", "é"),
)
RUNS_SHOW = (
    Shown("/base/owned", "dir", 0o755, (1000, 1000)),  # 16
    Shown("/base/owned/made", "file", 0o644, (1000, 1000)),
    Shown("/fifteen/$X\\ y", "dir", 0o755, (0, 0)),  # 15
    Shown("/sixteen/$HOME", "dir", 0o755, (0, 0)),
)


async def built_alike(bench: Bench, sketch: Sketch, shown: tuple[Shown, ...], folder: Path) -> ImageContents:
    """Build by all, compare, and check what the image holds."""
    plan = await bench.plan(sketch.graph(folder / "sources", bench.base))
    images = await bench.images(plan)
    bench.same(images)
    image = images["dagger"]
    assert isinstance(image, ImageContents)
    for each in shown:
        each.check(image)
    return image


async def test_copies(bench: Bench, tmp_path: Path) -> None:
    """Cases 1 to 4, 9, 17, 28, and hard links."""
    image = await built_alike(bench, COPIES, COPIES_SHOW, tmp_path)
    assert image.files["/links/a"] is image.files["/links/b"] is image.files["/links/c"]
    assert image.files["/odd links/a"] is image.files["/odd links/x/c"]


async def test_stages(bench: Bench, tmp_path: Path) -> None:
    """Case 13: what a stage made keeps its owners and modes, the root the destination's or what is stated."""
    image = await built_alike(bench, STAGES, STAGES_SHOW, tmp_path)
    assert image.files["/thirteen/new/in/a"] is image.files["/thirteen/new/b"]


async def test_runs_and_config(bench: Bench, tmp_path: Path) -> None:
    """Cases 15, 16, 17, 19, 20, 21, 24, 25, 27."""
    image = await built_alike(bench, RUNS, RUNS_SHOW, tmp_path)
    assert image.config["env A"] == "${A:-d}" and image.config["env PATH"] == "/bin:$PATH"
    assert image.config["env SPLIT"] == SPLIT
    assert image.config["workdir"] == "/sixteen/$HOME" and image.config["user"] == "1000:1000"


async def test_sources_without_a_say(bench: Bench, tmp_path: Path) -> None:
    """Cases 10 and 12: a source root's mode and extended attributes are no part of the image."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "file").write_text("x")
    folder.chmod(0o700)
    for path, name, value in (
        (folder / "file", "user.mine", b"x"),
        (folder / "file", "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)),
        (folder, "user.mine", b"x"),
    ):
        try:
            os.setxattr(path, name, value)
        except OSError as error:
            pytest.skip(f"no extended attributes here: {error}")
    graph = Graph(bench.base).add(
        Copy(local(folder), "/ten", "tree", 1000, 1000), Copy(local(folder / "file"), "/one", "file", 0, 0)
    )
    images = await bench.images(await bench.plan(graph))
    bench.same(images)
    image = images["dagger"]
    assert isinstance(image, ImageContents)
    Shown("/ten", "dir", 0o755, (1000, 1000)).check(image)
    assert not image.files["/ten/file"].capability and not image.files["/one"].capability


async def test_a_snapshots_links_are_files_and_of_a_folder_some_files_travel(bench: Bench, tmp_path: Path) -> None:
    """Beyond docs/builder-cases.md: what lies elsewhere than its tree says, and a tree that is a part of a folder."""
    commit = "snapshots/0123456789abcdef0123456789abcdef01234567"
    blobs = {"blobs/aa": "{}", "blobs/bb": "weights", f"{commit}/a.json": "->../../blobs/aa", f"{commit}/plain": "x"}
    cache = make(tmp_path / "cache", {**blobs, f"{commit}/on nx/m": "->../../../blobs/bb"})
    (cache / "blobs" / "bb").chmod(0o600)
    beside = make(tmp_path / "beside", {"m.onnx": "x", "m.onnx.data": "y", "other": "z"})
    some = some_files(beside, [beside / "m.onnx", beside / "m.onnx.data"])
    graph = Graph(bench.base).add(
        Copy(local(cache / commit), "/snapshot", "tree", 1000, 1000, changes="rarely"),
        Copy(some, "/some", "tree", 0, 0),
    )
    images = await bench.images(await bench.plan(graph))
    bench.same(images)
    image = images["dagger"]
    assert isinstance(image, ImageContents)
    for path in ("/snapshot/a.json", "/snapshot/on nx/m", "/snapshot/plain"):
        Shown(path, "file", 0o644, (1000, 1000)).check(image)
    assert image.files["/snapshot/on nx/m"].size == len("weights")
    assert {path for path in image.files if path.startswith("/some/")} == {"/some/m.onnx", "/some/m.onnx.data"}


async def test_a_capability_of_a_stage_is_kept(bench: Bench, tmp_path: Path) -> None:
    """Beyond docs/builder-cases.md: a file of a stage with a capability."""
    (tmp_path / "all").mkdir()
    stage = Stage((RunOp("mkdir /s; cp -a /base/capable /s/copied; mv /base/capable /s/moved"),), "/s")
    image = await built_alike(bench, Sketch((CopyOp("/caps", stage),)), (), tmp_path)
    assert image.files["/caps/moved"].capability or image.files["/base/capable"].capability


REFUSED: dict[str, tuple[CopyOp | RunOp, ...]] = {
    "5 is already a broken link": (CopyOp("/base/owned/gone", FILE),),
    "5 /base/loop is already a broken link": (CopyOp("/base/loop", b"text"),),
    "5 /new/a is already a broken link": (
        CopyOp("/new", {"a": Item("link", "b"), "b": Item("link", "a")}),
        CopyOp("/new/a", FILE),
    ),
    "13 already exists, and the content that a stage would copy there": (CopyOp("/base/private", STAGE),),
    "6 is already a dir and would become a file": (CopyOp("/base/plain", FILE),),
    "6 is already a link to a folder": (CopyOp("/base/link", FILE),),
    "7 contains a broken link": (CopyOp("/base/dangling", {"x": FILE}),),
    "7 a broken link: /base/loop": (CopyOp("/base/loop/x", {"x": FILE}),),
    "8 is already a file and would become a dir": (CopyOp("/base/owned", {"file/x": FILE}),),
    "8 is already a link and would become a dir": (CopyOp("/base/owned", {"to-sub/x": FILE}),),
    "8 /base/owned/sub is already a dir": (CopyOp("/base/link", {"sub": FILE}),),
    "8 is already a dir and would become a link": (CopyOp("/base/owned", {"sub": Item("link", "x"), "x": FILE}),),
    "8 /base/fifo is already a other": (CopyOp("/base", {"fifo": FILE}),),
    "15 is a file of the base, not a folder": (RunOp("true", workdir="/base/owned/file"),),
    "a new folder inside a folder with the setgid bit": (CopyOp("/base/setgid/new", {"x": FILE}, (0, 0)),),
}
"""What must be said, with the case's number before it, and the ops."""


@pytest.mark.parametrize("said", REFUSED)
async def test_what_builders_treat_differently_is_refused(said: str, bench: Bench, tmp_path: Path) -> None:
    """Before anything runs, on what is known of the base."""
    with pytest.raises(DaggerAmlError) as caught:
        await bench.plan(Sketch(REFUSED[said]).graph(tmp_path / "sources", bench.base))
    number, _, words = said.partition(" ")
    assert (words if number.isdigit() else said) in str(caught.value)


@pytest.mark.parametrize(
    ("said", "spoken", "layer"),
    [
        ("ONBUILD", {"OnBuild": ["RUN touch /onbuild"]}, Copy(Empty(), "/x")),
        ("VOLUME", {"Volumes": {"/data": {}}}, Run(["/bin/sh", "-c", "echo x >/data/x"])),
    ],
    ids=["22", "23"],
)
async def test_a_base_that_says_what_builders_read_differently_is_refused(
    bench: Bench, said: str, spoken: dict[str, object], layer: Copy | Run
) -> None:
    """Each builder asks the real one."""
    base = From.parse(push_odd(bench.base.reference.partition("/")[0], **spoken))
    for builder in bench.builders.values():
        with pytest.raises(DaggerAmlError, match=said):
            await probe(Graph(base).add(layer), builder)


async def test_a_shell_and_a_volume_of_the_base_change_nothing(bench: Bench) -> None:
    """Cases 23 and 24: a copy into a volume; commands have no shell of the builder's choice."""
    host = bench.base.reference.partition("/")[0]
    base = From.parse(push_odd(host, Volumes={"/data": {}}, Shell=["/bin/false", "-x"]))
    graph = Graph(base).add(
        Copy(Text(b"text"), "/data/file", "file", 1, 1),
        Run(["/bin/sh", "-c", 'echo "$0" >/base/plain/zero'], touches=["/base/plain"]),
    )
    plans = [await probe(graph, builder) for builder in bench.builders.values()]
    assert all(evolve(each, facts=plans[0].facts) == plans[0] for each in plans)
    bench.same(await bench.images(plans[0]))


def test_what_no_graph_can_hold(tmp_path: Path) -> None:
    """Cases 11, 14, 18 and 25, and a stage's path with a pattern in it: refused where the graph is made."""
    base = From.parse("localhost/x:1")
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "f")
    (tmp_path / "socket").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket" / "s"))
        for name, said in (("fifo", "a FIFO"), ("socket", "a socket")):
            with pytest.raises(GraphError, match=said):
                local(tmp_path / name)
            with pytest.raises(GraphError, match=said):
                local(next((tmp_path / name).iterdir()))
    with pytest.raises(GraphError, match="a device"):
        local(Path("/dev/null"))
    for wrong in (
        lambda: Copy(Empty(), "/x", "tree", "dockeruser", "dockeruser"),  # type: ignore[arg-type]
        lambda: Config(env={"A": "a\nb"}),
        lambda: Config(labels={"a": "a\rb"}),
        lambda: Run(["sh", "-c", "true"]),
        lambda: Built(Graph(base), "/a*"),
    ):
        with pytest.raises(GraphError):
            wrong()


ADDED = ("OTEL_[A-Z_]*", "TRACEPARENT", "BAGGAGE", "HOSTNAME")
"""Variables that some builder adds for its commands: the first three the engine, the last the others."""
SURROUNDINGS = f"""
cd /tmp
env | sort | grep -v -x {" ".join(f"-e '{name}=.*'" for name in ADDED)} >variables
echo "$(id -u) $(id -g) $HOME $(pwd) $(umask)" >same
"""


async def test_what_a_command_sees(bench: Bench, tmp_path: Path) -> None:
    """Case 26, which is not equal throughout: a command sees the image alike, and its builder besides."""
    sketch = Sketch((RunOp(SURROUNDINGS, "1000:1000", {"MINE": "x"}),))
    await built_alike(bench, sketch, (), tmp_path)
