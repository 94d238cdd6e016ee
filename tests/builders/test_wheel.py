"""The built wheel in a clean environment, used as the docs say and without the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dagger_aml.version import __version__
from tests.support.builders import Need
from tests.support.installed import ROOT, environment_with, run, with_packages

pytestmark = pytest.mark.builders


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
from dagger_aml import (
    BuildError,
    DaggerAmlError,
    Export,
    Finding,
    FindingsError,
    Graph,
    Inspection,
    Making,
    Options,
    Plan,
    Policy,
    Project,
    Result,
    Scored,
    Smoke,
    StartFailed,
    Written,
    sync,
)
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


def by_value(token: str, folder: Path) -> Options:
    mappings = Options(env={"A": "b"}, label={"team": "x"}, model={"rates:1": folder}, secret={"pip": token})
    assert mappings.env == ("A=b",)
    return Options(requirements=folder / "r.txt", secret=[dagger_aml.Secret.of("pip", token), "id=apt,env=APT"])


def told(image: Path) -> dict[str, str]:
    found: Inspection = sync.inspect(image)
    return {each.name: each.version for each in found.packages}


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


def found(folder: Path) -> tuple[Finding, ...]:
    try:
        return sync.lay_out(dagger_aml.load_project(folder)).warnings
    except FindingsError as error:
        return error.findings


def setting_of(error: DaggerAmlError) -> str:
    return error.setting or error.location or ""


def tar(folder: Path, place: Path) -> tuple[Making, ...]:
    graph = sync.lay_out(dagger_aml.load_project(folder))
    dagger_aml.dockerfile(graph, format="buildkit").save(place.parent / "context")
    with sync.open_builder("podman", layers="direct", policy=Policy(connect_timeout_seconds=5)) as builder:
        return builder.build(graph, tags=["model:1"], output=Export(place, "oci")).makings


async def scored(graph: Graph, body: bytes) -> Scored:
    smoke = Smoke("score", ready_timeout=60)
    async with dagger_aml.open_builder() as builder, dagger_aml.serve(graph, builder) as endpoint:
        await dagger_aml.build(graph, builder, tags=["model:1"], push=True, check=smoke.check)
        answer = await endpoint.score(body)
        print(answer.status, answer.json, endpoint.logs())
        return answer
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


@pytest.fixture(scope="module")
def nightly(request: pytest.FixtureRequest) -> None:
    """Skips what takes minutes."""
    if request.config.getoption("depth") != "nightly":
        pytest.skip("only with --depth nightly")


@pytest.fixture(scope="module")
def checker(nightly: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """basedpyright, which is pyright with its Node in a wheel: 300 MB to install."""
    folder = tmp_path_factory.mktemp("pyright")
    return environment_with(folder, "basedpyright==1.40.2") / "basedpyright"


def test_pyright_accepts_a_program_that_embeds_it(installed: Path, checker: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.basedpyright]\ntypeCheckingMode = "strict"\n')
    (tmp_path / "downstream.py").write_text(DOWNSTREAM)
    words = ["--pythonpath", str(installed / "python"), "downstream.py"]
    assert not _checks(checker, *words, cwd=tmp_path)
    (tmp_path / "downstream.py").write_text(DOWNSTREAM.replace("env=variables, apt", "env=7, apt"))
    assert 'parameter "env"' in _checks(checker, *words, cwd=tmp_path)


def test_every_public_name_has_a_type(installed: Path, checker: Path, tmp_path: Path) -> None:
    """As pyright sees it from the installed package."""
    # With --verifytypes it looks for the package where the PATH's Python has it, whatever --pythonpath says.
    asked = run(
        installed, str(checker), "--ignoreexternal", "--outputjson", "--verifytypes", "dagger_aml", cwd=tmp_path
    )
    found = json.loads(asked.stdout)["typeCompleteness"]
    assert found["exportedSymbolCounts"]["withKnownType"] > 1000, "it was not found"
    untyped = [each["name"] for each in found["symbols"] if not each["isTypeKnown"] or each["isTypeAmbiguous"]]
    assert found["completenessScore"] == 1, untyped


# --- other Pythons ------------------------------------------------------------------------------------------------


def _python(version: str) -> Path | None:
    """A Python of that version which runs: of the PATH, or of pyenv's."""
    beside = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = shutil.which(f"python{version}")
    for each in (*([Path(on_path)] if on_path else []), *sorted(beside.glob(f"{version}.*/bin/python"))):
        asked = subprocess.run([str(each), "-c", "import venv, ensurepip"], capture_output=True)
        if asked.returncode == 0:
            return each
    return None


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_another_python(version: str, wheel: Path, nightly: None, tmp_path: Path) -> None:
    """Installed in a clean environment, as a user without rights would use it: nothing is run by a builder."""
    python = _python(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    made = subprocess.run([str(python), "-m", "venv", str(tmp_path / "env")], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    programs = with_packages(tmp_path / "env" / "bin" / "python", str(wheel))
    shutil.copytree(ROOT / "examples" / "diabetes", tmp_path / "diabetes")
    code = "import sys, dagger_aml; print(*sys.version_info[:2], sep='.'); print(dagger_aml.__version__)"
    said = run(programs, "python", "-c", code, cwd=tmp_path)
    assert said.stdout.split() == [version, __version__], said.stderr
    assert __version__ in run(programs, "dagger-aml", "--version", cwd=tmp_path).stdout
    for words in (
        ["plan", "diabetes"],
        ["plan", "diabetes", "--json"],
        ["check", "diabetes"],
        ["dockerfile", "diabetes"],
    ):
        done = run(programs, "dagger-aml", *words, cwd=tmp_path)
        assert done.returncode == 0 and not done.stderr.startswith("Traceback"), done.stderr


def test_the_index_would_take_it(nightly: None, tmp_path: Path) -> None:
    """Twine's check of the wheel and the source archive, the description among it."""
    programs = environment_with(tmp_path / "env", "build", "twine")
    for words in (
        [str(programs / "python"), "-m", "build", "--outdir", str(tmp_path / "dist"), str(ROOT)],
        [
            str(programs / "twine"),
            "check",
            "--strict",
            *(str(tmp_path / "dist" / f"*.{end}") for end in ("whl", "gz")),
        ],
    ):
        done = subprocess.run(words, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2
