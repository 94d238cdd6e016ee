"""examples/ci/: each script of each job run as it stands, in a repository of its own, with `CI=true` and little else.

dagger-aml is the real one, with a registry of this process. What no test may reach, such as Azure, is stood in for by
programs that note what they were called with.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.cases import for_each
from tests.support.ci_jobs import USERS, Job, document, filled, made, written
from tests.support.markdown import ROOT
from tests.support.oracles import oracle
from tests.support.registry import FakeRegistry
from tests.support.users import NOBODY, linux_root, readable_package

CI = ROOT / "examples" / "ci"

SCHEMAS = {
    "examples/ci/github.yml": ("vendor.github-workflows",),
    "examples/ci/github-action.yml": ("vendor.github-workflows",),
    "examples/ci/action/action.yml": ("vendor.github-actions",),
    "examples/ci/gitlab.yml": ("vendor.gitlab-ci",),
    "examples/ci/azure-pipelines.yml": (
        *("vendor.azure-pipelines", "--regex-variant", "nonunicode", "--data-transform", "azure-pipelines"),
    ),
    "examples/monorepo/github.yml": ("vendor.github-workflows",),
    "taskfiles/aml.yml": ("vendor.taskfile",),
}


@pytest.fixture(params=USERS)
def job(request: pytest.FixtureRequest, tmp_path: Path, registry: FakeRegistry) -> Job:
    return made(tmp_path, registry, request.param)


def _read(name: str) -> dict[str, Any]:
    return document(CI / name)


# --- GitHub Actions -----------------------------------------------------------------------------------------------


def _github(job: Job, name: str, values: Mapping[str, str], **more: str) -> dict[str, str]:
    """Run a job's steps; its outputs. Expressions become the values that a test has for them."""
    workflow = _read("github.yml")
    part = workflow["jobs"][name]
    said = {**workflow["env"], **part.get("env", {})}
    env = {each: filled(text, values.__getitem__) for each, text in said.items()}
    env |= {"REGISTRY": job.registry.host, "GITHUB_SHA": "4b4e7a2", **more, **job.on_github()}
    for step in part["steps"]:
        if "run" in step:
            assert "${{" not in step["run"], "an expression in a script is a way in for whoever writes its value"
            job.run(step["run"], **env)
    return written(env["GITHUB_OUTPUT"])


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
    assert all(f"`{job.ref(name)}`" in job.summary.read_text() for name in ("churn", "price"))
    assert json.loads(_github(job, "images", {})["images"]) == []
    assert "4b4e7a2" in job.registry.manifests["churn"]


# --- Azure Pipelines ----------------------------------------------------------------------------------------------


def _azure(job: Job, name: str, **more: str) -> dict[str, str]:
    """Run a job's steps; the variables that they have set."""
    pipeline = _read("azure-pipelines.yml")
    (part,) = [each for each in pipeline["jobs"] if name in (each.get("job"), each.get("deployment"))]
    steps = part["steps"] if "steps" in part else part["strategy"]["runOnce"]["deploy"]["steps"]
    env = {
        **pipeline["variables"],
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


@pytest.mark.twin(NOBODY, of="GitHub's", why="whose job needs no other rights")
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
    jobs = _read("gitlab.yml")
    part = jobs[name]
    before = part.get("before_script", jobs.get(part.get("extends"), {}).get("before_script", []))
    env = {**jobs["variables"], "REGISTRY": job.registry.host, "GITLAB_CI": "true", "CI_COMMIT_SHA": "4b4e7a2"}
    ids = {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant", "AZURE_TOKEN": "token"}
    job.run("\n".join([*before, *part["script"]]), **{**env, **ids, **more})


def _dotenv(job: Job) -> dict[str, str]:
    return written(job.root / "dagger-aml.env")


@pytest.mark.twin(NOBODY, of="GitHub's", why="whose job needs no other rights")
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


# --- a user without a folder for caches ---------------------------------------------------------------------------


@linux_root
@readable_package
@pytest.mark.parametrize("home", ["read-only", "none", "unsaid"])
def test_who_can_keep_nothing_is_told_once_by_build_and_the_rest_works(
    tmp_path: Path, registry: FakeRegistry, home: str
) -> None:
    job = made(tmp_path, registry, NOBODY)
    del job.env["DAGGER_AML_CACHE_DIR"], job.env["HOME"]
    if home == "read-only":
        (tmp_path / "ours").mkdir(0o755)
        job.env["HOME"] = str(tmp_path / "ours")
    elif home == "none":
        job.env["HOME"] = "/nonexistent/home"
    name = f"{registry.host}/{{name}}:main"
    job.run("dagger-aml check models/*")
    assert job.run(f"dagger-aml plan models/* --changed --against {name}").split() == ["models/churn", "models/price"]
    registry.asked.clear()
    for projects in ("models/churn", "models/*"):
        done = job.done(f"dagger-aml build {projects} -t {name} --push", {"DAGGER_AML_WITH": "docker"})
        assert done.returncode == 2 and re.search(
            r"^dagger-aml: error: /\S*dagger-aml: the folder of the cache cannot be made \(Permission denied\)\n"
            r" +Set DAGGER_AML_CACHE_DIR to a folder that you may write to\.\n\Z",
            done.stdout,
            re.M,
        )
        assert done.stdout.count("folder of the cache") == 1
    assert not registry.asked
    own = {"DAGGER_AML_WITH": "docker", "DAGGER_AML_CACHE_DIR": str(job.root / "cache")}
    job.run(f"dagger-aml build models/* -t {name} --push", **own)


# --- all of them --------------------------------------------------------------------------------------------------


def _texts(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _texts(each)
    elif isinstance(part, str):
        yield part


FILES = ("../monorepo/github.yml", *sorted(str(path.relative_to(CI)) for path in CI.glob("**/*.yml")))


@for_each("name", FILES)
def test_nothing_is_taken_by_a_password_or_another_version(name: str) -> None:
    texts = list(_texts(_read(name)))
    if "action" not in name:
        assert sum("git+https://github.com/OWNER/dagger-aml@COMMIT" in each for each in texts) == 1
    assert all(re.search(r"/dagger-aml(/examples/ci/action)?@COMMIT\b", each) for each in texts if "OWNER" in each)
    assert not any(word in each for each in texts for word in ("secrets.", "password", "--password"))
    assert "Not run: " in (CI / name).read_text(encoding="utf-8")


PLACEHOLDER = re.compile(
    r"OWNER|COMMIT|REGISTRY(?=:)|RESOURCE_GROUP(?=:)|WORKSPACE(?=:)|(?:vars\.|\$)(?:AZURE_(?!TOKEN)\w+)|MODEL(?=:)|production"
    r"|blue|deployment\.yml|\S+://\S*example\S*|registry\.example/\S+|azureSubscription: azure"
)


@pytest.mark.parametrize("name", [name for name in FILES if "action/" not in name])
def test_all_that_is_to_be_filled_in_is_told_at_the_top(name: str) -> None:
    lines = (CI / name).read_text(encoding="utf-8").splitlines()
    head = "\n".join(line for line in lines if line.startswith("#"))
    body = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    found = {re.sub(r"^(vars\.|\$|azureSubscription: )", "", each) for each in PLACEHOLDER.findall(body)}
    told = head[head.index("# To fill in: ") :]
    assert len(found) >= (6 if "monorepo" in name else 9), "of the patterns above"
    assert [each for each in found if each.strip('"') not in told] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_files_are_as_their_schemas_say(name: str, pytestconfig: pytest.Config) -> None:
    """With ``--depth nightly``, or where the environment is: it needs an environment of its own."""
    words = ["-m", "check_jsonschema", "--builtin-schema", *SCHEMAS[name], ROOT / name]
    done = subprocess.run(
        [oracle("check-jsonschema", pytestconfig), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
