"""Somebody else's repository, which has nothing of this one but the built wheel and the files that are to be copied.

It builds, scores and pushes in each of the three ways: by the commands of a CI job, by the included Taskfile, and by
a build script that imports the library; each with files written directly, and with a builder that makes every layer.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import define, field

from tests.support.builders import Need, forget_images
from tests.support.installed import ROOT, variables_for
from tests.support.projects import make
from tests.support.task import task_program

pytestmark = [pytest.mark.builders, pytest.mark.by_default]

SCORE = """\
import json
import os
from pathlib import Path

rates = {}


def init():
    rates.update(json.loads((Path(os.environ["AZUREML_MODEL_DIR"]) / "rates.json").read_text()))


def run(data):
    return {"rate": rates[json.loads(data)["of"]]}
"""

PROJECT = {
    "code/score.py": SCORE,
    "model/rates.json": '{"north": 7, "south": 9}',
    "request.json": '{"of": "north"}',
    "answer.json": '{"rate": 7}',
    "dagger-aml.toml": 'extends = "../../company.toml"\n',
}

TASKFILE = """\
version: "3"
includes:
  aml:
    taskfile: tools/aml.yml
    vars: {PROJECTS: "models/*", IMAGE: "REGISTRY/{name}:main"}
"""

BOTH = [("docker", "direct"), ("dagger", "builder")]

COPIED = {"examples/ci/github.yml": ".github/workflows/models.yml", "taskfiles/aml.yml": "tools/aml.yml"}

BUILD = '''\
"""Build, score and push the images of models/: build.py REGISTRY BUILDER LAYERS"""

import json
import os
import sys
from pathlib import Path

from dagger_aml import Options, Smoke, load_project, sync

registry, builder, layers = sys.argv[1:]
secrets = {"netrc": os.environ["NETRC"]} if "NETRC" in os.environ else {}
for folder in sorted(Path("models").iterdir()):
    said = Options(env={"RELEASE": "7"}, label={"com.example.team": "rates"}, secret=secrets)
    project = load_project(folder, said)
    gate = Smoke(request=project.request, answer=project.answer)
    name = f"{registry}/{project.name}"
    with sync.open_builder(builder, layers=layers) as opened:
        result = opened.build(sync.lay_out(project), tags=[f"{name}:main"], push=True, check=gate.check)
        with opened.serve(f"{name}@{result.digest}") as endpoint:
            scored = endpoint.score({"of": "south"})
    print(json.dumps({"name": project.name, "digest": result.digest, "status": scored.status, "answer": scored.json}))
'''


@define
class Repository:
    """Theirs.

    :param programs: of the environment that has the wheel.
    :param registry: a host with a path, for its images.
    """

    root: Path
    programs: Path
    registry: str
    env: dict[str, str] = field(factory=dict, repr=False)

    def run(self, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
        """A command, as one types it there."""
        return subprocess.run(
            list(map(str, words)), cwd=self.root, env={**self.env, **more}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=500,
        )  # fmt: skip

    def ran(self, *words: object, **more: str) -> str:
        """What a command printed, which went well."""
        done = self.run(*words, **more)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def digest(self, name: str) -> str:
        """What the registry has under the tag ``main``."""
        told = json.loads(self.ran("dagger-aml", "inspect", f"image:{self.registry}/{name}:main", "--json"))
        assert isinstance(told["digest"], str)
        return told["digest"]

    def change(self, name: str, **files: str) -> None:
        """Change the code of a project, and more of it."""
        make(self.root / "models" / name, {"code/more.py": f"x = {len(files)}\n", **files})


@pytest.fixture
def repository(
    request: pytest.FixtureRequest, installed: Path, bases: dict[str, str], need: Need, tmp_path: Path
) -> Iterator[Repository]:
    need("docker", "bash")
    root = tmp_path / "theirs"
    make(root, {"company.toml": f'base = "{bases["classic"]}"\n', "build.py": BUILD})
    make(root / "models/rates", PROJECT)
    with_a_package = {"requirements.txt": "six==1.17.0\n", "code/score.py": f"import six  # noqa: F401\n{SCORE}"}
    make(root / "models/words", {**PROJECT, **with_a_package})
    for copied, to in (
        ("examples/ci/github.yml", ".github/workflows/models.yml"),
        ("taskfiles/aml.yml", "tools/aml.yml"),
    ):
        (root / to).parent.mkdir(parents=True)
        shutil.copy(ROOT / copied, root / to)
    registry = f"{bases['classic'].partition('/')[0]}/theirs-{abs(hash(request.node.nodeid)):x}"
    make(root, {"Taskfile.yml": TASKFILE.replace("REGISTRY", registry)})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/az").write_text("#!/bin/sh\n")
    (tmp_path / "bin/az").chmod(0o755)
    env = variables_for(installed)
    env |= {
        "CI": "true",
        "DAGGER_AML_CACHE_DIR": str(tmp_path / "cache"),
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{env['PATH']}",
    }
    found = Repository(root, installed, registry, env)
    # What they import is in the environment of the wheel, and nothing there leads to this repository.
    program = "import dagger_aml, sys; print(dagger_aml.__file__); print(sys.path)"
    where, _, paths = found.ran("python", "-c", program).partition("\n")
    assert where.startswith(str(installed.parent)) and str(ROOT) not in paths
    yield found
    forget_images(f"{registry}/")


# --- a CI job -----------------------------------------------------------------------------------------------------


def _job(theirs: Repository, name: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A job's scripts, one after the other until one fails, as the workflow has them."""
    workflow: dict[str, Any] = yaml.safe_load((theirs.root / ".github/workflows/models.yml").read_text())
    outputs = theirs.root.parent / "outputs"
    outputs.write_text("")
    env = {**workflow["env"], "GITHUB_ACTIONS": "true", "GITHUB_SHA": "4b4e7a2", "GITHUB_OUTPUT": str(outputs)}
    env |= {"REGISTRY": theirs.registry, "GITHUB_STEP_SUMMARY": str(theirs.root.parent / "summary"), **more}
    scripts = [step["run"] for step in workflow["jobs"][name]["steps"] if "run" in step]
    for script in scripts:
        done = theirs.run("bash", "-eo", "pipefail", "-c", script, **env)
        if done.returncode:
            break
    return done


def _images(theirs: Repository, **more: str) -> dict[str, str]:
    """The digests of the images that the job ``images`` built, by their names."""
    done = _job(theirs, "images", **more)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = (theirs.root.parent / "outputs").read_text().splitlines()
    (images,) = [line.partition("=")[2] for line in outputs if line.startswith("images=")]
    return {each["name"]: each["digest"] for each in json.loads(images)}


@pytest.mark.twin("builder", of="direct", why="it is the same repository, and what is tried is the way")
@pytest.mark.parametrize("layers", ["direct", "builder"])
def test_the_commands_of_a_ci_job(repository: Repository, wheel: Path, layers: str) -> None:
    """The job's own ``pip install`` takes the wheel; what changed is built, scored and pushed, and nothing else."""
    env = {"SOURCE": wheel.as_uri(), "DAGGER_AML_LAYERS": layers}
    checked = _job(repository, "check", **env)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert _images(repository, **env) == {name: repository.digest(name) for name in ("rates", "words")}
    repository.change("words")
    assert _images(repository, **env) == {"words": repository.digest("words")}
    assert _images(repository, **env) == {}

    before = repository.digest("rates")
    repository.change("rates", **{"answer.json": '{"rate": 8}'})
    failed = _job(repository, "images", **env)
    assert failed.returncode == 1 and "rate" in failed.stderr, failed.stderr
    assert repository.digest("rates") == before, "what does not score is not published"


# --- Task ---------------------------------------------------------------------------------------------------------


@pytest.mark.twin("dagger", of="docker", why="it is the same repository, and what is tried is the way")
@pytest.mark.parametrize(("builder", "layers"), BOTH)
def test_the_included_taskfile(repository: Repository, builder: str, layers: str) -> None:
    """A push of what changed, nothing where nothing did, and a project that is built, started and scored."""
    words = [f"BUILD_OPTIONS=--with {builder} --layers {layers}"]
    task = [task_program(), "--exit-code"]
    repository.ran(*task, "aml:check")
    assert repository.ran(*task, "aml:changed") == "models/rates\nmodels/words\n"
    repository.ran(*task, "aml:push", *words)
    before = {name: repository.digest(name) for name in ("rates", "words")}
    again = repository.run(*task, "aml:push", *words)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", ""), "a build tells what it does"
    repository.change("rates")
    assert repository.ran(*task, "aml:changed") == "models/rates\n"
    repository.ran(*task, "aml:push", *words)
    assert repository.digest("rates") != before["rates"] and repository.digest("words") == before["words"]
    scored = repository.ran(*task, "aml:score", "PROJECT=models/words", "--", "--with", builder, "--layers", layers)
    assert "the answer is the expected one (models/words/answer.json)" in scored


# --- a script -----------------------------------------------------------------------------------------------------


@pytest.mark.twin("docker", of="dagger", why="it is the same repository, and what is tried is the way")
@pytest.mark.parametrize(("builder", "layers"), BOTH)
def test_a_script_that_imports_the_library(repository: Repository, builder: str, layers: str) -> None:
    """It gives mappings and a secret by value, has each image score before it is pushed, and asks what was pushed."""
    # Classic docker mounts no secrets.
    netrc = {"NETRC": "machine pypi.example.com login builder password hidden-word\n"} if builder == "dagger" else {}
    printed = repository.ran("python", "build.py", repository.registry, builder, layers, **netrc)
    assert [json.loads(line) for line in printed.splitlines()] == [
        {"name": name, "digest": repository.digest(name), "status": 200, "answer": {"rate": 9}}
        for name in ("rates", "words")
    ]
    told = repository.ran("dagger-aml", "inspect", f"image:{repository.registry}/words:main", "--json")
    assert "hidden-word" not in told
    image = json.loads(told)
    assert image["env"]["RELEASE"] == "7" and image["labels"]["com.example.team"] == "rates"
