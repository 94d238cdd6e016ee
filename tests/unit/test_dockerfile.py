"""The Dockerfile of a plan, and the folder that it copies from."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagger_aml import (
    Built,
    Config,
    Copy,
    DaggerAmlError,
    Empty,
    From,
    Graph,
    GraphError,
    ProjectError,
    Run,
    Text,
    UsageError,
    __version__,
    dockerfile,
    make_plan,
)
from dagger_aml.backends.dockerfile import context as backend
from dagger_aml.backends.dockerfile.render import render, rendered
from dagger_aml.base.catalog import assumed
from dagger_aml.base.facts import BaseFacts
from dagger_aml.fs.atomic import replaced_folder
from dagger_aml.fs.tree import MARKER, local
from dagger_aml.graph.graph import Root
from dagger_aml.plan.keys import labels
from dagger_aml.plan.label import PLAN_LABEL
from tests.support.calls import error_of
from tests.support.projects import SCORE, make, planned, snapshot
from tests.support.users import as_nobody, linux_root, open_to_all

from .reader import read
from .strings import commands, paths, values

BASE = From.parse("example.org/base:1")
HEAD = Graph(BASE)


def instructions(graph: Graph, facts: BaseFacts | None = None) -> list[tuple]:
    """What builders understand of a graph's Dockerfile."""
    made, script = rendered(make_plan(graph, {BASE: facts} if facts else None))
    found = read(made.text, "moby")
    assert found == read(made.text, "imagebuilder")
    assert [one.name for one in found] == [each.keyword for each in script.instructions]
    return [(one.name, *one.flags, one.value) for one in found]


@pytest.fixture
def project(tmp_path):
    root = make(tmp_path / "demo", {"code/score.py": SCORE, "code/run.sh": "#!/bin/sh\n", "model/m.bin": b"\0" * 100})
    (root / "code/run.sh").chmod(0o755)
    return root


@pytest.fixture
def umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


# --- instructions ---------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.lists(commands, max_size=3), values, values, paths.filter(lambda path: not path.startswith(("/var", "/tmp")))
)
def test_any_graph_reads_back(words, value, label, path):
    graph = (
        HEAD.add(Run(["/bin/sh", *words], "7:7", {"A": value}, name=value))
        .add(Copy(Text(b""), f"{path}/file", "file", 5, 6, name=label))
        .configure(env={"B": value}, labels={"c": label}, cmd=words, entrypoint=["/e", *words], ports=[80], user="me")
    )
    found = instructions(graph)
    command = ["/usr/bin/env", f"A={value}", "/bin/sh", *words]
    assert found == [
        ("FROM", "--platform=linux/amd64", "example.org/base:1"),
        ("USER", "7:7"),
        ("RUN", command),
        ("COPY", ["context/empty/e/", f"{path}/"]),
        ("COPY", "--chown=5:6", ["context/1/k/", f"{path}/"]),
        ("ENV", ("B", value)),
        ("LABEL", ("c", label)),
        *[("LABEL", (PLAN_LABEL, text)) for name, text in labels(make_plan(graph)).items() if name == PLAN_LABEL],
        ("LABEL", ("io.dagger-aml.version", __version__)),
        ("LABEL", ("org.opencontainers.image.base.name", "example.org/base:1")),
        ("EXPOSE", "80"),
        ("USER", "me"),
        ("ENTRYPOINT", ["/e", *words]),
        ("CMD", words),
    ]


@pytest.mark.parametrize("size", [70_000, 120_000])
def test_long_values_make_no_long_line_and_no_further_instruction(size):
    def graph(count: int) -> Graph:
        value = ("\\ # $" + "x" * 95) * count
        return HEAD.add(Run(["/x", value], env={"A": value})).configure(env={"B": value}, labels={"c": value})

    short, long = instructions(graph(1)), instructions(graph(size // 100))
    assert [one[0] for one in short] == [one[0] for one in long]
    text = dockerfile(graph(size // 100)).text
    assert max(len(line.encode()) for line in text.split("\n")) < 65_535


@pytest.mark.parametrize(
    "make",
    [
        lambda v: Run(["/x", v]),
        lambda v: Run(["/x"], env={"A": v}),
        lambda v: Config(env={"A": v}),
        lambda v: Config(labels={"a": v}),
    ],
)
def test_what_linux_cannot_start_a_program_with_is_refused(make):
    make("x" * 130_000)
    with pytest.raises(GraphError, match="longer than"):
        make("x" * 131_072)


def test_a_hostile_title_stays_a_comment():
    title = "x\n# syntax=evil\nRUN id\r\nRUN id\u2028"
    made = dockerfile(HEAD, title=title)
    assert [one.name for one in read(made.text)] == ["FROM", "LABEL", "LABEL", "LABEL"]
    assert not any("syntax=" in line and line.startswith("# syntax") for line in made.text.split("\n"))


def test_the_head_says_what_is_assumed_and_how_to_be_sure():
    head = dockerfile(HEAD, title="demo").text.partition("FROM")[0]
    assert f"Written by dagger-aml {__version__} from demo" in head
    assert "Assumed facts of example.org/base:1" in head
    assert "user dockeruser is 1000:1000" in head and "/var/azureml-app is a dir, owner 1000:1000" in head
    assert "--pin" in head and "not pinned" in head
    pinned = dockerfile(Graph(From("example.org/base:1", "sha256:" + "0" * 64))).text
    assert "--pin" not in pinned and f"FROM --platform=linux/amd64 example.org/base@sha256:{'0' * 64}\n" in pinned
    assert f'LABEL "org.opencontainers.image.base.digest"="sha256:{"0" * 64}"' in pinned
    asked = render(make_plan(HEAD, {BASE: BaseFacts("probed")})).text
    assert "Probed facts of example.org/base:1" in asked and "Assumed" not in asked


def test_notes_are_in_the_head():
    assert "# warning: a.py:7: mind this\n#   Do that." in (
        dockerfile(HEAD.warn("mind this", location="a.py:7", hint="Do that.")).text
    )


def test_user_and_workdir_are_written_when_they_change_and_put_back_last():
    graph = HEAD.add(
        Run(["/a"], "0:0"), Run(["/b"], "0:0"), Run(["/c"], "5:5", workdir="/tmp"), Run(["/d"], "5:5", workdir="/tmp")
    )
    assert [one for one in instructions(graph) if one[0] != "LABEL"] == [
        ("FROM", "--platform=linux/amd64", "example.org/base:1"),
        ("USER", "0:0"),
        ("RUN", ["/a"]),
        ("RUN", ["/b"]),
        ("USER", "5:5"),
        ("WORKDIR", "/tmp"),
        ("RUN", ["/c"]),
        ("RUN", ["/d"]),
        ("WORKDIR", "/"),
        ("USER", "dockeruser"),
    ]


def test_a_base_without_a_user_is_left_without_one():
    root = BaseFacts("probed", user="", uid=0, gid=0)
    assert not [one for one in instructions(HEAD.add(Run(["/a"])), root) if one[0] == "USER"]
    users = [one for one in instructions(HEAD.add(Run(["/a"], "5:5")), root) if one[0] == "USER"]
    assert users == [("USER", "5:5"), ("USER", "0:0")]


def test_an_entrypoint_keeps_the_bases_command():
    facts = BaseFacts("probed", cmd=("runsvdir", "/var/runit"))
    found = instructions(HEAD.configure(entrypoint=["/e"]), facts)
    assert found[-2:] == [("ENTRYPOINT", ["/e"]), ("CMD", ["runsvdir", "/var/runit"])]
    assert instructions(HEAD.configure(entrypoint=["/e"], cmd=[]), facts)[-1] == ("CMD", [])


@pytest.mark.parametrize("user", ["a\nRUN id", "$X", "a b", 'a"b'])
def test_a_bases_own_hostile_config_is_refused(user):
    error = error_of(instructions, HEAD, BaseFacts("probed", user=user))
    assert "base image's config" in error.message and error.location == BASE.pinned
    assert "base image's config" in error_of(instructions, HEAD, BaseFacts("probed", workdir="/a\nRUN id")).message


def test_parents_of_an_owned_copy_are_made_first_as_roots():
    owned = {"uid": 5, "gid": 6}
    assert instructions(HEAD.add(Copy(Empty(), "/a/b/c", **owned)))[1:3] == [
        ("COPY", ["context/empty/e/", "/a/b/"]),
        ("COPY", "--chown=5:6", ["context/1/k/", "/a/b/c/"]),
    ]
    assert instructions(HEAD.add(Copy(Text(b""), "/a/b/c", "file", **owned)))[1:3] == [
        ("COPY", ["context/empty/e/", "/a/b/"]),
        ("COPY", "--chown=5:6", ["context/1/k/", "/a/b/"]),
    ]
    assert instructions(HEAD.add(Copy(Empty(), "/a", **owned)))[1] == ("COPY", "--chown=5:6", ["context/1/k/", "/a/"])
    assert instructions(HEAD.add(Copy(Text(b""), "/a", "file")))[1] == ("COPY", ["context/1/k/", "/"])


def test_a_stated_root_comes_after_the_contents(tmp_path):
    graph = HEAD.add(Copy(Empty(), "/a/b", uid=5, gid=6, root=Root(7, 8, 0o750)))
    assert instructions(graph)[2:4] == [
        ("COPY", "--chown=5:6", ["context/1/k/", "/a/b/"]),
        ("COPY", "--chown=7:8", ["context/1/root/", "/a/"]),
    ]
    made = dockerfile(graph).save(tmp_path / "out")
    assert stat.S_IMODE((made / "context/1/root/b").stat().st_mode) == 0o750
    assert [path.name for path in (made / "context/1/root").iterdir()] == ["b"]


def test_stages_come_once_in_the_order_in_which_they_need_each_other():
    inner = Graph(From.parse("example.org/tools:2"), [Run(["/inner"])])
    outer = HEAD.add(Copy(Built(inner, "/out"), "/in"), Run(["/outer"]))
    graph = HEAD.add(Copy(Built(outer, "/a"), "/x"), Copy(Built(outer, "/b"), "/y"), Copy(Built(inner, "/out"), "/z"))
    assert [one for one in instructions(graph) if one[0] != "LABEL"] == [
        ("FROM", "--platform=linux/amd64", "example.org/tools:2 AS stage-1"),
        ("USER", "0:0"),
        ("WORKDIR", "/"),
        ("RUN", ["/inner"]),
        ("FROM", "--platform=linux/amd64", "example.org/base:1 AS stage-2"),
        ("COPY", "--from=stage-1", ["/out/", "/in/"]),
        ("USER", "0:0"),
        ("WORKDIR", "/"),
        ("RUN", ["/outer"]),
        ("FROM", "--platform=linux/amd64", "example.org/base:1"),
        ("COPY", "--from=stage-2", ["/a/", "/x/"]),
        ("COPY", "--from=stage-2", ["/b/", "/y/"]),
        ("COPY", "--from=stage-1", ["/out/", "/z/"]),
    ]


def test_what_the_base_says_is_not_said_again():
    assert [one[0] for one in instructions(HEAD)] == ["FROM", "LABEL", "LABEL", "LABEL"]


def test_the_form_is_one_of_two():
    error = error_of(render, make_plan(HEAD), format="docker")
    assert "docker" in error.message and "classic or buildkit" in str(error.hint)
    assert render(make_plan(HEAD), format="buildkit").text == render(make_plan(HEAD)).text


# --- the folder -----------------------------------------------------------------------------------------------------


def test_the_folder_holds_what_the_dockerfile_copies(project, tmp_path):
    made = dockerfile_of(project).save(tmp_path / "out")
    found = {name: (mode, what) for name, (mode, what, *_) in snapshot(made).items()}
    sources = [one.value[0] for one in read((made / "Dockerfile").read_text()) if one.name == "COPY"]
    assert all((made / source).is_dir() for source in sources)
    assert set(found) == {
        MARKER,
        "Dockerfile",
        "context",
        "context/1",
        "context/1/k",
        "context/1/k/m.bin",
        "context/2",
        "context/2/k",
        "context/2/k/run.sh",
        "context/2/k/score.py",
        "context/empty",
        "context/empty/e",
    }
    assert found["context/2/k/run.sh"] == ("-rwxr-xr-x", b"#!/bin/sh\n")
    assert found["context/1/k/m.bin"] == ("-rw-r--r--", b"\0" * 100)
    assert found["context/2/k"][0] == "drwxr-xr-x"


def dockerfile_of(project: Path, **options):
    return render(planned(project, **options))


def test_modes_do_not_depend_on_the_umask_or_the_users_modes(project, tmp_path, umask):
    make(project, {"code/lib/deep/x.py": "x"})
    for path in (project / "code").rglob("*"):
        path.chmod(0o700 if path.is_dir() or path.suffix == ".sh" else 0o600)
    before = snapshot(project)
    made = dockerfile_of(project).save(tmp_path / "out")
    modes = {name: entry[0] for name, entry in snapshot(made / "context/2/k").items()}
    assert modes == {
        "lib": "drwxr-xr-x",
        "lib/deep": "drwxr-xr-x",
        "lib/deep/x.py": "-rw-r--r--",
        "run.sh": "-rwxr-xr-x",
        "score.py": "-rw-r--r--",
    }
    assert stat.S_IMODE(made.stat().st_mode) == 0o755
    assert snapshot(project) == before, "the user's files are never changed"


def test_links_and_odd_names_travel_as_they_are(tmp_path):
    make(
        tmp_path / "t",
        {"a": "1", "l": "->a", "dangling": "->absent", "d/up": "->../a", "a\nb": "", "\\": "", "*": ""},
    )
    if sys.platform == "linux":
        (tmp_path / "t" / os.fsdecode(b"\xff")).write_text("odd")
    made = dockerfile(HEAD.add(Copy(local(tmp_path / "t"), "/x"))).save(tmp_path / "out")
    taken, given_ = snapshot(made / "context/1/k"), snapshot(tmp_path / "t")
    assert {name: entry[1] for name, entry in taken.items()} == {name: entry[1] for name, entry in given_.items()}


def test_copies_keep_their_times_and_links_theirs(project, tmp_path):
    for path, when in ((project / "code/score.py", 1_000_000_000_123_456_789), (project / "model/m.bin", 10**18)):
        os.utime(path, ns=(when, when))
    made = dockerfile_of(project).save(tmp_path / "out")
    assert (made / "context/2/k/score.py").stat().st_mtime_ns == 1_000_000_000_123_456_789
    assert (made / "context/1/k/m.bin").stat().st_mtime_ns == 10**18


def test_text_and_empty_sources(tmp_path):
    graph = HEAD.add(
        Copy(Text("é\r\n".encode()), "/a/plain", "file"),
        Copy(Text(b"#!", executable=True), "/a/tool", "file"),
        Copy(Empty(), "/b"),
    )
    made = snapshot(dockerfile(graph).save(tmp_path / "out") / "context")
    assert made["1/k/plain"][:2] == ("-rw-r--r--", "é\r\n".encode())
    assert made["2/k/tool"][:2] == ("-rwxr-xr-x", b"#!")
    assert not [name for name in made if name.startswith("3/k/")]


def test_a_single_file_takes_its_destinations_name(tmp_path):
    make(tmp_path, {"a.txt": "1"})
    made = dockerfile(HEAD.add(Copy(local(tmp_path / "a.txt"), "/x/b.cfg", "file"))).save(tmp_path / "out")
    assert (made / "context/1/k/b.cfg").read_text() == "1"


# --- hard links -----------------------------------------------------------------------------------------------------


def linked(graph: Graph, tmp_path: Path, source: Path) -> bool:
    """Whether the copied file is the user's own, and that the user's file is what it was."""
    before = source.read_bytes(), source.stat().st_mode, source.stat().st_mtime_ns
    made = dockerfile(graph).save(tmp_path / "out") / "context/1/k" / source.name
    assert made.read_bytes() == before[0] and made.stat().st_mtime_ns == before[2]
    assert (source.read_bytes(), source.stat().st_mode, source.stat().st_mtime_ns) == before
    return made.samefile(source)


@pytest.fixture
def model(tmp_path):
    path = make(tmp_path, {"model/m.bin": b"\0" * 100}) / "model/m.bin"
    path.chmod(0o644)
    return path


def graph_of(model: Path, **kwargs) -> Graph:
    return HEAD.add(Copy(local(model.parent), "/m", **kwargs))


def test_a_models_file_is_linked(model, tmp_path):
    assert linked(graph_of(model), tmp_path, model)


def test_an_executable_models_file_is_linked(model, tmp_path):
    model.chmod(0o755)
    assert linked(graph_of(model), tmp_path, model)


def test_what_changes_often_is_not_linked(model, tmp_path):
    assert not linked(graph_of(model, changes="often"), tmp_path, model)


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444, 0o700, 0o4755])
def test_another_mode_is_not_linked(model, tmp_path, mode):
    model.chmod(mode)
    assert not linked(graph_of(model), tmp_path, model)
    copied = tmp_path / "out/context/1/k/m.bin"
    assert stat.S_IMODE(copied.stat().st_mode) == (0o755 if mode & 0o111 else 0o644)


def test_a_second_link_is_not_linked(model, tmp_path):
    (tmp_path / "other").hardlink_to(model)
    assert not linked(graph_of(model), tmp_path, model)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes here")
def test_a_file_with_extended_attributes_is_not_linked_and_loses_them(model, tmp_path):
    try:
        os.setxattr(model, "user.note", b"x")
    except OSError:
        pytest.skip("the file system keeps no extended attributes")
    assert not linked(graph_of(model), tmp_path, model)
    assert os.listxattr(tmp_path / "out/context/1/k/m.bin") == []
    assert os.getxattr(model, "user.note") == b"x"


def test_another_file_system_is_not_linked(model, tmp_path):
    here = tmp_path.stat().st_dev
    others = [each for each in map(Path, ("/dev/shm", "/var/tmp")) if each.is_dir() and each.stat().st_dev != here]
    if not others:
        pytest.skip("no second file system here")
    away = others[0] / f"dagger-aml-test-{os.getpid()}"
    shutil.copytree(model.parent, away)
    try:
        assert not linked(HEAD.add(Copy(local(away), "/m")), tmp_path, away / "m.bin")
    finally:
        shutil.rmtree(away)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP])
def test_where_links_cannot_be_made_it_is_copied(model, tmp_path, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(backend.os, "link", refuse)
    assert not linked(graph_of(model), tmp_path, model)


def test_the_users_requirements_are_not_linked(project, tmp_path):
    make(project, {"requirements.txt": "numpy==2.4.6\n"})
    (project / "requirements.txt").chmod(0o644)
    made = dockerfile_of(project).save(tmp_path / "out")
    assert (project / "requirements.txt").stat().st_nlink == 1
    assert [path.read_text() for path in made.rglob("requirements.txt")] == ["numpy==2.4.6\n"]


# --- replaced as a whole, or not at all -----------------------------------------------------------------------------


def test_a_new_and_an_empty_folder_are_taken(project, tmp_path):
    made = dockerfile_of(project)
    (tmp_path / "empty").mkdir()
    for name in ("empty", "deep/er/new"):
        assert made.save(tmp_path / name) == tmp_path / name
        assert (tmp_path / name / "Dockerfile").read_text() == made.text


def test_our_own_folder_is_replaced_as_a_whole(project, tmp_path):
    made = dockerfile_of(project)
    out = made.save(tmp_path / "out")
    (out / "left over").write_text("x")
    made.save(out)
    assert not (out / "left over").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "out"], "nothing is left beside it"


def test_a_folder_of_somebody_elses_is_refused_without_force(project, tmp_path):
    out = make(tmp_path / "out", {"mine.txt": "mine"})
    made, before = dockerfile_of(project), snapshot(out)
    error = error_of(made.save, out)
    assert isinstance(error, UsageError) and error.location == str(out) and "force=…" in str(error.hint)
    assert snapshot(out) == before and sorted(path.name for path in tmp_path.iterdir()) == ["demo", "out"]
    made.save(out, force=True)
    assert not (out / "mine.txt").exists() and (out / "Dockerfile").is_file()


def test_a_file_and_a_link_are_refused_even_with_force(project, tmp_path):
    make(tmp_path, {"file": "x", "folder/": None, "link": "->folder", "dangling": "->absent"})
    for name in ("file", "link", "dangling"):
        for force in (False, True):
            assert "not a folder" in error_of(dockerfile_of(project).save, tmp_path / name, force=force).message
    assert (tmp_path / "file").read_text() == "x" and not (tmp_path / "absent").exists()


def test_a_folder_below_a_file_is_refused(project, tmp_path):
    make(tmp_path, {"file": "x"})
    error = error_of(dockerfile_of(project).save, tmp_path / "file/out")
    assert error.location == str(tmp_path / "file/out") and "cannot be written" in error.message


@pytest.mark.parametrize("name", [".", "..", "code", "model"])
def test_what_is_copied_from_is_never_replaced(project, name):
    before = snapshot(project)
    error = error_of(dockerfile_of(project).save, project / name, force=True)
    assert "is copied into the image" in error.message and error.hint
    assert snapshot(project) == before


def test_it_may_lie_in_the_project(project):
    made = dockerfile_of(project)
    made.save(project / "imagefiles")
    assert dockerfile_of(project).text == made.text, "what was written is no part of the next image"
    make(project / "flat", {"score.py": SCORE})
    first = dockerfile_of(project / "flat")
    first.save(project / "flat/imagefiles")
    assert dockerfile_of(project / "flat").text == first.text


@pytest.mark.parametrize("existing", [False, True])
def test_a_source_that_vanished_leaves_nothing_half_written(project, tmp_path, existing):
    made = dockerfile_of(project)
    if existing:
        made.save(tmp_path / "out")
    before = snapshot(tmp_path / "out") if existing else None
    (project / "code/score.py").unlink()
    error = error_of(made.save, tmp_path / "out")
    assert isinstance(error, ProjectError) and error.location == str(project / "code/score.py")
    assert "disappeared" in error.message
    assert sorted(path.name for path in tmp_path.iterdir()) == (["demo", "out"] if existing else ["demo"])
    assert before is None or snapshot(tmp_path / "out") == before


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_source_that_became_something_else_is_told(project, tmp_path, kind):
    made = dockerfile_of(project)
    (project / "code/score.py").unlink()
    (project / "code/score.py").mkdir() if kind == "folder" else os.mkfifo(project / "code/score.py")
    error = error_of(made.save, tmp_path / "out")
    assert error.location == str(project / "code/score.py") and not (tmp_path / "out").exists()


def test_what_goes_wrong_at_the_last_moment_brings_the_old_folder_back(tmp_path, monkeypatch):
    out = make(tmp_path / "out", {MARKER: "", "Dockerfile": "old"})
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, "the disk is gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(UsageError, match="the disk is gone"), replaced_folder(out) as new:
        (new / "Dockerfile").write_text("new")
    assert (out / "Dockerfile").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_nothing(tmp_path, error):
    with pytest.raises(error), replaced_folder(tmp_path / "out") as new:
        (new / "half").write_text("x")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_without_a_traceback(tmp_path):
    with pytest.raises(DaggerAmlError, match="No space left") as caught, replaced_folder(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.location == str(tmp_path / "out") and list(tmp_path.iterdir()) == []
    assert caught.value.exit_code == 1 and "Free disk space" in str(caught.value.hint)


@linux_root
def test_unreadable_sources_and_places_are_told_to_another_user(project, tmp_path):
    open_to_all(project)
    made = dockerfile_of(project)
    (tmp_path / "theirs").mkdir(mode=0o777)
    (tmp_path / "theirs").chmod(0o777)
    secret = project / "code/score.py"
    secret.chmod(0o600)
    (tmp_path / "shut").mkdir(mode=0o700)

    def attempt(out: Path) -> str:
        try:
            made.save(out)
        except UsageError as error:
            return str(error)
        return "written"

    def cannot_read() -> str:
        try:
            return secret.read_text()
        except PermissionError:
            return "denied"

    assert as_nobody(cannot_read) == "denied", "the test's own user can read it: nothing below means anything"
    assert as_nobody(lambda: attempt(tmp_path / "theirs/out")).startswith(
        f"{secret}: cannot be read (permission denied)"
    )
    assert list((tmp_path / "theirs").iterdir()) == []
    assert "cannot be written" in as_nobody(lambda: attempt(tmp_path / "out"))
    assert "cannot be written" in as_nobody(lambda: attempt(tmp_path / "shut"))
    secret.chmod(0o644)
    assert as_nobody(lambda: attempt(tmp_path / "theirs/out")) == "written"


def test_config_alone_needs_no_context(tmp_path):
    made = dockerfile(Graph(BASE, (), Config(env={"A": "1"})))
    assert made.copies == () and made.save(tmp_path / "out") and str(made) == made.text
    assert assumed(BASE).source == "assumed"


def test_hard_links_of_a_tree_stay_hard_links_in_its_context(tmp_path):
    """The engine keeps them one file, so every builder must; and none leads back to the user's own file."""
    tree = make(tmp_path / "tree", {"a": "x", "sub/": None, "alone": "x"})
    (tree / "sub" / "b").hardlink_to(tree / "a")
    (tmp_path / "outside").hardlink_to(tree / "alone")
    (tree / "a").chmod(0o600)
    plan = make_plan(HEAD.add(Copy(local(tree), "/new")))
    made = render(plan).save(tmp_path / "out") / "context" / "1" / "k"
    assert (made / "a").samefile(made / "sub" / "b") and (made / "a").stat().st_mode & 0o777 == 0o644
    assert not (made / "a").samefile(tree / "a") and not (made / "alone").samefile(tree / "alone")
    assert (tree / "a").stat().st_mode & 0o777 == 0o600


# --- folders with names -------------------------------------------------------------------------------------------


def copied(dest: str, path, kind="tree") -> Copy:
    return Copy(local(path), dest, kind, 0, 0)


def test_folders_of_the_image_may_have_names_in_the_context(tmp_path):
    root = make(tmp_path / "p", {"code/score.py": "", "m.bin": "1", "odd/[a]/x": "", "else": ""})
    layers = (
        copied("/app/models/m/1/m.bin", root / "m.bin", "file"),
        copied("/app/code", root / "code"),
        copied("/app/code/sub", root / "code"),
        copied("/app/[a]", root / "odd"),
        copied("/app", root / "odd"),
        copied("/application", root / "code"),
    )
    made = render(make_plan(Graph(From("r/b:1"), layers)), folders={"/app": "app"})
    assert [name for name, _ in made.copies] == ["app/models/m/1", "app/code", *(f"context/{n}" for n in range(3, 7))]
    saved = made.save(tmp_path / "out")
    assert (saved / "app/models/m/1/m.bin").read_text() == "1" and (saved / "app/code/score.py").exists()
    assert (saved / "context/5/k/[a]/x").exists()
    assert '["app/code/", "/app/code/"]' in made.text and '["context/6/k/", "/application/"]' in made.text
