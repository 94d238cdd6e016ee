"""What a base answers, what follows from it, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from dagger_aml import BaseError, Graph, make_plan
from dagger_aml.backends.dockerfile.render import render
from dagger_aml.base.facts import BaseFacts, of_config
from dagger_aml.base.probe import from_probe, probe_argv
from dagger_aml.graph.base import From
from dagger_aml.graph.graph import Run
from dagger_aml.plan.model import Plan
from dagger_aml.steps import code, packages, pip, startup_packages
from dagger_aml.steps.installer import PYTHON
from tests.support.calls import await_, error_of
from tests.support.projects import SCORE, make

BASE = From("example.org/base:1")
WHOLE = BaseFacts("probed", environment="/env", starts=True, server="/env/bin/azmlinfsrv", extras=True)
FALLEN_BACK = (
    "user 0 0\nenvironment 0 0 3.12\nprefix /usr/local\ninterpreter /usr/local/bin/python3\npip yes\nmanaged no\n"
    "server \nstarts no\nextras none\n"
)


def asked(answer: str, **config: str) -> BaseFacts:
    return from_probe(answer, of_config(config))


def plan_on(facts: BaseFacts, graph: Graph) -> Plan:
    return make_plan(graph, {BASE: facts})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path, {"code/score.py": SCORE, "requirements.txt": "idna==3.10\n"})


# --- which Python -------------------------------------------------------------------------------------------------


def test_without_a_named_environment_the_first_python_on_the_path_is_taken(project: Path) -> None:
    facts = asked(FALLEN_BACK)
    assert (facts.environment, facts.interpreter, facts.python) == ("/usr/local", "/usr/local/bin/python3", "3.12")
    graph = await_(pip(Graph(BASE), project / "requirements.txt"))
    made = plan_on(facts, graph)
    (install,) = [each for each in made.layers if isinstance(each, Run) and "install" in each.argv]
    assert install.argv[0] == "/usr/local/bin/python3" and install.touches and install.touches[0] == "/usr/local"
    head = render(made).text
    assert "AZUREML_CONDA_ENVIRONMENT_PATH is not set, so the environment of /usr/local/bin/python3 is used" in head


def test_the_environment_that_is_named_is_taken() -> None:
    assert plan_on(WHOLE, Graph(BASE).add(Run([PYTHON]))).layers[0].argv == ("/env/bin/python",)  # type: ignore[union-attr]
    assert "is not set" not in " ".join(WHOLE.summary())


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("pip no", "the base's Python (/usr/local/bin/python3) has no pip"),
        ("managed yes", "managed by the operating system"),
    ],
)
def test_a_python_that_cannot_be_installed_into_is_refused(project: Path, line: str, what: str) -> None:
    facts = asked(FALLEN_BACK + line + "\n")
    requirements = project / "requirements.txt"
    error = error_of(plan_on, facts, await_(pip(Graph(BASE), requirements)))
    assert isinstance(error, BaseError) and what in error.message and error.hint
    apart = await_(packages(await_(code(Graph(BASE), project / "code")), requirements, via="pythonpath"))
    if "pip" in line:
        assert what in error_of(plan_on, facts, apart).message
    else:
        plan_on(facts, apart)
    plan_on(facts, Graph(BASE))


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        (asked("user 0 0\n"), "the base image has no Python"),
        (asked("user 0 0\n", Env=["AZUREML_CONDA_ENVIRONMENT_PATH=/x"]), "sets AZUREML_CONDA_ENVIRONMENT_PATH to /x"),  # type: ignore[arg-type]
        (BaseFacts("assumed"), "only a probe can find the Python on its PATH"),
    ],
)
def test_no_python_is_told_by_its_reason(facts: BaseFacts, what: str) -> None:
    error = error_of(plan_on, facts, Graph(BASE).add(Run([PYTHON])))
    assert isinstance(error, BaseError) and what in error.message and error.hint


# --- user, server -------------------------------------------------------------------------------------------------


def warnings(facts: BaseFacts, graph: Graph) -> tuple[str, ...]:
    return tuple(map(str, make_plan(graph, {BASE: facts}).warnings))


def test_an_image_that_runs_as_root_says_so(project: Path) -> None:
    graph = await_(code(Graph(BASE), project / "code"))
    root = evolve(WHOLE, user="", uid=0, gid=0)
    assert [note for note in warnings(root, graph) if "runs as root" in note]
    assert not warnings(WHOLE, graph) and not warnings(root, graph.configure(user="1000"))
    assert plan_on(root, graph).layers[-1].uid == 0  # type: ignore[union-attr]


def test_an_image_for_training_that_is_kept_has_its_way_out(project: Path) -> None:
    training = From("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest")
    plan = make_plan(await_(code(Graph(training), project / "code")))
    (told,) = [each for each in plan.warnings if each.id == "AML601"]
    assert (
        told.hint
        and "leave Options(keep_base=…) or Options(base=…) out" in told.hint
        and "build(check=None)" in told.hint
    )


def test_an_image_in_which_nothing_serves_says_so(project: Path) -> None:
    graph = await_(code(Graph(BASE), project / "code"))
    (note,) = warnings(evolve(WHOLE, starts=False, server=""), graph)
    assert "only a command of the base image itself" in note and "Add azureml-inference-server-http" in note
    (note,) = warnings(evolve(WHOLE, starts=False), graph)
    assert "has /env/bin/azmlinfsrv, but no start script" in note and "Add azureml" not in note
    for served in (graph.configure(cmd=["x"]), graph.configure(entrypoint=["x"]), Graph(BASE)):
        assert not warnings(evolve(WHOLE, starts=False, server=""), served)
    assert not warnings(evolve(WHOLE, starts=None, server=None), graph)


def test_without_a_start_script_nothing_can_be_left_to_it(project: Path) -> None:
    graph = await_(startup_packages(await_(code(Graph(BASE), project / "code")), project / "requirements.txt"))
    error = error_of(plan_on, evolve(WHOLE, starts=False, extras=False), graph)
    assert isinstance(error, BaseError) and "no start script" in error.message
    assert "ignores" in error_of(plan_on, evolve(WHOLE, extras=False), graph).message


def test_the_summary_tells_what_is_there() -> None:
    said = " | ".join(evolve(WHOLE, starts=False, pip=False, onbuild=None, volumes=("/v",)).summary())
    assert "without pip" in said and "no start script" in said
    assert "ONBUILD unknown, VOLUME /v" in said


def test_a_user_that_the_base_does_not_know_is_refused() -> None:
    error = error_of(from_probe, "user nobody-here 0\n", of_config({"User": "nobody-here"}))
    assert isinstance(error, BaseError) and "runs as nobody-here" in error.message


# --- the script itself, on this machine ---------------------------------------------------------------------------

linux = pytest.mark.skipif(sys.platform != "linux", reason="the script is for Linux")


def probe(path: Path, environment: str = "") -> BaseFacts:
    """What the probe's script finds with a PATH of its own, as in a base with such a PATH."""
    shell, *words = probe_argv("", environment)
    command, env = [shell, *words], {"PATH": f"{path}{os.pathsep}{os.defpath}"}
    done = subprocess.run(command, input="\n", capture_output=True, text=True, env=env, check=True)
    return from_probe(done.stdout, of_config({"Env": [f"AZUREML_CONDA_ENVIRONMENT_PATH={environment}"]}))


@linux
def test_the_probe_finds_the_python_of_the_path(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    found = probe(tmp_path)
    assert found.interpreter == str(tmp_path / "python3")
    assert found.python == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert found.environment and found.server == "" and found.starts is False


@linux
def test_the_probe_asks_the_environment_that_is_named(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "e n v"], check=True)
    make(tmp_path / "e n v", {"bin/azmlinfsrv": "#!/bin/sh\n"})
    (tmp_path / "e n v/bin/azmlinfsrv").chmod(0o755)
    found = probe(tmp_path, str(tmp_path / "e n v"))
    assert (found.environment, found.interpreter, found.pip) == (str(tmp_path / "e n v"), None, False)
    assert found.server == f"{tmp_path}/e n v/bin/azmlinfsrv" and not found.managed
    assert probe(tmp_path, str(tmp_path)).environment is None
