"""The action in examples/ci/action/: each script of it run as it stands, with the inputs that a workflow gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.ci_jobs import USERS, Job, document, filled, made, written
from tests.support.markdown import ROOT
from tests.support.registry import FakeRegistry
from tests.support.users import NOBODY

ACTION = ROOT / "examples/ci/action/action.yml"
WORKFLOW = ROOT / "examples/ci/github-action.yml"


@pytest.fixture(params=USERS)
def job(request: pytest.FixtureRequest, tmp_path: Path, registry: FakeRegistry) -> Job:
    return made(tmp_path, registry, request.param)


@pytest.fixture
def own(tmp_path: Path, registry: FakeRegistry) -> Job:
    """A job of this user's alone."""
    return made(tmp_path, registry)


def _value(expression: str, inputs: Mapping[str, str]) -> Any:
    """What an expression comes to, of the few forms that the action has."""
    text = re.sub(r"inputs\.([\w-]+)", r'inputs["\1"]', expression).replace("&&", " and ").replace("||", " or ")
    return eval(text, {"inputs": inputs})


def act(job: Job, fails: int = 0, **given: str) -> dict[str, Any]:
    """Run the action's scripts up to one that fails; its outputs, JSON read, and under "" all that was printed.

    :param given: inputs, with ``_`` for ``-``.
    """
    action = document(ACTION)
    said = {name.replace("_", "-"): value for name, value in given.items()}
    assert said.keys() <= action["inputs"].keys()
    inputs = {name: said.get(name, each["default"]) for name, each in action["inputs"].items()}
    machine = {**job.on_github(), "RUNNER_TEMP": job.env["HOME"], "GITHUB_ACTION_PATH": str(ACTION.parent)}
    steps = [each for each in action["runs"]["steps"] if "run" in each and _value(each.get("if", "True"), inputs)]
    printed = ""
    for step in steps:
        env = {name: filled(text, lambda each: _value(each, inputs)) for name, text in step["env"].items()}
        done = job.done(step["run"], {**machine, **env})
        printed += done.stdout
        if done.returncode:
            break
    assert done.returncode == fails, printed
    told = written(machine["GITHUB_OUTPUT"])
    assert told.keys() <= {"ref", "digest", *action["outputs"]}
    return {name: json.loads(text) if text[0] in "[{" else text for name, text in told.items()} | {"": printed}


@pytest.mark.twin(NOBODY, of="GitHub's own job in test_ci_files.py", why="whose scripts run so too")
def test_what_changed_is_built_and_told(job: Job) -> None:
    name = f"{job.registry.host}/{{name}}"
    given = {
        "projects": "models/*",
        "against": f"{name}:main",
        "tags": f"{name}:4b4e7a2\n{name}:main\n",
        "smoke": "none",
    }
    for names in (["churn", "price"], ["price"]):
        if names == ["price"]:
            job.change()
        assert act(job, command="plan", projects="models/*", against=f"{name}:main")["changed"] == [
            f"models/{each}" for each in names
        ]
        told = act(job, **given)
        assert [each["ref"] for each in told["images"]] == told["refs"] == [job.ref(each) for each in names]
        assert told["digests"] == {each: job.ref(each).partition("@")[2] for each in names}
        assert told["changed"] == [f"models/{each}" for each in names]
        report = json.loads(Path(told["metadata-file"]).read_text())
        assert [each["folder"] for each in report["projects"]] == told["changed"]
    nothing = {key: value for key, value in act(job, **given).items() if key}
    assert nothing == {"changed": [], "images": [], "digests": {}, "refs": []}
    summary = job.summary.read_text()
    assert f"`{job.ref('churn')}`" in summary and "Every image is as a build would make it." in summary
    assert job.registry.manifests["churn"]["4b4e7a2"] == job.registry.manifests["churn"]["main"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"command": "destroy"}, "command must be one of: 'build' 'plan' 'check'."),
        ({"push": "yes"}, "push must be one of: 'true' 'false'."),
        ({"smoke": "no"}, "smoke must be one of: '' 'true' 'restricted' 'import' 'always' 'none'."),
        ({"cache": ""}, "cache must be one of"),
        ({"check": "1"}, "check must be one of"),
        ({}, "set the input tags, or push to false."),
        ({"command": "plan"}, "set the input against."),
    ],
)
def test_inputs_that_cannot_be_are_refused_first(own: Job, given: dict[str, str], said: str) -> None:
    printed = act(own, fails=2, **given)[""]
    assert printed.startswith("::error title=dagger-aml::") and said in printed and printed.count("\n") == 1


def _stood_in(job: Job, more: str = "") -> Path:
    """A ``dagger-aml`` that only notes its words, one a line.

    :param more: what it does then.
    """
    log = job.bin / "words"
    (job.bin / "dagger-aml").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" --- >> '{log}'\n{more}\n")
    return log


def test_those_that_were_built_are_told_though_another_failed(own: Job) -> None:
    made = {"name": "churn", "error": None, "digest": "sha256:a", "refs": ["r/churn@sha256:a"]}
    report = json.dumps({"projects": [made, {"name": "price", "error": {"message": "no"}}]})
    _stood_in(own, f"case $1 in build) echo '{report}'; exit 75 ;; esac")
    told = act(own, fails=75, projects="models/*", push="false")
    assert told["refs"] == ["r/churn@sha256:a"] and told["digests"] == {"churn": "sha256:a"}
    assert told["changed"] == ["models/churn", "models/price"]


def test_where_nothing_was_begun_there_is_no_report(own: Job) -> None:
    _stood_in(own, "case $1 in build) exit 2 ;; esac")
    told = act(own, fails=2, push="false")
    assert told["refs"] == [] and told["digests"] == {} and Path(told["metadata-file"]).read_text() == ""


def test_each_input_becomes_the_word_that_it_says(own: Job) -> None:
    log = _stood_in(own)
    act(
        own,
        **{"projects": "models/p*\nmy model\n", "tags": "a:1\nb c:2", "with": "podman", "layers": "builder"},
        **{"smoke": "restricted", "project_arguments": "--env=A=b c", "arguments": "--jobs=2\n--no-cache"},
        **{"source": "git+https://github.com/o/dagger-aml@c", "cache_size": "3GB"},
    )
    folders = ["--", "models/price", "my model"]
    assert [each.split("\n") for each in log.read_text().removesuffix("\n---\n").split("\n---\n")] == [
        ["check", "--output-format=github", "--env=A=b c", *folders],
        [
            *("build", "--ci=github", "--json", "--with=podman", "--tag=a:1", "--tag=b c:2", "--push"),
            *("--layers=builder", "--smoke=restricted", "--env=A=b c", "--jobs=2", "--no-cache", *folders),
        ],
        ["cache", "prune", "--keep=3GB"],
    ]
    assert own.called("pip") == ["install dagger-aml @ git+https://github.com/o/dagger-aml@c"]


def test_by_itself_it_installs_its_own_commit_and_pushes_nothing_without_a_word(own: Job) -> None:
    log = _stood_in(own)
    act(own, push="false", check="false", cache="false")
    assert log.read_text().split("\n")[:-1] == ["build", "--ci=github", "--json", "--with=docker", "--", ".", "---"]
    assert own.called("pip") == [f"install -- {ROOT}"]


HOSTILE = ("$(touch pwned)", "`touch pwned`", '"; touch pwned; "', "'; touch pwned; '", "touch pwned", "%s${IFS}%n")


@pytest.mark.parametrize("command", ["build", "check"])
def test_no_input_is_ever_a_command(own: Job, command: str) -> None:
    log = _stood_in(own)
    names = {"projects", "tags", "with", "layers", "project_arguments", "arguments", "source", "cache_size"}
    act(own, command=command, **dict.fromkeys(names, "\n".join(HOSTILE)))
    assert all(log.read_text().count(each) > 2 for each in HOSTILE) and not list(own.root.rglob("pwned"))


def test_nor_is_one_of_those_that_have_few_values(own: Job) -> None:
    for name in ("command", "push", "check", "cache", "smoke"):
        act(own, fails=2, **{name: "\n".join(HOSTILE)})
    assert not list(own.root.rglob("pwned"))


def _scripts(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("run"), str):
            yield part["run"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _scripts(each)


@pytest.mark.parametrize(
    "path", [ACTION, *sorted((ROOT / "examples/ci").glob("git*.yml"))], ids=lambda path: path.name
)
def test_no_expression_is_in_a_script(path: Path) -> None:
    scripts = list(_scripts(document(path)))
    assert not any("${{" in each for each in scripts)
    assert scripts or path.name == "gitlab.yml"


def test_every_script_has_its_shell_its_folder_and_its_variables_and_outputs_are_given() -> None:
    action = document(ACTION)
    used = set()
    for step in action["runs"]["steps"]:
        if "run" in step:
            names = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", step["run"]))
            assert step["shell"] == "bash" and step["env"].keys() <= names
            assert names - step["env"].keys() <= {
                "GITHUB_OUTPUT",
                "GITHUB_STEP_SUMMARY",
                "GITHUB_ACTION_PATH",
                "RUNNER_TEMP",
            }
            assert ("PROJECTS" in names) == ("working-directory" in step)
        used |= set(re.findall(r"inputs\.([\w-]+)", json.dumps(step)))
    assert used == action["inputs"].keys()
    for name, each in action["outputs"].items():
        assert each["value"] == f"${{{{ steps.run.outputs.{name} }}}}"


def test_the_workflow_gives_inputs_that_there_are(own: Job) -> None:
    action, workflow = document(ACTION), document(WORKFLOW)
    uses = [step for job in workflow["jobs"].values() for step in job["steps"] if "/action@" in step.get("uses", "")]
    assert len(uses) == 2
    for step in uses:
        assert step["with"].keys() <= action["inputs"].keys()
        assert step["uses"] == "OWNER/dagger-aml/examples/ci/action@COMMIT"
    assert (
        re.search(r"\bsteps\.models\.outputs\.(\w+)", workflow["jobs"]["images"]["outputs"]["images"])[1]
        in action["outputs"]
    )
    host = {"env.REGISTRY": own.registry.host, "github.sha": "4b4e7a2"}
    given = {name: filled(text, host.__getitem__) for name, text in uses[1]["with"].items()}
    for image in act(own, **given)["images"]:
        env = {"RESOURCE_GROUP": "g", "WORKSPACE": "w", "NAME": image["name"], "REF": image["ref"]}
        for script in _scripts(workflow["jobs"]["deploy"]):
            own.run(script, **env)
    assert [call for call in own.called("az") if "online-deployment" in call] == [
        f"ml online-deployment update --resource-group g --workspace-name w -f deploy/{name}/deployment.yml "
        f"--endpoint-name {name} --name blue --set environment.image={own.ref(name)}"
        for name in ("churn", "price")
    ]
