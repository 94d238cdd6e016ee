"""examples/ci/: each script of each job run as it stands, in a repository of its own, with `CI=true` and little else.

dagger-aml is the real one, with a registry of this process. What no test may reach, such as Azure, is stood in for by
programs that note what they were called with.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import define, field

from tests.support.builders import need_programs
from tests.support.cli import shared_program
from tests.support.direct import put_base
from tests.support.markdown import ROOT
from tests.support.oracles import oracle
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry
from tests.support.task import Recorded

CI = ROOT / "examples" / "ci"

STOOD_IN = ("az", "syft", "cosign", "pip", "apt-get")

SCHEMAS = {
    "examples/ci/github.yml": ("vendor.github-workflows",),
    "examples/ci/gitlab.yml": ("vendor.gitlab-ci",),
    "examples/ci/azure-pipelines.yml": (
        *("vendor.azure-pipelines", "--regex-variant", "nonunicode", "--data-transform", "azure-pipelines"),
    ),
    "taskfiles/aml.yml": ("vendor.taskfile",),
}


@define
class Job:
    """A repository with two projects, and the machine of a job.

    :param env: what the CI system sets, and what its file says that it is to set.
    """

    root: Path
    bin: Path
    registry: FakeRegistry = field(repr=False)
    env: dict[str, str] = field(factory=dict)

    def run(self, script: str, **more: str) -> str:
        """Run a script as runners do; what it printed, both streams in one. It must go well."""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script], cwd=self.root, env={**self.env, **more},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def called(self, name: str) -> list[str]:
        """What a stand-in was called with since this was asked last."""
        log = self.bin / f"{name}.calls"
        calls = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return calls

    def ref(self, name: str) -> str:
        """What the registry has under the tag ``main``."""
        held = self.registry.manifests[name]
        (digest,) = [each for each in held if each.startswith("sha256:") and held[each] == held["main"]]
        return f"{self.registry.host}/{name}@{digest}"

    def change(self) -> None:
        """Change one project, both of which are deployed now."""
        make(self.root, {"models/price/code/more.py": "x = 1\n"})
        (self.bin / "az.there").touch()

    def deployed(self, *names: str) -> None:
        """See that these were signed and deployed by their digests, and nothing else was."""
        verb = "update" if (self.bin / "az.there").exists() else "create"
        refs = [self.ref(name) for name in names]
        assert [call.split()[1] for call in self.called("syft")] == [f"registry:{ref}" for ref in refs]
        signed = [call.split() for call in self.called("cosign")]
        assert [(words[0], words[-1]) for words in signed] == [
            (what, ref) for ref in refs for what in ("sign", "attest")
        ]
        done = [call for call in self.called("az") if re.match("ml online-deployment (?!show)", call)]
        assert done == [
            f"ml online-deployment {verb} -f deploy/{name}/deployment.yml --endpoint-name {name} --name blue "
            f"--set environment.image={ref}"
            for name, ref in zip(names, refs, strict=True)
        ]


@pytest.fixture
def job(tmp_path: Path, registry: FakeRegistry) -> Job:
    need_programs("bash", "python3")
    base = put_base(registry).reference
    for name in ("churn", "price"):
        code = f"# {name}\n{SCORE}"
        make(tmp_path / "repo/models" / name, {"dagger-aml.toml": f'base = "{base}"\n', "code/score.py": code})
    recorded = Recorded(tmp_path / "bin", shared_program())
    for name in STOOD_IN:
        path = recorded.folder / name
        # Nothing is deployed yet unless a test says so: `az … show` fails then.
        path.write_text('#!/bin/sh\necho "$*" >> "$0.calls"\ncase "$*" in *" show "*) [ -e "$0.there" ] ;; esac\n')
        path.chmod(0o755)
    (tmp_path / "home").mkdir()
    env = {
        "CI": "true",
        "HOME": str(tmp_path / "home"),
        "PATH": os.pathsep.join([str(recorded.folder), os.environ.get("PATH", os.defpath)]),
        "DAGGER_AML_CACHE_DIR": str(tmp_path / "cache"),
    }
    return Job(tmp_path / "repo", recorded.folder, registry, env)


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CI / name).read_text(encoding="utf-8"))
    return found


# --- GitHub Actions -----------------------------------------------------------------------------------------------


def _github(job: Job, name: str, values: Mapping[str, str], **more: str) -> dict[str, str]:
    """Run a job's steps; its outputs. Expressions become the values that a test has for them."""
    document = _read("github.yml")
    part = document["jobs"][name]
    (job.root.parent / "outputs").write_text("")
    said = {**document["env"], **part.get("env", {})}
    env = {each: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], text) for each, text in said.items()}
    env |= {"REGISTRY": job.registry.host, "GITHUB_ACTIONS": "true", "GITHUB_SHA": "4b4e7a2", **more}
    env |= {"GITHUB_OUTPUT": f"{job.root.parent}/outputs", "GITHUB_STEP_SUMMARY": f"{job.root.parent}/summary"}
    for step in part["steps"]:
        if "run" in step:
            assert "${{" not in step["run"], "an expression in a script is a way in for whoever writes its value"
            job.run(step["run"], **env)
    return dict(line.split("=", 1) for line in (job.root.parent / "outputs").read_text().splitlines())


def test_github_builds_signs_and_deploys_what_changed(job: Job) -> None:
    assert _github(job, "check", {}) == {}
    for names in (["churn", "price"], ["price"]):
        if names == ["price"]:
            job.change()
        images = json.loads(_github(job, "images", {})["images"])
        assert [(each["name"], each["ref"]) for each in images] == [(name, job.ref(name)) for name in names]
        for each in images:
            for name in ("sign", "deploy"):
                _github(job, name, {f"matrix.image.{key}": str(value) for key, value in each.items()})
        job.deployed(*names)
    assert all(f"`{job.ref(name)}`" in (job.root.parent / "summary").read_text() for name in ("churn", "price"))
    assert json.loads(_github(job, "images", {})["images"]) == []
    assert "4b4e7a2" in job.registry.manifests["churn"]


# --- Azure Pipelines ----------------------------------------------------------------------------------------------


def _azure(job: Job, name: str, **more: str) -> dict[str, str]:
    """Run a job's steps; the variables that they have set."""
    document = _read("azure-pipelines.yml")
    (part,) = [each for each in document["jobs"] if name in (each.get("job"), each.get("deployment"))]
    steps = part["steps"] if "steps" in part else part["strategy"]["runOnce"]["deploy"]["steps"]
    env = {
        **document["variables"],
        "REGISTRY": job.registry.host,
        "TF_BUILD": "True",
        "BUILD_SOURCEVERSION": "4b4e7a2",
    }
    env |= {"AGENT_TEMPDIRECTORY": str(job.root.parent), **more}
    said = ""
    for step in steps:
        script = step.get("bash") or step.get("inputs", {}).get("inlineScript")
        if script:
            assert "$(" not in re.sub(r"\$\((dagger-aml|python3) ", "", script), "$(name) is the system's own"
            said += job.run(script, **env)
    return dict(re.findall(r"^##vso\[task\.setvariable variable=(\w+);isOutput=true\](.*)$", said, re.M))


def test_azure_builds_signs_and_deploys_what_changed(job: Job) -> None:
    assert _azure(job, "check") == {}
    for names in (["churn", "price"], ["price"]):
        if names == ["price"]:
            job.change()
        images = _azure(job, "images")["images"]
        assert [each["ref"] for each in json.loads(images)] == [job.ref(name) for name in names]
        for name in ("sign", "deploy"):
            assert _azure(job, name, IMAGES=images) == {}
        job.deployed(*names)
    assert _azure(job, "images") == {"images": "[]"}


# --- GitLab -------------------------------------------------------------------------------------------------------


def _gitlab(job: Job, name: str, **more: str) -> None:
    """Run a job's script, with what is before it."""
    document = _read("gitlab.yml")
    part = document[name]
    before = part.get("before_script", document.get(part.get("extends"), {}).get("before_script", []))
    env = {**document["variables"], "REGISTRY": job.registry.host, "GITLAB_CI": "true", "CI_COMMIT_SHA": "4b4e7a2"}
    ids = {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant", "AZURE_TOKEN": "token"}
    job.run("\n".join([*before, *part["script"]]), **{**env, **ids, **more})


def _dotenv(job: Job) -> dict[str, str]:
    lines = (job.root / "dagger-aml.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_gitlab_builds_signs_and_deploys_what_changed(job: Job) -> None:
    _gitlab(job, "check")
    assert isinstance(json.loads((job.root / "gl-code-quality-report.json").read_text()), list)
    for names in (["churn", "price"], ["price"]):
        if names == ["price"]:
            job.change()
        _gitlab(job, "images")
        variables = _dotenv(job)
        assert {f"REF_{name.upper()}": job.ref(name) for name in names}.items() <= variables.items()
        _gitlab(job, "sign", **variables)
        (matrix,) = _read("gitlab.yml")["deploy"]["parallel"]["matrix"]
        for model in matrix["MODEL"]:
            _gitlab(job, "deploy", MODEL=model, **variables)
        job.deployed(*names)
    _gitlab(job, "images")
    assert _dotenv(job) == {} and json.loads((job.root / "dagger-aml-quality.json").read_text()) == []


# --- all of them --------------------------------------------------------------------------------------------------


def _texts(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _texts(each)
    elif isinstance(part, str):
        yield part


@pytest.mark.parametrize("name", sorted(path.name for path in CI.glob("*.yml")))
def test_nothing_is_taken_by_a_password_or_another_version(name: str) -> None:
    texts = list(_texts(_read(name)))
    assert sum("git+https://github.com/OWNER/dagger-aml@COMMIT" in each for each in texts) == 1
    assert not any(word in each for each in texts for word in ("secrets.", "password", "--password"))
    assert "Not run: " in (CI / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCHEMAS)
def test_files_are_as_their_schemas_say(name: str, pytestconfig: pytest.Config) -> None:
    """With ``--depth nightly``, or where the environment is: it needs an environment of its own."""
    words = ["-m", "check_jsonschema", "--builtin-schema", *SCHEMAS[name], ROOT / name]
    done = subprocess.run(
        [oracle("check-jsonschema", pytestconfig), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
