"""``build --ci``: annotations, outputs and a summary in the form of each CI system."""

from __future__ import annotations

import json
import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from attrs import define, field

from dagger_aml.backends.result import OpResult, Result
from dagger_aml.cli.reports.ci import service_of, tell, told_to
from dagger_aml.cli.reports.summary import Built, summary
from dagger_aml.errors import DaggerAmlError
from dagger_aml.finding import Finding
from dagger_aml.oci.model import Layer
from dagger_aml.plan.making import Making
from tests.support.cli import run, run_here
from tests.support.direct import put_base
from tests.support.projects import SCORE, make
from tests.support.registry import FakeRegistry

ABROAD = "sha256:" + "a" * 64


@define
class Runner:
    """A job's working directory, with two projects and what a CI system sets."""

    root: Path
    registry: FakeRegistry = field(repr=False)

    def build(self, *words: object, apart: bool = False, **env: object) -> CompletedProcess[str]:
        """:param apart: in a process of its own, which knows of the call before it."""
        files = {"GITHUB_OUTPUT": self.root / "out", "GITHUB_STEP_SUMMARY": self.root / "said"}
        mine = {
            "DAGGER_AML_CACHE_DIR": self.root / "cache",
            "DOCKER_CONFIG": self.root,
            "AGENT_TEMPDIRECTORY": self.root / "agent",
            "CI": "true",
        }
        tag = f"{self.registry.host}/{{name}}:1"
        call = run if apart else run_here
        return call("build", *words, "-t", tag, "--push", "--no-smoke", cwd=self.root, env={**mine, **files, **env})

    def outputs(self) -> dict[str, str]:
        lines = (self.root / "out").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def ref(self, name: str) -> str:
        data = self.registry.manifests[name]
        (digest,) = [each for each in data if each.startswith("sha256:")]
        return f"{self.registry.host}/{name}@{digest}"


@pytest.fixture
def runner(tmp_path: Path, registry: FakeRegistry) -> Runner:
    base = put_base(registry).reference
    for name in ("a", "b"):
        make(tmp_path / name, {"dagger-aml.toml": f'base = "{base}"\n', "code/score.py": f"# {name}\n{SCORE}"})
    (tmp_path / "agent").mkdir()
    return Runner(tmp_path, registry)


def test_github_gets_annotations_outputs_and_a_summary(runner: Runner) -> None:
    done = runner.build("a", "--ci", "github", "-q")
    assert done.returncode == 0, done.stderr
    ref = runner.ref("a")
    assert done.stdout == ref.partition("@")[2] + "\n", "standard output stays as it is"
    assert runner.outputs() == {
        "images": json.dumps([{"name": "a", "folder": "a", "ref": ref, "digest": ref.partition("@")[2]}]).replace(
            ", ", ","
        ).replace(": ", ":"),
        "ref": ref,
        "digest": ref.partition("@")[2],
    }  # fmt: skip
    assert re.search(r"^::warning file=a,title=dagger-aml AML602::the base image has no .*%0AAdd ", done.stderr, re.M)
    said = (runner.root / "said").read_text()
    assert f"| a | built | `{ref}` |" in said
    assert "| code (1 file) | written | " in said and "| base: 2 layers |  | " in said


def test_a_failure_is_an_annotation_and_the_others_are_outputs(runner: Runner) -> None:
    make(runner.root / "b", {"dagger-aml.toml": f'base = "{runner.registry.host}/gone:1"\n'})
    done = runner.build("a", "b", "--ci", "github", "--json")
    assert done.returncode == 1
    assert [each["name"] for each in json.loads(done.stdout)["projects"]] == ["a", "b"]
    assert re.search(r"^::error file=b,title=dagger-aml could not build this::", done.stderr, re.M), done.stderr
    assert [each["ref"] for each in json.loads(runner.outputs()["images"])] == [runner.ref("a")]
    said = (runner.root / "said").read_text()
    assert "| a | built | " in said and "| b | failed | " in said


def test_what_cannot_be_read_is_told_with_its_line(runner: Runner) -> None:
    make(runner.root / "b", {"dagger-aml.toml": "\nwhat = 1\n"})
    done = runner.build("b", "--ci", "github")
    assert done.returncode == 2
    where = "::error file=b/dagger-aml.toml,line=2,col=1,endColumn=5,title=dagger-aml could not build this::"
    assert f"{where}dagger-aml.toml:2: unknown key" in done.stderr
    assert runner.outputs() == {"images": "[]"}
    several = runner.build("a", "b", "--ci", "azure")
    assert several.returncode == 2 and "##vso[task.logissue type=error;" in several.stderr


def test_azure_gets_logging_commands(runner: Runner) -> None:
    done = runner.build("a", "--ci", "azure", "-q")
    assert done.returncode == 0, done.stderr
    ref = runner.ref("a")
    assert "##vso[task.logissue type=warning;sourcepath=a;code=AML602;]the base image has no " in done.stderr
    assert f"##vso[task.setvariable variable=ref;isOutput=true]{ref}\n" in done.stderr
    (images,) = re.findall(r"^##vso\[task.setvariable variable=images;isOutput=true\](.*)$", done.stderr, re.M)
    assert json.loads(images)[0]["ref"] == ref
    (path,) = re.findall(r"^##vso\[task.uploadsummary\](.*)$", done.stderr, re.M)
    assert Path(path).parent == runner.root / "agent" and ref in Path(path).read_text()


def test_gitlab_gets_reports(runner: Runner) -> None:
    make(runner.root / "b", {"dagger-aml.toml": (runner.root / "b/dagger-aml.toml").read_text() + 'name = "b-2"\n'})
    done = runner.build("a", "b", "--ci", "gitlab")
    assert done.returncode == 0, done.stderr
    lines = (runner.root / "dagger-aml.env").read_text().splitlines()
    assert lines == [f"REF_A={runner.ref('a')}", f"REF_B_2={runner.ref('b-2')}"]
    assert runner.build("a", "--ci", "gitlab").returncode == 0
    lines = (runner.root / "dagger-aml.env").read_text().splitlines()
    assert lines == [f"REF_A={runner.ref('a')}", f"REF={runner.ref('a')}", f"DIGEST={runner.ref('a').split('@')[1]}"]
    quality = json.loads((runner.root / "dagger-aml-quality.json").read_text())
    assert "AML602" in [each["check_name"] for each in quality]
    assert runner.ref("a") in (runner.root / "dagger-aml-summary.md").read_text()


def test_one_variable_is_not_of_two_images(capfd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tell("gitlab", [Built(name, name, WRITTEN) for name in ("a-b", "a_b", "c")])
    assert (tmp_path / "dagger-aml.env").read_text() == f"REF_C=registry.example/a@{ABROAD}\n"
    assert "a-b and a_b would both be REF_A_B, so neither is in dagger-aml.env" in capfd.readouterr().err


def test_a_call_that_finds_all_in_place_tells_it_too(runner: Runner) -> None:
    """Of such a call the next is told without being made: not where a CI system wants to know."""
    for _ in range(3):
        (runner.root / "out").unlink(missing_ok=True)
        assert runner.build("a", "--ci", "github", "-q", apart=True).returncode == 0
        assert runner.outputs()["ref"] == runner.ref("a")
    assert "| a | unchanged | " in (runner.root / "said").read_text()


def test_auto_is_the_system_that_says_so(runner: Runner) -> None:
    assert service_of("auto", {}) is None and service_of("none", {"TF_BUILD": "True"}) is None
    assert service_of("auto", {"TF_BUILD": "True"}) == "azure"
    assert service_of("auto", {"GITLAB_CI": "true"}) == "gitlab"
    assert service_of("gitlab", {"GITHUB_ACTIONS": "true"}) == "gitlab"
    assert runner.build("a", "--ci", "auto", "-q", GITHUB_ACTIONS="true").returncode == 0
    assert runner.outputs()["ref"] == runner.ref("a")


def test_json_alone_is_not_mixed_with_annotations(runner: Runner) -> None:
    done = runner.build("a", "--ci", "github", "--progress", "json")
    assert done.returncode == 2 and "standard error has room for JSON or for annotations" in done.stderr


WRITTEN = Result(
    ABROAD,
    tags=("registry.example/a:1",),
    layers=(Layer(ABROAD, 10, ""), Layer(ABROAD, 5_000, "pip x|y"), Layer(ABROAD, 7, "code")),
    makings=(Making("pip x|y", "found"), Making("code", "written")),
    ops=(OpResult("run-0", "pip x|y", "run", True), OpResult("copy-0", "code", "copy", True)),
    pushed=True,
)


def test_a_summary_has_a_table_of_layers() -> None:
    told = summary([Built("models/a", "a", WRITTEN), Built("b"), Built("c", error=DaggerAmlError("one\n|two|"))])
    assert told.splitlines() == [
        "## dagger-aml", "", "| project | | image |", "|---|---|---|",
        f"| a | built | `registry.example/a@{ABROAD}` |", "| b | not built |  |", r"| c | failed | one \|two\| |",
        "", "### a", "", "| layer | how | size |", "|---|---|---:|", "| base: 1 layer |  | 10 B |",
        r"| pip x\|y | had run before | 5.0 kB |", "| code | written, was there | 7 B |",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["::error::x\n::set-output name=a::b", "##vso[task.complete result=Failed]\n##vso[x]"]
)
def test_no_text_becomes_a_command(text: str, capfd: Any, tmp_path: Path) -> None:
    built = [Built("a", "a", Result(None, warnings=(Finding(text, severity="warning"),)))]
    tell("github", built, {})
    tell("azure", built, {"AGENT_TEMPDIRECTORY": str(tmp_path)})
    begins = [line.split(" ")[0] for line in capfd.readouterr().err.splitlines()]
    variables = ["##vso[task.setvariable"] * 3
    path = tmp_path / "dagger-aml-summary.md"
    assert begins == ["::warning", "##vso[task.logissue", *variables, f"##vso[task.uploadsummary]{path}"]


def test_an_error_is_not_lost_where_it_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "no" / "such"))
    with pytest.raises(DaggerAmlError, match="why"), told_to("github", ["a"]):
        raise DaggerAmlError("why")
