"""Faults of the machine while a real builder builds: disks, temporary files, homes, streams, sources.

docs/faults.md lists them; tests/unit/test_machine_faults.py has those that need no builder.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.standin.tiny import RECIPE
from tests.support.cli import argv
from tests.support.disks import enlarge, mounted
from tests.support.projects import SCORE, make

pytestmark = [pytest.mark.builders]

MODEL = os.urandom(1_500_000)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a model that no small disk holds, and its recipe; no builder has seen its like."""
    folder = tmp_path / "project"
    make(folder, {"code/score.py": SCORE, "model/m.bin": MODEL})
    (folder / "model/m.bin").chmod(0o600)  # which is copied, not linked
    (tmp_path / "mine.py").write_text(RECIPE)
    return folder


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """A folder for temporary files, which must be empty after each build."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk that holds neither model nor image."""
    with mounted(tmp_path / "small", "size=1m") as place:
        yield place


def command(project: Path, host: str, builder: str, *words: str | Path) -> list[str]:
    """The words of a build."""
    own = ("build", project, "--recipe", project.parent / "mine.py", "--base", f"{host}/dagger-aml-test/tiny:1")
    return argv(*own, "-t", "faults:1", "--with", builder, *words)


def build(
    project: Path, host: str, builder: str, *words: str | Path, shell: str = 'exec "$@"', **env: str | Path
) -> subprocess.CompletedProcess[str]:
    """Build by the command line, with variables, by a shell's line about ``"$@"``."""
    return subprocess.run(
        ["/bin/sh", "-c", shell, "sh", *command(project, host, builder, *words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **{name: str(value) for name, value in env.items()}},
    )


def one_error(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The build ended with this code and one error, which has these words, and with no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert done.stderr.count("dagger-aml: error: ") == 1 and all(each in done.stderr for each in words), done.stderr


def whole(tar: Path) -> bool:
    """Whether a file is the tar of an image, from its first member to its last."""
    with tarfile.open(tar) as opened:
        return "manifest.json" in opened.getnames()


# --- disks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("builder", ["dagger", "docker"])
def test_a_full_disk_at_the_output(project, host, need, small, temporary, builder) -> None:
    need(builder)
    (small / "x.tar").write_text("what was there before")
    done = build(project, host, builder, "-o", small / "x.tar", TMPDIR=temporary)
    one_error(
        done, 1, f"error: {small}/x.tar: cannot be written (no space left on device)", "Free disk space", "Free: "
    )
    assert [each.name for each in small.iterdir()] == ["x.tar"] and list(temporary.iterdir()) == []
    assert (small / "x.tar").read_text() == "what was there before"
    enlarge(small, "size=32m")
    done = build(project, host, builder, "-o", small / "x.tar", TMPDIR=temporary)
    assert done.returncode == 0 and whole(small / "x.tar"), done.stderr
    assert [each.name for each in small.iterdir()] == ["x.tar"] and list(temporary.iterdir()) == []


@pytest.mark.parametrize("builder", ["dagger", "docker"])
def test_a_full_disk_at_the_folder_of_a_layout(project, host, need, small, temporary, builder) -> None:
    need(builder)
    words = ("-o", f"type=oci,dest={small}/layout,tar=false")
    done = build(project, host, builder, *words, TMPDIR=temporary)
    one_error(done, 1, f"error: {small}/layout: cannot be written (", "space left on device)", "Free disk space")
    assert list(small.iterdir()) == [] and list(temporary.iterdir()) == []


@pytest.mark.engine
def test_a_full_disk_at_what_is_told_of_the_build(project, host, small, tmp_path) -> None:
    _fill(small)
    done = build(project, host, "dagger", "-o", tmp_path / "x.tar", "--metadata-file", small / "told")
    one_error(done, 1, f"error: {small}/told: cannot be written (No space left on device)", "Free disk space")
    assert whole(tmp_path / "x.tar") and [each.name for each in small.iterdir()] == ["fill"]


def _fill(small: Path) -> None:
    """Leave no room on a disk."""
    with (small / "fill").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            return


@pytest.mark.parametrize("builder", ["docker", "buildah"])
def test_a_full_disk_for_temporary_files(project, host, need, small, tmp_path, builder) -> None:
    need(builder)
    done = build(project, host, builder, "-o", tmp_path / "x.tar", TMPDIR=small)
    one_error(done, 1, f"error: {small}: the folder for temporary files is full", "set TMPDIR")
    assert list(small.iterdir()) == [] and not (tmp_path / "x.tar").exists()
    assert build(project, host, builder, "-o", tmp_path / "x.tar").returncode == 0 and whole(tmp_path / "x.tar")


@pytest.mark.engine
@pytest.mark.parametrize("words", [("-o", "-"), ("--load",)], ids=" ".join)
def test_a_full_disk_for_the_engine_s_temporary_files(project, host, need, small, words) -> None:
    need("docker")
    done = build(project, host, "dagger", *words, TMPDIR=small)
    one_error(done, 1, f"error: {small}/dagger-aml-", "cannot be written (no space left on device)", "set TMPDIR")
    assert list(small.iterdir()) == [] and done.stdout == ""


@pytest.mark.engine
def test_temporary_files_are_on_another_disk_than_the_output(project, host, small, tmp_path) -> None:
    _fill(small)
    done = build(project, host, "dagger", "-o", tmp_path / "x.tar", TMPDIR=small)
    assert done.returncode == 0 and whole(tmp_path / "x.tar"), done.stderr


def test_a_folder_for_temporary_files_that_is_not_there(project, host, need, tmp_path) -> None:
    need("docker")
    done = build(project, host, "docker", "-o", tmp_path / "x.tar", TMPDIR=tmp_path / "gone")
    one_error(done, 1, f"error: {tmp_path}/gone: cannot create a temporary folder in it", "Set TMPDIR")


# --- homes and streams --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("builder", ["dagger", "docker"])
def test_no_home_and_a_read_only_home(project, host, need, tmp_path, builder) -> None:
    need(builder)
    tar = tmp_path / "x.tar"
    with mounted(tmp_path / "home", "ro") as home:
        for shell in ('unset HOME DOCKER_CONFIG XDG_RUNTIME_DIR; exec "$@"', f'HOME={home} exec "$@"'):
            done = build(project, host, builder, "-o", tar, shell=shell)
            assert done.returncode == 0 and whole(tar), done.stderr
            tar.unlink()


@pytest.mark.parametrize("builder", ["dagger", "docker"])
def test_no_streams_at_all(project, host, need, tmp_path, builder) -> None:
    need(builder)
    done = build(project, host, builder, "-o", tmp_path / "x.tar", shell='exec "$@" <&- >&- 2>&-')
    assert done.returncode == 0 and whole(tmp_path / "x.tar") and done.stdout + done.stderr == ""


@pytest.mark.parametrize(
    "shell", ['{ "$@" 2>&1; echo $? >&2; } | true', '{ "$@" -o -; echo code $? >&2; } | head -c 9 >/dev/null']
)
@pytest.mark.engine
def test_a_reader_that_has_gone(project, host, tmp_path, temporary, shell) -> None:
    done = build(project, host, "dagger", "-o", tmp_path / "x.tar", shell=shell, TMPDIR=temporary)
    assert done.stderr.split()[-1] == "1" and "Traceback" not in done.stderr
    assert {each.name for each in tmp_path.iterdir()} <= {"project", "mine.py", "temporary", "x.tar"}
    assert not (tmp_path / "x.tar").exists() or whole(tmp_path / "x.tar")
    assert list(temporary.iterdir()) == []


@pytest.mark.engine
def test_a_full_disk_behind_standard_output(project, host, temporary) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    done = build(project, host, "dagger", "-o", "-", shell='exec "$@" >/dev/full', TMPDIR=temporary)
    one_error(done, 1, "standard output", "No space left on device", "Free disk space")
    assert list(temporary.iterdir()) == []


@pytest.mark.engine
def test_letters_that_the_locale_does_not_have(project, host, tmp_path) -> None:
    (project / "code/dätei ✓.txt").write_text("x")
    (project / "model/mödel.bin").write_text("x")
    other = project.rename(tmp_path / "prü✓")
    done = build(other, host, "dagger", "-o", tmp_path / "oüt.tar", LC_ALL="C", LANG="C")
    assert done.returncode == 0 and whole(tmp_path / "oüt.tar"), done.stderr


# --- sources ------------------------------------------------------------------------------------------------------


def _rewritten(model: Path) -> None:
    with model.open("r+b") as file:
        file.write(os.urandom(8))


CHANGES: dict[str, Callable[[Path], object]] = {
    "vanished": lambda model: model.unlink(missing_ok=True),
    "rewritten": _rewritten,
}


@pytest.mark.engine
@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_while_the_engine_reads_it(project, host, tmp_path, temporary, change) -> None:
    model = project / "model/m.bin"
    model.write_bytes(MODEL * 40)
    words = command(project, host, "dagger", "-o", tmp_path / "x.tar", "--progress", "plain")
    env = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env, stdout=subprocess.DEVNULL) as process:
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if "model" in line and "[" in line:
                CHANGES[change](model)
                time.sleep(0.05)
    error = "".join(said)
    word = "disappeared" if change == "vanished" else "changed"
    assert process.returncode == 2 and "Traceback" not in error, error
    assert f"dagger-aml: error: {model}: {word} while it was being read" in error
    assert "Run the same command again" in error
    assert not (tmp_path / "x.tar").exists() and list(temporary.iterdir()) == []
    model.write_bytes(MODEL)
    assert build(project, host, "dagger", "-o", tmp_path / "x.tar").returncode == 0 and whole(tmp_path / "x.tar")
