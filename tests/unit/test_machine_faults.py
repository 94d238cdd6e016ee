"""Faults of the machine, as the command line meets them: disks, folders, streams, names, users.

docs/faults.md lists them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dagger_aml import DaggerAmlError, Options, ProjectError, load_project
from dagger_aml.backends.dockerfile import context
from dagger_aml.cli import main
from dagger_aml.errors import BuildError
from dagger_aml.fs import digest
from dagger_aml.fs.atomic import replaced_file
from dagger_aml.fs.stamps import unchanged
from dagger_aml.fs.temporary import temporary_directory
from dagger_aml.fs.tree import local
from dagger_aml.graph.graph import Copy
from dagger_aml.oci.credentials import docker_config
from tests.support.cli import shared_program
from tests.support.disks import enlarge, mounted
from tests.support.projects import SCORE, make, snapshot
from tests.support.users import as_nobody, linux_root, open_to_all, readable_package

MODEL = b"m" * 400_000
ROOT = str(Path(__file__).parents[2])

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
needs_shell = pytest.mark.skipif(not Path("/bin/sh").exists(), reason="there is no /bin/sh")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose model is larger than a small disk."""
    return make(tmp_path / "p", {"code/score.py": SCORE, "code/other.txt": "x", "model/m.bin": MODEL})


def called(
    *words: object,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    shell: str = '"$@"',
    new: bool = False,
):
    """Call the command line in a process of its own, by a shell's line about ``"$@"``: the finished process.

    :param new: in a new Python, rather than in a fork of one, where the fault meets its start too.
    """
    tool = [sys.executable, "-m", "dagger_aml"] if new else [str(shared_program())]
    return subprocess.run(
        ["/bin/sh", "-c", shell, "sh", *tool, *map(str, words)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "", **(env or {})},
    )


def one_error(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The process ended with this code and one error, which has these words, and with no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert done.stderr.count("error:") == 1 and all(word in done.stderr for word in words), done.stderr


# --- disks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB."""
    with mounted(tmp_path / "small", "size=256k") as place:
        yield place


def test_a_full_disk_at_the_output(project: Path, small: Path) -> None:
    for out in (small / "out", small / "new/out"):
        done = called("dockerfile", project, "-o", out)
        one_error(done, 1, f"{out}: cannot be written (No space left on device)", "Free disk space there", "Free: ")
        assert [each for each in small.rglob("*") if each.name != "new"] == []
    enlarge(small, "size=4m")
    assert called("dockerfile", project, "-o", small / "out").returncode == 0
    assert (small / "out/context/1/k/m.bin").read_bytes() == MODEL


def test_a_full_disk_keeps_what_was_there(project: Path, small: Path) -> None:
    (project / "model/m.bin").write_bytes(b"small")
    assert called("dockerfile", project, "-o", small / "out").returncode == 0
    before = snapshot(small)
    (project / "model/m.bin").write_bytes(MODEL)
    one_error(called("dockerfile", project, "-o", small / "out"), 1, "No space left on device")
    assert snapshot(small) == before


def test_a_disk_without_names_left(project: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "named", "nr_inodes=8") as place:
        one_error(called("dockerfile", project, "-o", place / "out"), 1, "No space left on device")
        assert list(place.iterdir()) == []


def test_a_read_only_disk(project: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "fixed", "ro") as place:
        one_error(called("dockerfile", project, "-o", place / "out"), 2, "Read-only file system")
        done = called("build", project, "-t", "x:1", "-o", place / "x.tar", "--metadata-file", tmp_path / "x.json")
        one_error(done, 2, f"{place}/x.tar: cannot be written", "Use another path")


def test_an_output_on_another_disk_than_the_project(project: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "other", "size=4m") as place:
        done = called("dockerfile", project, "-o", place / "out", env={"TMPDIR": str(tmp_path)})
        assert done.returncode == 0 and (place / "out/context/1/k/m.bin").read_bytes() == MODEL
        with replaced_file(place / "x.tar") as new:
            new.write_bytes(MODEL)
        assert (place / "x.tar").read_bytes() == MODEL and {each.name for each in place.iterdir()} == {"out", "x.tar"}


def test_a_full_disk_for_temporary_files(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(small))
    with pytest.raises(DaggerAmlError, match="temporary files is full") as caught, temporary_directory() as work:
        (work / "context").write_bytes(MODEL)
    assert caught.value.exit_code == 1 and caught.value.location == str(small) and "TMPDIR" in str(caught.value.hint)
    assert list(small.iterdir()) == []


def test_a_folder_for_temporary_files_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    with pytest.raises(DaggerAmlError, match="cannot create a temporary folder") as caught, temporary_directory():
        pass
    assert caught.value.location == str(tmp_path / "gone") and "Set TMPDIR" in str(caught.value.hint)


def test_no_tmpdir_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    with temporary_directory() as work:
        assert work.is_dir()
    assert not work.exists()


def test_a_builder_s_words_for_a_full_disk_are_told_of_the_output(tmp_path: Path) -> None:
    said = BuildError(
        "it ended with 1", location="export", command=("x", "save"), output="write: no space left on device"
    )
    with pytest.raises(BuildError) as caught, replaced_file(tmp_path / "x.tar"):
        raise said
    assert str(caught.value).startswith(f"{tmp_path}/x.tar: cannot be written (no space left on device)")
    assert "write: no space left" in str(caught.value) and "Free disk space" in str(caught.value)
    with pytest.raises(BuildError) as caught, replaced_file(tmp_path / "x.tar"):
        raise BuildError("other")
    assert str(caught.value) == "other" and list(tmp_path.iterdir()) == []


@needs_dev_full
@pytest.mark.parametrize("words", [["plan", "--json"], ["check"], ["check", "--diff"], ["dockerfile"], ["images"]])
def test_a_full_disk_behind_standard_output(project: Path, words: list[str]) -> None:
    """Not 1, by which `check` and `diff` answer."""
    given = [project] if words != ["images"] else []
    if words[0] == "check":
        (project / "dagger-aml.toml").write_text('[env]\nWORKER_COUNTS = "2"\n')
    one_error(called(*words, *given, shell='"$@" >/dev/full'), 2, "standard output", "Free disk space there")


@needs_dev_full
@pytest.mark.parametrize("words", [["plan", "nowhere"], ["plan", "--nonsense"]])
def test_a_full_disk_behind_standard_error_leaves_the_exit_code(words: list[str]) -> None:
    assert called(*words, shell='"$@" 2>/dev/full').returncode == 2


# --- sources that change ------------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Path], object]] = {
    "vanished": lambda path: path.unlink(),
    "grown": lambda path: path.write_bytes(MODEL + b"x"),
    "cut": lambda path: path.write_bytes(MODEL[:-1]),
    "rewritten": lambda path: path.write_bytes(MODEL[::-1]),
}


def first_changing(function: Callable[..., object], change: Callable[[Path], object], path: Path, *, after: bool):
    """A function whose first call for a path changes that file, before or after it does its own work."""
    changed: list[Path] = []

    def call(source: Path, *args: object, **kwargs: object) -> object:
        mine = source == path and not changed
        changed.extend([path] if mine else [])
        if mine and not after:
            change(path)
        found = function(source, *args, **kwargs)
        if mine and after:
            change(path)
        return found

    return call


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("when", ["file_digest", "_put_file"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_source_that_changes_while_it_is_read(project, tmp_path, monkeypatch, cli, change, when, after) -> None:
    model = project / "model/m.bin"
    model.chmod(0o600)  # which is copied, not linked
    module = digest if when == "file_digest" else context
    monkeypatch.setattr(module, when, first_changing(getattr(module, when), CHANGES[change], model, after=after))
    code, _, err = cli("dockerfile", project, "-o", tmp_path / "out")
    word = "disappeared" if change == "vanished" else "changed"
    assert code == 2 and f"{model}: {word} while it was being read" in err and "Run the same command again" in err
    assert {each.name for each in tmp_path.iterdir()} == {"p"}
    model.write_bytes(MODEL)
    assert cli("dockerfile", project, "-o", tmp_path / "out")[0] == 0


@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_while_a_builder_has_it(project: Path, change: str) -> None:
    model = project / "model/m.bin"
    layers = [Copy(local(model.parent), "/m", kind="tree")]
    with unchanged(layers):
        model.read_bytes()
    with pytest.raises(ProjectError, match="while it was being read") as caught, unchanged(layers):
        CHANGES[change](model)
    assert caught.value.location == str(model)
    model.write_bytes(MODEL)
    with pytest.raises(ProjectError, match="while it was being read"), unchanged(layers):
        CHANGES[change](model)
        raise BuildError("the builder's own words for it")
    model.write_bytes(MODEL)
    with pytest.raises(BuildError, match="something else"), unchanged(layers):
        raise BuildError("something else")


# --- users and their folders --------------------------------------------------------------------------------------


def called_by_nobody(*lines: list[object]) -> list[tuple[int, str]]:
    """Call the command line in a child that has become another user: exit code and standard error of each call.

    The modules that it needs must be loaded, since that user may not be able to read them.
    """

    def call(words: list[object]) -> tuple[object, str]:
        said = io.StringIO()
        sys.argv = ["dagger-aml", *map(str, words)]
        with (
            contextlib.redirect_stderr(said),
            contextlib.redirect_stdout(io.StringIO()),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        return ended.value.code or 0, said.getvalue()

    called = json.loads(as_nobody(lambda: json.dumps(list(map(call, lines)))))
    assert "Traceback" not in str(called)
    return [(code, err) for code, err in called]


def read_by_nobody(path: Path) -> str:
    """What reading a path comes to for that user."""

    def read() -> str:
        try:
            return "read" if path.read_bytes() else "empty"
        except PermissionError:
            return "denied"

    return as_nobody(read)


@linux_root
@readable_package
@pytest.mark.parametrize("shut", ["model/m.bin", "model", "code/score.py", "code"])
def test_a_part_that_another_user_cannot_read(project: Path, tmp_path: Path, cli, shut: str) -> None:
    open_to_all(project)
    (project / "model/m.bin").chmod(0o666)  # which is copied, not linked
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    assert cli("dockerfile", project, "-o", theirs / "out")[0] == 0 and cli("plan", project, "--json")[0] == 0
    assert called_by_nobody(["plan", project, "--json"]) == [(0, "")]
    before = snapshot(theirs)
    (project / shut).chmod(0o600 if "." in shut else 0o700)
    file = project / (shut if "." in shut else {"model": "model/m.bin", "code": "code/score.py"}[shut])
    assert read_by_nobody(file) == "denied"
    lines = [["plan", project], ["plan", project, "--json"], ["dockerfile", project, "-o", theirs / "new"]]
    for code, err in called_by_nobody(*lines):
        assert code == 2 and f"error: {project / shut}: cannot be read (permission denied)" in err
        assert err.count("error:") == 1 and "Give this user read permission" in err
    assert snapshot(theirs) == before


@linux_root
@readable_package
@pytest.mark.parametrize("command", ["plan", "check"])
@pytest.mark.parametrize("shut", ["deployment.yml", "."])
def test_what_is_named_and_another_user_cannot_read(
    project: Path, cli, command: str, shut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(
        project, {"deployment.yml": "endpoint_name: shop\nmodel:\n  path: model\ncode_configuration:\n  code: code\n"}
    )
    open_to_all(project / "model/m.bin")
    file = project / "deployment.yml"
    cli(command, file)
    (project / shut).chmod(0)
    monkeypatch.chdir(project)
    named = [file, file.name] if shut != "." else [file, file.name, project, "."]
    for code, err in called_by_nobody(*([command, each] for each in named)):
        assert code == 2 and "cannot be read (permission denied)" in err and "Give this user read permission" in err
        assert "Usage:" not in err and err.count("error:") == 1


@linux_root
@readable_package
def test_a_folder_that_another_user_cannot_write_to(project: Path, tmp_path: Path, cli) -> None:
    open_to_all(project)
    assert cli("dockerfile", project, "-o", tmp_path / "warm")[0] == 0
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o755)
    open_to_all(shut)
    cli("build", project, "-t", "x:1", "-o", tmp_path / "nowhere/x.tar")
    dockerfile, build = called_by_nobody(
        ["dockerfile", project, "-o", shut / "out"], ["build", project, "-t", "x:1", "-o", shut / "x.tar"]
    )
    code, err = dockerfile
    assert code == 2 and f"{shut}/out: cannot be written (Permission denied)\n  Use a path where this user may" in err
    code, err = build
    assert code == 2 and f"{shut}/x.tar: cannot be written" in err and "Use another path" in err
    assert list(shut.iterdir()) == []


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a variable nor the system knows a home."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("homeless")
def test_no_home(project: Path, cli) -> None:
    assert not docker_config().exists()
    assert cli("plan", project)[0] == 0
    for words, place in (
        (["--base", "oci:~/base"], "~/base"),
        (["--ca", "~/ca.pem"], "~/ca.pem"),
        (["--ca", "~nobody-has-this-name/ca.pem"], "~nobody-has-this-name/ca.pem"),
    ):
        code, _, err = cli("plan", project, *words)
        assert code == 2 and place in err
    load_project(project, Options(secret=("id=pip,src=~/pip.conf",)))


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_gets_no_folder_of_that_name(
    project: Path, tmp_path: Path, cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DAGGER_AML_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for words in ([command, project] for command in ("plan", "check", "dockerfile")):
        code, _, err = cli(*words)
        assert code == 0, err
    assert [cli("cache", word)[0] for word in ("ls", "prune")] == [0, 0]
    code, _, err = cli("build", project, "-t", "x:1", "-o", "x.tar", "--with", "podman")
    assert code == 2 and "the cache has no place: this user has no home\n  Set DAGGER_AML_CACHE_DIR to" in err
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("home", [None, "", "/proc"])
def test_a_home_that_cannot_be_written_to(project: Path, tmp_path: Path, home: str | None) -> None:
    shell = '"$@"' if home is not None else 'unset HOME; "$@"'
    env = {"HOME": home} if home is not None else {}
    done = called("dockerfile", project, "-o", tmp_path / "out", env=env, shell=shell)
    assert done.returncode == 0, done.stderr


@needs_shell
@pytest.mark.parametrize("words", [["plan"], ["plan", "{project}"], ["dockerfile", "{project}", "-o", "out"]])
def test_a_current_folder_that_was_removed(project: Path, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "gone").mkdir()
    given = [word.format(project=project) for word in words]
    done = called(*given, cwd=tmp_path / "gone", shell='rmdir "$PWD"; "$@"', new=len(words) == 2)
    one_error(done, 2, "current folder was removed")


# --- streams and letters ------------------------------------------------------------------------------------------

CLOSED = [">&-", "2>&-", "<&- >&- 2>&-"]


@needs_shell
@pytest.mark.parametrize("closed", CLOSED)
def test_closed_streams(project: Path, tmp_path: Path, closed: str) -> None:
    out, new = tmp_path / "out", closed == CLOSED[-1]
    assert called("plan", project, shell=f'"$@" {closed}').returncode == 0
    assert called("plan", "nowhere", shell=f'"$@" {closed}', new=new).returncode == 2
    assert called("dockerfile", project, "-o", out, shell=f'"$@" {closed}', new=new).returncode == 0
    assert "io.dagger-aml.version" in (out / "Dockerfile").read_text() and len(list(out.iterdir())) == 3


@needs_shell
@pytest.mark.parametrize("words", [["plan", "--json"], ["dockerfile"], ["--help"]])
def test_a_reader_that_has_gone(project: Path, words: list[str]) -> None:
    given = [project] if words[0] in ("plan", "dockerfile") else []
    done = called(*words, *given, shell='{ "$@"; echo $? >&2; } | true')
    assert done.stderr.split()[-1] in ("0", "1") and "error" not in done.stderr.lower()


@needs_shell
def test_a_reader_of_the_error_that_has_gone() -> None:
    done = called("plan", "nowhere", shell='{ "$@" 2>&1; echo $? >&2; } | true')
    assert done.stderr == "2\n"


EACH = """
import contextlib, io, os, sys
from dagger_aml.__main__ import main
from dagger_aml.cli.main import cli
number, words = 0, sys.argv[1:]
with contextlib.redirect_stdout(io.StringIO()):
    for each in (["plan"], ["plan", "--json"], ["dockerfile"]):
        cli.main([*each, words[1]], standalone_mode=False)
while words:
    end = words.index("")
    if os.fork() == 0:
        sys.argv = ["dagger-aml", *words[:end]]
        for stream, suffix in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{number}.{suffix}", os.O_WRONLY | os.O_CREAT), stream)
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)
    _, status, usage = os.wait4(-1, 0)
    with open(f"{number}.code", "w") as file:
        print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, file=file)
    number, words = number + 1, words[end + 1 :]
"""
"""Runs command lines, after each of which an empty word stands, in forks of one new Python, which has planned the
project of the first."""


class Ended(subprocess.CompletedProcess[str]):
    """A finished process.

    :param peak: the largest memory of it, and of its children, in kB.
    """

    peak: int


def called_in_one(*lines: list[object], cwd: Path, env: dict[str, str]) -> Iterator[Ended]:
    """Call each line in a fork of one Python that these variables have started; its streams are files in ``cwd``."""
    words = [str(word) for line in lines for word in (*line, "")]
    whole = {**os.environ, "PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "", **env}
    subprocess.run([sys.executable, "-c", EACH, *words], check=True, cwd=cwd, env=whole)
    for number, line in enumerate(lines):
        out, err, code = (cwd / f"{number}.{suffix}" for suffix in ("out", "err", "code"))
        status, peak = map(int, code.read_text().split())
        done = Ended(line, status, out.read_text(errors="replace"), err.read_text(errors="replace"))
        done.peak = peak
        yield done


NAMES = {"code/scöre.py": SCORE, "code/dätei.txt": "x", "model/mödel.bin": "m"}
TOML = 'name = "prüfung"\n[code]\nentry-script = "scöre.py"\n[env]\nGRUSS = "grüß ✓"\n'


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "LANG": "C"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii:strict"},
    ],
    ids=str,
)
def test_letters_that_the_locale_does_not_have(tmp_path: Path, env: dict[str, str]) -> None:
    make(tmp_path / "prü✓", {**NAMES, "dagger-aml.toml": TOML})
    lines = (
        ["plan", "prü✓", "--why"],
        ["plan", "prü✓", "--json"],
        ["dockerfile", "prü✓"],
        ["dockerfile", "prü✓", "-o", "oüt"],
        ["plan", "nö ✓"],
    )
    *ended, failed = called_in_one(*lines, cwd=tmp_path, env=env)
    for done in ended:
        assert done.returncode == 0, done.stderr
    printed = (tmp_path / "2.out").read_bytes()
    assert 'GRUSS="grüß ✓"'.encode() in printed and b"sc\xc3\xb6re.py" in printed
    assert (tmp_path / "oüt/Dockerfile").read_bytes() == printed
    assert (tmp_path / "oüt/context/2/k/dätei.txt").read_text() == "x"
    one_error(failed, 2, "the project folder does not exist")


def test_a_locale_in_which_names_cannot_be_read(tmp_path: Path) -> None:
    make(tmp_path / "prü✓", {**NAMES, "dagger-aml.toml": TOML})
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = called("dockerfile", "prü✓", "-o", "oüt", cwd=tmp_path, env=env, new=True)
    assert done.returncode in (0, 2) and "Traceback" not in done.stderr
    assert done.returncode == 0 or {each.name for each in tmp_path.iterdir()} == {"prü✓"}


# --- memory -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts in kB on Linux alone")
def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    lines: list[list[object]] = []
    for megabytes in (8, 48):
        project = make(tmp_path / f"p{megabytes}", {"code/score.py": SCORE, "model/m.bin": ""})
        os.truncate(project / "model/m.bin", megabytes << 20)
        (project / "model/m.bin").chmod(0o600)  # which is copied, not linked
        lines += [["plan", project, "--json"], ["dockerfile", project, "-o", tmp_path / f"out{megabytes}"]]
    ended = list(called_in_one(*lines, cwd=tmp_path, env={}))
    assert [done.returncode for done in ended] == [0] * 4, [done.stderr for done in ended]
    for small_, large in zip(ended[:2], ended[2:], strict=True):
        assert large.peak < small_.peak + 8_000, (small_.peak, large.peak)
