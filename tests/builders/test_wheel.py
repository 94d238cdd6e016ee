"""The built wheel in a clean environment, used as the docs say and without the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.builders import Need

pytestmark = pytest.mark.builders

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment in which the wheel, and what it needs from the index, is all there is."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    made = subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("dagger_aml-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "dagger_aml/recipes/extended.py" in names and "dagger_aml/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "bench/"))]
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    got = subprocess.run([str(python), *pip[1:], "install", str(wheel)], capture_output=True, text=True, timeout=300)
    if got.returncode and "No matching distribution" in got.stderr:
        pytest.skip(f"the index has not what the wheel needs: {got.stderr.strip().splitlines()[-1]}")
    assert got.returncode == 0, got.stderr
    return python.parent


def run(installed: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command of that environment, with nothing of this one's Python."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env["PATH"] = f"{installed}{os.pathsep}{env['PATH']}"
    return subprocess.run(
        list(words), cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )


def test_the_commands_of_the_docs(installed: Path, tmp_path: Path) -> None:
    """Every command helps itself; the four recipes are found; init, plan and dockerfile work on a folder."""
    helped = run(installed, "dagger-aml", "--help", cwd=tmp_path)

    listed = [line.split()[0] for line in helped.stdout.partition("Commands:\n")[2].split("\n\n")[0].splitlines()]
    assert {"build", "run", "score", "init", "doctor"} <= set(listed)
    for command in listed:
        done = run(installed, "dagger-aml", command, "--help", cwd=tmp_path)
        assert done.returncode == 0 and "Usage: dagger-aml" in done.stdout, done.stderr
    shutil.copytree(ROOT / "examples" / "diabetes", tmp_path / "diabetes")
    for recipe in ("extended", "dynamic", "package"):
        done = run(installed, "dagger-aml", "dockerfile", "diabetes", "--recipe", recipe, cwd=tmp_path)
        assert done.returncode == 0 and "FROM " in done.stdout, done.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "score.py").write_text("def init(): ...\n\n\ndef run(data):\n    return data\n")
    begun = run(installed, "dagger-aml", "init", "mine", cwd=tmp_path)
    assert begun.returncode == 0 and (tmp_path / "mine" / "dagger-aml.toml").is_file(), begun.stderr
    planned = run(installed, "dagger-aml", "plan", "mine", "--json", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["config"]["env"]["AZUREML_ENTRY_SCRIPT"] == "score.py"


def test_the_library_from_outside(installed: Path, tmp_path: Path) -> None:
    """Every public name can be had, and the types are there for a type checker."""
    code = "import dagger_aml, dagger_aml.sync; [getattr(dagger_aml, n) for n in dagger_aml.__all__]; print('had')"
    done = run(installed, "python", "-c", code, cwd=tmp_path)
    assert done.stdout == "had\n", done.stderr


def test_it_builds(installed: Path, bases: dict[str, str], need: Need, tmp_path: Path) -> None:
    """By buildah; the engine's client is the same code in both environments."""
    need("buildah")
    shutil.copytree(ROOT / "examples" / "diabetes", tmp_path / "diabetes")
    words = ["dagger-aml", "build", "diabetes", "--base", bases["classic"], "--with", "buildah", "-o", "out.tar"]
    done = run(installed, *words, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "out.tar").stat().st_size > 1_000_000, done.stderr
