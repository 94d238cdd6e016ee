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


DOWNSTREAM = '''
"""What a program that embeds dagger-aml writes, with its own types."""

from collections.abc import Sequence
from pathlib import Path

import dagger_aml
from dagger_aml import BuildError, Graph, Options, Plan, Project, Result, StartFailed, Written, sync
from dagger_aml.events import Event
from dagger_aml.steps import base, code, env


async def recipe(graph: Graph, project: Project) -> Graph:
    graph = await base(graph, project.base)
    if project.code:
        graph = await code(graph, project.code, script=project.entry_script)
    graph = graph.warn("built by the team's own recipe")
    return await env(graph, {**project.env, "TEAM": "forecasting"})


def options(variables: Sequence[str]) -> Options:
    return Options(base="minimal-py312-inference", env=variables, apt=["libgomp1"], pip="six==1.17.0")


def planned(folder: Path) -> Plan:
    project = dagger_aml.load_project(folder, options(("A=b",)))
    return dagger_aml.make_plan(sync.lay_out(project))


async def built(folder: Path, events: list[Event]) -> Result:
    graph = await dagger_aml.lay_out(dagger_aml.load_project(folder))
    async with dagger_aml.connect(on_event=events.append) as engine:
        try:
            return await dagger_aml.build(graph, engine, tags=["model:1"], output="model.tar")
        except (BuildError, StartFailed) as error:
            print(error.message, error.location, error.hint)
            raise


def files(result: Result) -> list[Written]:
    return list(result.outputs)
'''


def _checks(program: Path, *words: str, cwd: Path) -> str:
    done = subprocess.run([str(program), *words], cwd=cwd, capture_output=True, text=True, timeout=300)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_mypy_accepts_a_program_that_embeds_it(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "downstream.py").write_text(DOWNSTREAM)
    words = ["-m", "mypy", "--strict", "--python-executable", str(installed / "python"), "downstream.py"]
    assert not _checks(Path(sys.executable), *words, cwd=tmp_path)
    # What is wrong is seen, so the names are no `Any`.
    (tmp_path / "downstream.py").write_text(DOWNSTREAM.replace("env=variables, apt", "env=7, apt"))
    assert 'Argument "env" to "Options" has incompatible type "int"' in _checks(
        Path(sys.executable), *words, cwd=tmp_path
    )


def test_pyright_accepts_a_program_that_embeds_it(
    installed: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> None:
    """By basedpyright, which is pyright with its Node in a wheel: 300 MB to install."""
    if request.config.getoption("depth") != "nightly":
        pytest.skip("only with --depth nightly")
    checker = tmp_path_factory.mktemp("pyright")
    venv.create(checker, with_pip=True)
    pip = [str(checker / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    got = subprocess.run([*pip, "basedpyright==1.40.2"], capture_output=True, text=True, timeout=300)
    if got.returncode and "No matching distribution" in got.stderr:
        pytest.skip("the index has no basedpyright")
    assert got.returncode == 0, got.stderr
    (tmp_path / "pyproject.toml").write_text('[tool.basedpyright]\ntypeCheckingMode = "strict"\n')
    (tmp_path / "downstream.py").write_text(DOWNSTREAM)
    words = ["--pythonpath", str(installed / "python"), "downstream.py"]
    assert not _checks(checker / "bin" / "basedpyright", *words, cwd=tmp_path)
    (tmp_path / "downstream.py").write_text(DOWNSTREAM.replace("env=variables, apt", "env=7, apt"))
    assert 'parameter "env"' in _checks(checker / "bin" / "basedpyright", *words, cwd=tmp_path)
