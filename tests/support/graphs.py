"""Generated graphs: what an image can be made of, in the combinations that builders disagree about.

A :class:`Sketch` is plain data, so that a failing one can be printed and kept as a test; :meth:`Sketch.graph` writes
its sources to a folder and makes the graph. All of them stand on the odd base (tests/standin/odd.py).
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from attrs import evolve, field, frozen
from hypothesis import strategies as st

from dagger_aml import Graph
from dagger_aml.fs.tree import local
from dagger_aml.graph.base import From
from dagger_aml.graph.config import Config
from dagger_aml.graph.graph import Built, Copy, Root, Run
from dagger_aml.graph.mount import Mount, Secret
from dagger_aml.graph.source import Empty, Text

# --- sketches -----------------------------------------------------------------------------------------------------


@frozen
class Item:
    """One path of a local tree; parents that are not listed are made, 0755."""

    type: Literal["file", "dir", "link", "hard"]
    text: str = ""
    """A file's bytes (UTF-8), a link's target, or the path of the file that a hard link is another name of."""
    mode: int = 0o644


Tree = Mapping[str, Item]


@frozen
class CopyOp:
    """A copy of a tree, a file (`Local` or `Text`), nothing (`Empty`), or a stage's folder (`Built`)."""

    dest: str
    source: Tree | Item | bytes | Stage | None
    owner: tuple[int, int] | None = None
    root: tuple[int, int, int] | None = None
    changes: Literal["rarely", "often"] = "rarely"


@frozen
class RunOp:
    """A shell script."""

    script: str
    user: str = "0:0"
    env: Mapping[str, str] = field(factory=dict)
    workdir: str = "/"
    touches: tuple[str, ...] | None = None
    mount: bool = False


@frozen
class Stage:
    """Another image, on the same base, and the folder of it that is taken."""

    ops: tuple[RunOp | CopyOp, ...]
    path: str


@frozen
class Sketch:
    """A graph as data."""

    ops: tuple[RunOp | CopyOp, ...] = ()
    env: Mapping[str, str] = field(factory=dict)
    labels: Mapping[str, str] = field(factory=dict)
    workdir: str | None = None
    user: str | None = None
    ports: tuple[int, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None

    @property
    def mounts(self) -> bool:
        """Whether a command sees a mounted file, which classic builders cannot do."""
        return any(isinstance(op, RunOp) and op.mount for op in _every(self.ops))

    def graph(self, folder: Path, base: From) -> Graph:
        """Write the sources below a folder, and make the graph.

        :raises DaggerAmlError: it is refused.
        """
        config = Config(self.user, self.env, self.workdir, self.labels, self.ports, self.cmd, self.entrypoint)
        return evolve(_graph(self.ops, folder, base), config=config)


def _every(ops: tuple[RunOp | CopyOp, ...]) -> list[RunOp | CopyOp]:
    stages = [op.source for op in ops if isinstance(op, CopyOp) and isinstance(op.source, Stage)]
    return [*ops, *(each for stage in stages for each in _every(stage.ops))]


def _graph(ops: tuple[RunOp | CopyOp, ...], folder: Path, base: From) -> Graph:
    folder.mkdir(parents=True)
    layers = [_layer(op, folder / str(number), base, number) for number, op in enumerate(ops, 1)]
    return Graph(base, layers)


def _layer(op: RunOp | CopyOp, folder: Path, base: From, number: int) -> Run | Copy:
    if isinstance(op, RunOp):
        seen = Secret("mine", lambda: b"of the mount\n")
        mounts = [Mount("mine", "/run/dagger-aml.mine", seen, variables=("MINE",))] if op.mount else []
        argv = ["/bin/sh", "-c", op.script]
        return Run(argv, op.user, op.env, op.workdir, op.touches, mounts, name=f"{number} run")
    uid, gid = op.owner or (None, None)
    root = Root(*op.root) if op.root else None
    name, source = f"{number} copy {op.dest}", op.source
    if isinstance(source, Stage):
        built = Built(_graph(source.ops, folder, base), source.path)
        return Copy(built, op.dest, "tree", uid, gid, root, op.changes, name)
    if source is None:
        return Copy(Empty(), op.dest, "tree", uid, gid, root, op.changes, name)
    if isinstance(source, bytes):
        return Copy(Text(source), op.dest, "file", uid, gid, None, op.changes, name)
    if isinstance(source, Item):
        folder.mkdir(parents=True)
        write(folder, {"one": source})
        return Copy(local(folder / "one", location=name), op.dest, "file", uid, gid, None, op.changes, name)
    folder.mkdir(parents=True)
    write(folder, source)
    return Copy(local(folder, caches=True, location=name), op.dest, "tree", uid, gid, root, op.changes, name)


def write(folder: Path, tree: Tree) -> None:
    """Write a tree below a folder that is there; modes last, so that none is in the way."""
    for name, item in tree.items():
        path = os.path.join(os.fspath(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if item.type == "file":
            with open(path, "wb") as file:
                file.write(item.text.encode())
        elif item.type == "dir":
            os.makedirs(path, exist_ok=True)
        elif item.type == "link":
            os.symlink(item.text, path)
        else:
            os.link(os.path.join(os.fspath(folder), item.text), path)
    for name, item in sorted(tree.items(), reverse=True):
        if item.type in ("file", "dir"):
            os.chmod(os.path.join(os.fspath(folder), name), item.mode)


# --- the strategy -------------------------------------------------------------------------------------------------

PLAIN = ("a", "b", "sub", "deep", "file", "link", "to-sub", "hard", "gone", "new")
"""Names that meet those of the base, and each other."""

ODD = (
    "a b",
    "new\nline",
    "cr\r",
    "tab\there",
    "é",
    "e\u0301",
    "日本語",
    "x" * 255,
    "y" * 120,
    "-rf",
    "--chown=1:1",
    "*?[x]!",
    "[x]",
    "a+b(c)|{d}^e",
    "$HOME\\",
    "${HOME}",
    " lead",
    "trail ",
    "\u3000wide\u3000",
    "#c",
    "<<EOF",
    "'\"`",
    "a\\b",
    "\u202eltr",
    "\u2013",
    "\udcff\udcfe",
    ".dockerignore",
    "Dockerfile",
    "..a",
    "a:b,c=d",
)

OWNERS = (None, (0, 0), (1000, 1000), (1234, 5678), (65534, 65534))
USERS = ("0:0", "1000:1000", "1234:5678", "1000:50")
MODES = (0o644, 0o600, 0o000, 0o755, 0o700, 0o4755, 0o2711, 0o777, 0o444, 0o664, 0o111)
FOLDER_MODES = (0o755, 0o700, 0o777, 0o1777, 0o2775, 0o500, 0o000, 0o775)

FOLDERS = (
    *("/base/plain", "/base/owned", "/base/owned/sub", "/base/owned/sub/deep", "/base/setgid", "/base/sticky"),
    *("/base/private", "/base/closed", "/base/link", "/base/absolute", "/base/twice", "/base/dangling"),
    *("/base/owned/to-sub", "/base/owned/to-sub/deep", "/base/link/sub", "/base/loop", "/base/owned/file"),
    *("/base/a b", "/base/ends in a blank ", "/base/ begins with one", "/base/é日本", "/base/a+b(c)|{d}^e"),
    *("/base/[x]*?!", "/base/$HOME\\", "/base/#'\"`", "/base", "/tmp", "/", "/var/azureml-app", "/new"),
)

_names = st.one_of(st.sampled_from(PLAIN), st.sampled_from(PLAIN), st.sampled_from(ODD))
_dest_names = _names.filter(lambda name: name.isprintable() or "\u3000" in name or "\u202e" in name)
_texts = st.sampled_from(("", "text\n", "other text\n", "é" * 40, "#!/bin/sh\necho\n"))


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Item]:
    """Local trees of up to six paths."""
    tree: dict[str, Item] = {}
    for _ in range(draw(st.integers(0, 6))):
        folders = ["", *(name for name, item in tree.items() if item.type == "dir")]
        parts = [draw(st.sampled_from(folders)), *draw(st.lists(_names, min_size=1, max_size=2))]
        path = "/".join(part for part in parts if part)
        above = [path[:index] for index, char in enumerate(path) if char == "/"]
        if path in tree or any(tree[each].type != "dir" for each in above if each in tree):
            continue
        if any(each.startswith(path + "/") for each in tree):
            continue
        files = [name for name, item in tree.items() if item.type == "file"]
        type_ = draw(st.sampled_from(("file", "file", "dir", "link", "hard" if files else "file")))
        if type_ == "file":
            tree[path] = Item("file", draw(_texts), draw(st.sampled_from(MODES)))
        elif type_ == "dir":
            tree[path] = Item("dir", mode=draw(st.sampled_from(FOLDER_MODES)))
        elif type_ == "hard":
            tree[path] = Item("hard", draw(st.sampled_from(files)))
        else:
            near = posixpath.basename(draw(st.sampled_from([*tree, "missing"])))
            tree[path] = Item("link", near)
    return tree


@st.composite
def dests(draw: st.DrawFn) -> str:
    """Where a copy goes: a path of the base or beneath one."""
    more = draw(st.lists(_dest_names, max_size=2))
    return posixpath.join(draw(st.sampled_from(FOLDERS)), *more)


@st.composite
def copies(draw: st.DrawFn, stages: bool = True) -> CopyOp:
    """A copy of any kind."""
    kind = draw(st.sampled_from(("tree", "tree", "file", "text", "empty", "built" if stages else "tree")))
    dest, owner = draw(dests()), draw(st.sampled_from(OWNERS))
    changes = draw(st.sampled_from(("rarely", "often")))
    if kind == "file":
        return CopyOp(dest, Item("file", draw(_texts), draw(st.sampled_from(MODES))), owner, None, changes)
    if kind == "text":
        return CopyOp(dest, draw(_texts).encode(), owner, None, changes)
    roots = st.tuples(st.sampled_from((0, 1000, 1234)), st.sampled_from((0, 50)), st.sampled_from((0o755, 0o700)))
    root = draw(st.one_of(st.none(), st.none(), roots)) if dest != "/" else None
    if kind == "built":
        ops = tuple(draw(st.lists(st.one_of(runs(IN_STAGES), copies(stages=False)), min_size=1, max_size=2)))
        dest = posixpath.join(dest, draw(st.sampled_from((".", "built", "built/at")))).removesuffix("/.")
        return CopyOp(dest, Stage(ops, draw(st.sampled_from(_taken(ops)))), owner, root, changes)
    return CopyOp(dest, draw(trees()) if kind == "tree" else None, owner, root, changes)


def _taken(ops: tuple[RunOp | CopyOp, ...]) -> list[str]:
    """Folders of a stage that are surely there, and hold nothing that only some builders copy."""
    made = [op.dest for op in ops if isinstance(op, CopyOp) and not isinstance(op.source, bytes | Item)]
    plain = [path for path in made if not set(path) & set("*?[]\\") and path not in ("/", "/base")]
    return [*plain, "/base/owned", "/base/plain", "/base/sticky", "/base/private", "/base/setgid"]


SCRIPTS = (
    'mkdir -p "$D/made/in it"; echo text >"$D/made/file"; chmod 0711 "$D/made"',
    'mkdir -p "$D"; touch "$D/ran"; chmod 0600 "$D/ran"; chown 1001:1002 "$D/ran"',
    'mkdir -p "$D"; umask >"$D/umask"; id -u >"$D/id"; id -g >>"$D/id"; pwd >"$D/pwd"; echo "$HOME $PATH" >"$D/home"',
    'mkdir -p "$D"; printf %s "$V" >"$D/value"',
    'mkdir -p "$D"; find "$D" | sort | while read -r each; do stat -c "%a %u %g %n" "$each"; done >"$D/../listed"',
    'rm -rf "$D/sub" "$D/file"',
    'rm -rf "$D"',
    'rm -rf "$D"; mkdir -p "$D/sub"; chown 1000:50 "$D"',
    'chmod 0705 "$D"; chown 1001:1002 "$D"',
    'mkdir -p "$D/a"; echo one >"$D/a/one"; ln "$D/a/one" "$D/two"; ln -s a/one "$D/three"',
    'cat "$D/file" "$D/a" "$D/b" >"$D/../read"',
    'mkdir -p "$D"; for each in /base/owned/*; do echo "$each"; done >"$D/names"',
    'mkfifo "$D/pipe"; mkdir -p "$D/s"; chmod 2777 "$D/s"; touch "$D/s/x"; chmod 4755 "$D/s/x"',
    'mkdir -p "$D"; cat "$MINE" >"$D/mine"; stat -c "%a %u %g" "$MINE" >>"$D/mine"',
)
"""In each, $D is a folder. What fails is let pass: some of it may not be done by every user."""

IN_STAGES = tuple(each for each in SCRIPTS if "mkfifo" not in each)
"""What a stage has of FIFOs, and of special bits under another owner, not all builders copy (docs/equality.md)."""


@st.composite
def runs(draw: st.DrawFn, scripts: tuple[str, ...] = SCRIPTS) -> RunOp:
    """A command of a few users; half of them say what they touch."""
    script, folder = draw(st.sampled_from(scripts)), draw(dests())
    if folder == "/":
        folder = "/tmp"
    env = {"D": folder, **draw(st.sampled_from(({}, {"V": "a \"b\" 'c' $HOME ${X:-y} $(id) \\n end\\"})))}
    touches: tuple[str, ...] | None = None
    if draw(st.booleans()):
        touches = (posixpath.dirname(folder), "/base/owned") if "listed" in script or "read" in script else (folder,)
        touches = (*touches, "/base/owned") if "/base/owned/*" in script else touches
    workdir = draw(st.sampled_from(("/", "/", "/", "/base/owned", "/base/link", "/work/dir", "/tmp")))
    user = draw(st.sampled_from(USERS))
    return RunOp(f"exec 2>/dev/null; {script}; true", user, env, workdir, touches, "$MINE" in script)


_values = st.sampled_from(("plain", "", "a \"b\" 'c' $HOME ${X:-y} $(id)", "\\", "# x", "é\u2028\u202e", " end "))


@st.composite
def sketches(draw: st.DrawFn) -> Sketch:
    """Graphs of up to four ops; a third of them with a config."""
    ops = tuple(draw(st.lists(st.one_of(copies(), copies(), runs()), min_size=1, max_size=4)))
    if draw(st.integers(0, 2)):
        return Sketch(ops)
    return Sketch(
        ops,
        env=draw(st.dictionaries(st.sampled_from(("A", "PATH", "_x")), _values.filter(bool), max_size=2)),
        labels=draw(st.dictionaries(st.sampled_from(("a", "org.x/y")), _values, max_size=2)),
        workdir=draw(st.sampled_from((None, None, "/", "/base/owned", "/new/work", "/base/link/x y"))),
        user=draw(st.sampled_from((None, None, "0:0", "dockeruser", "1234"))),
        ports=draw(st.sampled_from(((), (5001,), (80, 5001)))),
        cmd=draw(st.sampled_from((None, (), ("/bin/sh", "-c", "a $HOME"), ("x",)))),
        entrypoint=draw(st.sampled_from((None, None, (), ("/bin/echo", "é \"'$")))),
    )
