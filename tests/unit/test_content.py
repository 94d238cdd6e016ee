"""What of a local folder is taken, what is refused, and what its digest tells apart."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from dagger_aml import GraphError, ProjectError
from dagger_aml.fs.digest import digest
from dagger_aml.fs.tree import ALWAYS_LEFT_OUT, MARKER, is_file, local
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Built, Copy, Graph
from dagger_aml.graph.source import Empty, Text
from dagger_aml.graph.writes import written_paths
from tests.support.calls import error_of
from tests.support.cases import for_each
from tests.support.projects import make
from tests.support.users import as_nobody, linux_root, open_to_all


def names(path: Path, **kwargs) -> list[str]:
    return [entry.path for entry in local(path, **kwargs).entries]


# --- what is taken --------------------------------------------------------------------------------------------------


def test_a_tree_is_taken_whole_sorted_and_with_normal_modes(tmp_path):
    make(
        tmp_path,
        {"b.py": "b", "a/c.sh": "#!", "a/empty/": None, "z": "->a/c.sh", ".hidden": "h", "a b": "", "a-": ""},
    )
    (tmp_path / "a/c.sh").chmod(0o700)
    (tmp_path / "b.py").chmod(0o4600)
    (tmp_path / "a").chmod(0o2700)
    found = local(tmp_path)
    assert [(e.path, e.type, e.mode, e.size, e.target) for e in found.entries] == [
        (".hidden", "file", 0o644, 1, ""),
        ("a", "dir", 0o755, 0, ""),
        ("a b", "file", 0o644, 0, ""),
        ("a-", "file", 0o644, 0, ""),
        ("a/c.sh", "file", 0o755, 2, ""),
        ("a/empty", "dir", 0o755, 0, ""),
        ("b.py", "file", 0o644, 1, ""),
        ("z", "link", 0o777, 0, "a/c.sh"),
    ]
    assert {e.path: e.disk_mode for e in found.entries if e.type != "link"}["b.py"] == 0o4600
    assert found.left_out == () and found.size == 4


def test_a_file_is_taken_alone(tmp_path):
    make(tmp_path, {"m.bin": b"\0\1"})
    found = local(tmp_path / "m.bin")
    assert is_file(found) and [e.path for e in found.entries] == ["m.bin"] and found.size == 2
    make(tmp_path, {"x/x": "a folder that holds one file of its own name"})
    assert not is_file(local(tmp_path / "x"))


def test_what_is_never_code_is_left_out_and_told(tmp_path):
    files = {f"{name}/inner": "x" for name in sorted(ALWAYS_LEFT_OUT - {".env", ".DS_Store"})}
    files |= {".env": "SECRET=1", "sub/.env": "SECRET=2", "m.pyc": "", "p.egg-info/x": "", "score.py": ""}
    files |= {"venv/pyvenv.cfg": "", "venv/bin/python": "", "imagefiles/" + MARKER: "", "imagefiles/Dockerfile": ""}
    make(tmp_path, files)
    assert names(tmp_path) == ["score.py", "sub"]
    told = local(tmp_path).left_out
    assert {".env", "sub/.env", ".git", "venv", "imagefiles", "m.pyc", "p.egg-info"} <= set(told)
    assert not any(each.startswith(("venv/", ".git/")) for each in told), "the folder is told, not all in it"


def test_a_model_is_taken_as_it_is(tmp_path):
    make(tmp_path, {".git/x": "", "__pycache__/a.pyc": "", "weights.bin": "w"})
    assert names(tmp_path, caches=True) == [".git", ".git/x", "__pycache__", "__pycache__/a.pyc", "weights.bin"]


def test_other_parts_are_left_out(tmp_path):
    make(tmp_path, {"score.py": "", "model/m": "", "requirements.txt": "", "sub/model/m": ""})
    taken = local(tmp_path, leave_out=[tmp_path / "model", tmp_path / "requirements.txt", tmp_path / "absent"])
    assert [e.path for e in taken.entries] == ["score.py", "sub", "sub/model", "sub/model/m"]
    assert taken.left_out == ("model", "requirements.txt")


def test_another_part_that_is_a_link_is_left_out_too(tmp_path):
    make(tmp_path, {"data/m": "", "project/score.py": "", "project/model": "->../data"})
    assert names(tmp_path / "project", leave_out=[tmp_path / "project/model"]) == ["score.py"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_names_are_kept_whatever_their_bytes(tmp_path):
    odd = [b"\xff\xfe", b"a\nb", b"a\tb", b"a\rb", b" x ", b"-rf", b"'\"$`\\", "é".encode(), "e\u0301".encode()]
    for name in odd:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    found = local(tmp_path)
    assert {os.fsencode(e.path) for e in found.entries} == set(odd)
    assert digest(found) == digest(local(tmp_path))


# --- links ----------------------------------------------------------------------------------------------------------


def test_a_part_given_as_a_link_is_followed(tmp_path):
    make(tmp_path, {"real/a": "1", "real/b": "->a", "folder": "->real", "file": "->real/a", "twice": "->folder"})
    for name in ("folder", "twice"):
        found = local(tmp_path / name)
        assert Path(found.path) == (tmp_path / "real").resolve() and [e.path for e in found.entries] == ["a", "b"]
    assert is_file(local(tmp_path / "file"))


@for_each("target", ["a", "./a", "sub/../a", "absent", ".", "sub", "loop"])
def test_links_within_the_folder_are_taken_as_they_are(tmp_path, target):
    make(tmp_path, {"a": "1", "sub/b": "2", "loop": f"->{target}"})
    assert next(e for e in local(tmp_path).entries if e.path == "loop").target == target


@for_each("target", ["..", "../x", "sub/../../x", "/etc/passwd", "/", "a/../../../x"])
def test_links_out_of_the_folder_are_refused(tmp_path, target):
    root = make(tmp_path / "project", {"a": "1", "sub/b": "2", "out": f"->{target}"})
    error = error_of(local, root, location="code")
    assert isinstance(error, GraphError) and error.location == "code"
    assert str(root / "out") in error.message and target in error.message and error.hint


def test_a_link_to_an_absolute_path_within_is_refused_too(tmp_path):
    make(tmp_path, {"a": "1"})
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert "points outside" in error_of(local, tmp_path).message, "the path means another file in the image"


def test_a_link_that_leaves_through_another_link_is_refused(tmp_path):
    root = make(tmp_path / "project", {"a/b/up": "->../..", "sly": "->a/b/up/../secret"})
    make(tmp_path, {"secret": "x"})
    assert "points outside" in error_of(local, root).message


def test_a_dangling_or_endless_part_is_refused(tmp_path):
    make(tmp_path, {"dangling": "->absent", "loop": "->loop"})
    for name, reason in (("dangling", "does not exist"), ("loop", "cannot be read"), ("absent", "does not exist")):
        error = error_of(local, tmp_path / name)
        assert isinstance(error, ProjectError) and reason in error.message and error.location == str(tmp_path / name)


# --- special files --------------------------------------------------------------------------------------------------


def test_a_fifo_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        error = error_of(local, path, location="model m")
        assert "a FIFO" in error.message and str(tmp_path / "pipe") in error.message and error.location == "model m"


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        for path in (tmp_path, tmp_path / "s"):
            assert "a socket" in error_of(local, path).message


@linux_root
def test_a_device_is_refused(tmp_path):
    for name, kind in (("c", 0o020000), ("b", 0o060000)):
        folder = make(tmp_path / name, {})
        try:
            os.mknod(folder / "node", kind | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("device nodes cannot be made here")
        assert "a device" in error_of(local, folder).message


# --- what cannot be read --------------------------------------------------------------------------------------------


@linux_root
def test_what_another_user_cannot_read_is_one_clear_error(tmp_path):
    root = make(tmp_path / "p", {"file/a": "1", "folder/b/c": "2", "list/d": "3", "shut/score.py": "4"})
    open_to_all(root)
    (root / "file/a").chmod(0)
    (root / "folder/b").chmod(0)
    (root / "list").chmod(0o444)
    (root / "shut").chmod(0o311)

    def attempt(name: str) -> str:
        try:
            local(root / name)
        except ProjectError as error:
            return str(error)
        return "taken"

    def cannot_read() -> str:
        try:
            return (root / "file/a").read_text()
        except PermissionError:
            return "denied"

    assert as_nobody(cannot_read) == "denied", "the test's own user can read it: nothing below means anything"
    assert as_nobody(lambda: attempt("file")).splitlines()[0] == f"{root}/file/a: cannot be read (permission denied)"
    assert (
        as_nobody(lambda: attempt("folder")).splitlines()[0] == f"{root}/folder/b: cannot be read (permission denied)"
    )
    assert as_nobody(lambda: attempt("list")).splitlines()[0] == f"{root}/list: cannot be read (permission denied)"
    assert as_nobody(lambda: attempt("shut")).splitlines()[0] == f"{root}/shut: cannot be read (permission denied)"
    assert (
        as_nobody(lambda: attempt("file/a")).splitlines()[0] == f"{root}/file/a: cannot be read (permission denied)"
    )


# --- digests --------------------------------------------------------------------------------------------------------

_TREE = {"a": "one", "d/b": "two", "d/e/": None, "l": "->a"}


def _change(root: Path, what: str) -> None:
    changes = {
        "a byte": lambda: (root / "a").write_text("onE"),
        "a size": lambda: (root / "a").write_text("one1"),
        "a name": lambda: (root / "a").rename(root / "a1"),
        "executable": lambda: (root / "a").chmod(0o755),
        "a new file": lambda: (root / "n").write_text(""),
        "a file gone": lambda: (root / "d/b").unlink(),
        "a new folder": lambda: (root / "n").mkdir(),
        "an empty folder gone": lambda: (root / "d/e").rmdir(),
        "a link's target": lambda: ((root / "l").unlink(), (root / "l").symlink_to("./a")),
        "a link becomes a file": lambda: ((root / "l").unlink(), (root / "l").write_text("one")),
        "a file becomes a folder": lambda: ((root / "a").unlink(), (root / "a").mkdir()),
        "moved": lambda: (root / "d/b").rename(root / "b"),
        "bytes swapped": lambda: ((root / "a").write_text("two"), (root / "d/b").write_text("one")),
    }
    changes[what]()


@for_each(
    "what",
    [
        "a byte",
        "a size",
        "a name",
        "executable",
        "a new file",
        "a file gone",
        "a new folder",
        "an empty folder gone",
        "a link's target",
        "a link becomes a file",
        "a file becomes a folder",
        "moved",
        "bytes swapped",
    ],
)
def test_each_change_changes_the_digest(tmp_path, what):
    before = digest(local(make(tmp_path, _TREE)))
    _change(tmp_path, what)
    assert digest(local(tmp_path)) != before


def test_what_the_image_does_not_hold_does_not_change_it(tmp_path):
    first, second = make(tmp_path / "one", _TREE), make(tmp_path / "two", dict(reversed(list(_TREE.items()))))
    make(second, {"__pycache__/x.pyc": "x", ".git/y": "y"})
    (second / "a").chmod(0o600)
    (second / "d").chmod(0o700)
    os.utime(second / "a", (1, 1))
    assert digest(local(first)) == digest(local(second))


def test_a_files_own_name_is_not_in_its_digest(tmp_path):
    make(tmp_path, {"a": "same", "b": "same", "c": "else"})
    a, b, c = (digest(local(tmp_path / name)) for name in "abc")
    assert a == b != c and a.startswith("sha256:") and len(a) == 71


def test_names_that_run_into_each_other_are_told_apart(tmp_path):
    assert digest(local(make(tmp_path / "1", {"ab": "", "c": ""}))) != digest(
        local(make(tmp_path / "2", {"a": "", "bc": ""}))
    )


def test_digests_of_other_sources():
    assert digest(Text(b"a")) != digest(Text(b"b")) != digest(Text(b"b", executable=True))
    assert digest(Empty()) == digest(Empty())
    with pytest.raises(TypeError):
        digest(Built(Graph(From("a:1")), "/x"))


def test_a_change_after_the_walk_is_seen(tmp_path):
    found = local(make(tmp_path, {"a": "one"}))
    (tmp_path / "a").write_text("longer")
    error = error_of(digest, found)
    assert "changed while it was being read (3 bytes, then 6)" in error.message and error.location == str(
        tmp_path / "a"
    )
    (tmp_path / "a").unlink()
    assert "does not exist" in error_of(digest, found).message


def test_what_a_copy_writes(tmp_path):
    found = local(make(tmp_path, {"a": "1", "d/l": "->../a"}))
    assert written_paths(Copy(found, "/x")) == (("/x", "dir"), ("/x/a", "file"), ("/x/d", "dir"), ("/x/d/l", "link"))
    assert written_paths(Copy(found, "/")) == (("/", "dir"), ("/a", "file"), ("/d", "dir"), ("/d/l", "link"))
    assert written_paths(Copy(Text(b""), "/x/y", "file")) == (("/x/y", "file"),)
