"""`deployment`: what is written for Azure ML and for clusters, read again; what is refused; what others say of it."""

from __future__ import annotations

import errno
import functools
import json
import os
import random
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dagger_aml import contract
from dagger_aml.backends.result import Result
from dagger_aml.building.metadata import metadata as build_metadata
from dagger_aml.building.metadata import write_json
from dagger_aml.deploying.azureml import Said, baked, environment_only
from dagger_aml.deploying.image import image_in
from dagger_aml.deploying.kubernetes import drain_command, manifests
from dagger_aml.deploying.without_image import Unbuilt
from dagger_aml.deploying.workload import Workload
from dagger_aml.deploying.write import write
from dagger_aml.deploying.yaml_text import yaml_text
from dagger_aml.errors import DaggerAmlError, UsageError
from dagger_aml.project.deployment.model import Environment, LocalModel
from dagger_aml.project.deployment.read import read_deployment
from tests.golden import deployments
from tests.support.cases import for_each
from tests.support.cli import run_here
from tests.unit.strings import HOSTILE
from tools import deployment_files, deployment_values

EXAMPLES = Path(__file__).parents[2] / "examples"
SAID = json.loads(deployment_files.ANSWERS.read_text(encoding="utf-8"))
DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"registry.example/diabetes@{DIGEST}"
GOLDEN = sorted(deployments.HERE.glob("*.yml"))
FLAGS = ("--name", "blue", "--endpoint-name", "diabetes", "--instance-type", "Standard_DS3_v2")
MANAGED = deployments.HERE / "read" / "managed.yml"


@functools.cache
def expected() -> dict[Path, str]:
    """What each golden file must hold."""
    return dict(deployments.texts())


def written(tmp_path: Path, *words: object, file: str = "deployment.yml") -> Any:
    """What the command writes into a new folder, read as YAML 1.1; several documents as a list."""
    done = run_here("deployment", *words, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found = list(yaml.safe_load_all((tmp_path / "out" / file).read_text(encoding="utf-8")))
    return found[0] if len(found) == 1 else found


def refused(*words: object) -> str:
    """What the command says in refusing."""
    done = run_here("deployment", *words)
    assert done.returncode == 2 and not done.stdout, done.stderr
    return done.stderr


# --- golden files, and what others say of them --------------------------------------------------------------------


@for_each("path", GOLDEN, ids=lambda path: path.stem)
def test_a_deployment_file_is_what_it_was(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == expected()[path], "if this is meant: ./taskw golden"


def test_no_golden_deployment_file_is_left_over_or_missing() -> None:
    assert set(GOLDEN) == set(expected())


@pytest.mark.parametrize("package", ["azure-ai-ml", "kubernetes-validate"])
def test_every_golden_file_was_taken_by_those_it_is_for(package: str) -> None:
    answers = SAID[package]["answers"]
    files = list(deployment_files.files(clusters=package == "kubernetes-validate"))
    assert len(files) >= 3
    assert {path.stem: deployment_files.digest(path) for path in files} == {
        name: answer["digest"] for name, answer in answers.items()
    }, "ask again: python -m tools.deployment_files"


def test_azure_reads_what_was_meant() -> None:
    for name, answer in SAID["azure-ai-ml"]["answers"].items():
        said, mine = answer["said"], yaml.safe_load(expected()[deployments.HERE / f"{name}.yml"])
        assert said["class"].startswith("Kubernetes" if mine.get("type") == "kubernetes" else "Managed")
        assert (said["name"], said["endpoint_name"]) == (mine["name"], mine["endpoint_name"])
        assert said["image"] == mine["environment"]["image"]
        assert said["variables"] == mine.get("environment_variables", {})
        assert bool(said["inference_config"]) == name.startswith("baked")
        assert bool(said["script"]) == ("code_configuration" in mine)


def test_all_versions_of_kubernetes_took_the_manifests() -> None:
    for answer in SAID["kubernetes-validate"]["answers"].values():
        assert len(answer["said"]) >= 10 and "1.32.0" in answer["said"]


# --- baked --------------------------------------------------------------------------------------------------------


def test_an_image_that_has_everything_needs_neither_code_nor_model(tmp_path: Path) -> None:
    made = written(tmp_path, EXAMPLES / "diabetes", "--image", f"registry.example/diabetes:1@{DIGEST}", *FLAGS)
    live = {"port": 5001, "path": "/"}
    assert made["environment"] == {
        "image": IMAGE,
        "inference_config": {
            "liveness_route": live, "readiness_route": live, "scoring_route": {"port": 5001, "path": "/score"}
        },
    }  # fmt: skip
    assert not {"code_configuration", "model"} & made.keys()
    assert (made["name"], made["instance_count"]) == ("blue", 1)


def test_all_else_of_a_deployment_file_is_kept_and_the_project_need_not_be_there(tmp_path: Path) -> None:
    made = written(tmp_path, MANAGED, "--image", IMAGE)
    before = yaml.safe_load(MANAGED.read_text(encoding="utf-8"))
    gone = {"environment", "model", "code_configuration"}
    assert {key: value for key, value in made.items() if key not in gone} == {
        key: value for key, value in before.items() if key not in gone
    }
    assert gone & made.keys() == {"environment"}
    assert list(made) == [key for key in before if key not in gone - {"environment"}]


def test_a_written_file_reads_as_the_one_before(tmp_path: Path) -> None:
    written(tmp_path, MANAGED, "--image", IMAGE, "--environment-only")
    before, after = read_deployment(MANAGED), read_deployment(tmp_path / "out" / "deployment.yml")
    assert isinstance(after.model, LocalModel) and isinstance(before.model, LocalModel)
    assert (after.model.path, after.model.name, after.model.version) == (
        before.model.path, before.model.name, before.model.version
    )  # fmt: skip
    assert (after.code, after.scoring_script, after.variables) == (
        before.code,
        before.scoring_script,
        before.variables,
    )
    assert isinstance(after.environment, Environment)
    assert (after.environment.image, after.environment.conda_inline, after.environment.routes) == (IMAGE, None, {})
    written(tmp_path, tmp_path / "out" / "deployment.yml", "--image", IMAGE, "--environment-only", "--force")
    assert read_deployment(tmp_path / "out" / "deployment.yml") == after


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    made = written(
        tmp_path, MANAGED, "--image", IMAGE, "--name", "green2", "--instance-count", 7, "--variable", "GREETING=012"
    )
    assert (made["name"], made["endpoint_name"], made["instance_count"]) == ("green2", "churn-endpoint", 7)
    assert made["environment_variables"]["GREETING"] == "012" and made["environment_variables"]["WORKER_COUNT"] == 2


@for_each("number", range(0, 24, 2))
def test_whatever_a_file_says_stays(tmp_path: Path, number: int) -> None:
    """Some of the cases that azure-ai-ml was given too."""
    before = deployment_values.document(random.Random(number))
    for name in ("code", "model", "new"):
        (tmp_path / name).mkdir()
    (tmp_path / "d.yml").write_text(deployment_values.as_yaml(before), encoding="utf-8")
    read = read_deployment(tmp_path / "d.yml")
    taken = {"environment", "model", "code_configuration"}
    for made in (baked(IMAGE, Said(), read), environment_only(IMAGE, Said(), read, tmp_path / "new")):
        (tmp_path / "new" / "d.yml").write_text(yaml_text(made), encoding="utf-8")
        after = read_deployment(tmp_path / "new" / "d.yml")
        assert {key: value for key, value in after.document.items() if key not in taken} == {
            key: value for key, value in before.items() if key not in taken
        }
        assert list(after.variables.items()) == list(read.variables.items())
        assert after.code == (read.code if "code_configuration" in made else None)


# --- the image ----------------------------------------------------------------------------------------------------


def metadata(**more: object) -> dict[str, object]:
    return {"containerimage.digest": DIGEST, "image.name": "registry.example/diabetes:1", **more}


@pytest.mark.parametrize(
    "said",
    [metadata(), metadata(**{"image.name": "diabetes:1,registry.example/diabetes:1"}), {"diabetes": metadata()}],
    ids=["one", "several tags", "several projects"],
)
def test_the_image_is_taken_from_what_build_wrote(tmp_path: Path, said: object) -> None:
    file = tmp_path / "images.json"
    file.write_text(json.dumps(said))
    made = written(tmp_path, EXAMPLES / "diabetes", "--metadata-file", file, *FLAGS)
    assert made["environment"]["image"] == IMAGE


def test_what_build_writes_is_what_is_read(tmp_path: Path) -> None:
    made = Result(DIGEST, f"sha256:{'b' * 64}", tags=("registry.example/diabetes:1",))
    write_json(tmp_path / "images.json", build_metadata(made))
    assert image_in(tmp_path / "images.json", "diabetes") == IMAGE
    write_json(tmp_path / "images.json", {"diabetes": build_metadata(made), "other": {"dagger-aml.error": "x"}})
    assert image_in(tmp_path / "images.json", "diabetes") == IMAGE


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[]", "is not a file that `build --metadata-file` wrote"),
        ("{", "is not a file that `build --metadata-file` wrote"),
        (json.dumps({"image.name": "diabetes:1"}), "names no image that was pushed"),
        (json.dumps({"containerimage.digest": DIGEST, "image.name": "diabetes:1"}), "names no image that was pushed"),
        (json.dumps({"churn": metadata()}), "has no image of diabetes, only of: churn"),
        (json.dumps({"diabetes": {"dagger-aml.error": "pip failed"}}), "the build of diabetes failed: pip failed"),
    ],
)
def test_a_file_that_names_no_pushed_image_is_refused(tmp_path: Path, said: str, words: str) -> None:
    file = tmp_path / "images.json"
    file.write_text(said)
    assert words in refused(EXAMPLES / "diabetes", "--metadata-file", file, *FLAGS)


@for_each(
    ("words", "said"),
    [
        (("--image", "registry.example/diabetes:1"), "names no digest"),
        (("--image", f"diabetes@{DIGEST}"), "names no registry"),
        (("--image", "Registry/X@sha256:1"), "--image"),
        ((), "no image is named"),
        ((), "`dagger-aml build -t NAME:TAG --push --metadata-file FILE` writes the file."),
        (("--image", IMAGE, "--without-image"), "--image and --without-image exclude each other"),
        (("--image", IMAGE), "a deployment needs `name`, `endpoint_name` and `instance_type`"),
        (("--image", IMAGE, *FLAGS, "--name", "-x"), "--name: `name` is not a name that Azure ML takes"),
        (("--image", IMAGE, *FLAGS, "--variable", "X"), "not NAME=VALUE: 'X'"),
        (("--image", IMAGE, *FLAGS, "--user", "5"), "--user: is for --format kubernetes"),
        (("--image", IMAGE, "--environment-only", *FLAGS), "needs a deployment file that names code or a model"),
        (("--image", IMAGE, "--format", "kubernetes", *FLAGS), "a cluster has no instance types"),
        (("--image", IMAGE, "--format", "kubernetes", "--user", "0"), "other than root: 0"),
        (("--image", IMAGE, "--format", "kubernetes", "--name", "Blue"), "not a name that Kubernetes takes"),
        (("--image", IMAGE, "--format", "kubernetes", "--environment-only"), "cannot serve in a cluster"),
        (("--metadata-file", "nowhere.json"), "there is no such file"),
        (("--without-image", *FLAGS), "Add -o FOLDER"),
    ],
)
def test_what_cannot_be_is_refused(words: tuple[str, ...], said: str) -> None:
    assert said in refused(EXAMPLES / "diabetes", *words)


def test_a_name_that_was_never_filled_in_is_refused_with_its_line(tmp_path: Path) -> None:
    text = MANAGED.read_text(encoding="utf-8").replace("churn-endpoint", "<my-endpoint>")
    (tmp_path / "d.yml").write_text(text, encoding="utf-8")
    said = refused(tmp_path / "d.yml", "--image", IMAGE)
    assert "d.yml:4: `endpoint_name` is not a name that Azure ML takes" in said and "--endpoint-name" in said
    made = written(tmp_path, tmp_path / "d.yml", "--image", IMAGE, "--endpoint-name", "mine")
    assert made["endpoint_name"] == "mine"


# --- files --------------------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    words = (EXAMPLES / "diabetes", "--image", IMAGE, *FLAGS, "-o", tmp_path)
    (tmp_path / "deployment.yml").write_text("mine")
    assert "deployment.yml: is there already" in refused(*words)
    assert (tmp_path / "deployment.yml").read_text() == "mine"
    done = run_here("deployment", *words, "--force")
    assert done.returncode == 0
    assert f"deploy it with: az ml online-deployment create -f {tmp_path}/deployment.yml" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["deployment.yml"]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_folder_s_place_is_named(tmp_path: Path, force: bool) -> None:
    (tmp_path / "deployment.yml").write_text("mine")
    with pytest.raises(UsageError, match="is not a folder") as caught:
        write(tmp_path / "deployment.yml", "deployment.yml", "x", force=force)
    assert caught.value.location == str(tmp_path / "deployment.yml") and caught.value.hint
    assert (tmp_path / "deployment.yml").read_text() == "mine"


def test_nothing_is_left_of_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(
        EXAMPLES / "diabetes", "--image", IMAGE, *FLAGS, "-o", tmp_path / "file" / "below"
    )
    assert os.listdir(tmp_path) == ["file"]


# --- without an image ---------------------------------------------------------------------------------------------


def test_dynamic_carries_its_requirements_beside_the_entry_script(tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLES / "diabetes", tmp_path / "diabetes")
    (project / "code" / "api").mkdir()
    (project / "code" / "score.py").rename(project / "code" / "api" / "score.py")
    made = written(
        tmp_path, project, "--recipe", "dynamic", "--entry-script", "api/score.py", "--without-image", *FLAGS
    )
    assert made["environment"] == {"image": "mcr.microsoft.com/azureml/minimal-py312-inference:latest"}
    assert made["code_configuration"] == {"code": "./code", "scoring_script": "api/score.py"}
    assert made["model"] == {"name": "diabetes", "version": "1", "path": "../diabetes/model"}
    assert made["environment_variables"] == {contract.EXTRA_REQUIREMENTS: "requirements.txt"}
    code = tmp_path / "out" / "code"
    assert sorted(str(each.relative_to(code)) for each in code.rglob("*") if each.is_file()) == [
        "api/requirements.txt", "api/score.py"
    ]  # fmt: skip
    read = read_deployment(tmp_path / "out" / "deployment.yml")
    assert read.code == code and (read.model and isinstance(read.model, LocalModel) and read.model.path.exists())


def test_a_deployment_file_is_a_project_without_an_image_too(tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLES / "diabetes", tmp_path / "shop")
    (project / "code" / "api").mkdir()
    (project / "code" / "score.py").rename(project / "code" / "api" / "score.py")
    (project / "blue.yml").write_text(
        "name: blue\nendpoint_name: shop\nmodel: {path: model, name: m, version: 4}\n"
        "code_configuration: {code: code, scoring_script: api/score.py}\n"
        "environment: {image: mcr.microsoft.com/azureml/minimal-py312-inference:latest}\n"
        "environment_variables: {WORKER_COUNT: 2}\ninstance_type: X\ninstance_count: 1\n"
    )
    for words in ((project / "blue.yml",), (project,)):
        listed = ("--requirements", project / "requirements.txt")
        made = written(tmp_path, *words, "--recipe", "dynamic", *listed, "--without-image", "--force")
        assert made["code_configuration"] == {"code": "./code", "scoring_script": "api/score.py"}
        assert made["model"] == {"path": "../shop/model", "name": "m", "version": 4}
        assert made["environment_variables"] == {contract.EXTRA_REQUIREMENTS: "requirements.txt", "WORKER_COUNT": 2}
        assert (tmp_path / "out" / "code" / "api" / "requirements.txt").is_file()
        of_image = written(tmp_path, *words, "--image", IMAGE, "--force")
        assert (of_image["name"], of_image["environment_variables"]) == ("blue", {"WORKER_COUNT": 2})


def test_the_project_s_file_says_of_what_kind_the_image_is_and_what_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "dagger-aml.toml").write_text('name = "shop"\nenvironment-only = true\n')
    (tmp_path / "blue.yml").write_text(MANAGED.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "images.json").write_text(json.dumps({"shop": metadata(), "other": metadata()}))
    made = written(tmp_path, tmp_path / "blue.yml", "--metadata-file", tmp_path / "images.json")
    assert made["environment"] == {"image": IMAGE} and made["model"]["path"] == "../model"


@pytest.mark.parametrize("key", [False, True])
def test_a_folder_is_read_as_leniently_as_its_deployment_file(tmp_path: Path, key: bool) -> None:
    """Code, model and conda file need not be here: they are in the image."""
    file = tmp_path / "shop" / ("deploy/blue.yml" if key else "blue.yml")
    file.parent.mkdir(parents=True)
    file.write_text(MANAGED.read_text(encoding="utf-8"), encoding="utf-8")
    if key:
        (tmp_path / "shop" / "dagger-aml.toml").write_text('deployment = "deploy/blue.yml"\n')
    assert written(tmp_path, tmp_path / "shop", "--image", IMAGE) == written(
        tmp_path, file, "--image", IMAGE, "--force"
    )


def test_models_mounted_elsewhere_are_no_part_of_the_code(tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLES / "diabetes", tmp_path / "shop")
    (project / "blue.yml").write_text(
        "name: blue\nendpoint_name: shop\nmodel: {path: model, name: m}\nmodel_mount_path: /mnt/models\n"
        "code_configuration: {code: code, scoring_script: score.py}\n"
        "environment: {image: mcr.microsoft.com/azureml/minimal-py312-inference:latest}\n"
        "instance_type: X\ninstance_count: 1\n"
    )
    made = written(tmp_path, project / "blue.yml", "--recipe", "dynamic", "--without-image")
    assert made["model_mount_path"] == "/mnt/models"
    assert os.listdir(tmp_path / "out" / "code") == ["score.py"]


def test_a_model_that_is_a_link_keeps_the_links_name(tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLES / "diabetes", tmp_path / "diabetes")
    (project / "model").rename(tmp_path / "run-7")
    (project / "model").symlink_to(tmp_path / "run-7")
    made = written(tmp_path, project, "--recipe", "dynamic", "--without-image", *FLAGS)
    assert made["model"]["path"] == "../diabetes/model"


def test_a_recipe_without_an_entry_script_is_refused_without_an_image(tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLES / "diabetes", tmp_path / "diabetes")
    text = "from dagger_aml.steps import base\n\n\nasync def recipe(graph, project):\n"
    (project / "mine.py").write_text(f"{text}    return await base(graph, project.base)\n")
    said = refused(project, "--recipe", project / "mine.py", "--without-image", *FLAGS, "-o", tmp_path / "out")
    assert "mine.py names no entry script" in said and not (tmp_path / "out").exists()


@pytest.mark.parametrize("fails", ["folder", "file"])
def test_a_failure_leaves_the_old_pair_of_file_and_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    folder = tmp_path / "out"
    for name in ("code/old.py", "deployment.yml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    rename, write_bytes = Path.rename, Path.write_bytes

    def refused_rename(path: Path, target: Path) -> Path:
        if path.name == "new" and Path(target) == folder / "code":
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(path, target)

    def refused_write(path: Path, data: bytes) -> int:
        if path.name == "deployment.yml":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, data)

    if fails == "folder":
        monkeypatch.setattr(Path, "rename", refused_rename)
    else:
        monkeypatch.setattr(Path, "write_bytes", refused_write)
    with pytest.raises(DaggerAmlError, match="cannot be written"):
        write(folder, "deployment.yml", "new", force=True, unbuilt=Unbuilt({}, ()))
    monkeypatch.undo()
    assert sorted(str(each.relative_to(folder)) for each in folder.rglob("*")) == [
        "code", "code/old.py", "deployment.yml"
    ]  # fmt: skip
    assert {(folder / name).read_text() for name in ("code/old.py", "deployment.yml")} == {"old"}


def test_a_folder_in_the_file_s_place_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "old.py").write_text("old")
    (tmp_path / "deployment.yml").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        write(tmp_path, "deployment.yml", "new", force=True, unbuilt=Unbuilt({}, ()))
    assert (tmp_path / "code" / "old.py").read_text() == "old"


def test_preinstalled_carries_a_folder_of_packages_that_is_there(tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLES / "diabetes", tmp_path / "diabetes")
    words = (project, "--recipe", "preinstalled", "--without-image", *FLAGS)
    said = refused(*words, "-o", tmp_path / "out")
    assert "dagger-aml site-packages diabetes -o diabetes/libs" in said and not (tmp_path / "out").exists()
    package = project / "libs" / "six"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (project / "dagger-aml.toml").write_text('[preinstalled]\npath = "libs"\n')
    made = written(tmp_path, *words)
    assert made["environment_variables"] == {contract.EXTRA_LIB_PATH: "libs"}
    assert (tmp_path / "out" / "code" / "libs" / "six" / "__init__.py").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--recipe", "extended"), "runs commands"),
        (("--recipe", "preinstalled", "--via", "pythonpath"), "runs commands"),
        (("--recipe", "dynamic", "--format", "kubernetes"), "a cluster mounts no code"),
    ],
)
def test_what_no_mount_can_do_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    assert said in refused(EXAMPLES / "diabetes", "--without-image", *FLAGS, *words, "-o", tmp_path / "out")


def test_several_models_are_refused_without_an_image(tmp_path: Path) -> None:
    words = ("--recipe", "dynamic", "--without-image", *FLAGS, "-o", tmp_path / "out")
    assert "has several models" in refused(EXAMPLES / "two-models", *words)


def test_the_code_folder_that_is_read_is_never_replaced(tmp_path: Path) -> None:
    project = shutil.copytree(EXAMPLES / "diabetes", tmp_path / "diabetes")
    said = refused(project, "--recipe", "dynamic", "--without-image", *FLAGS, "-o", project, "--force")
    assert "which is copied" in said and (project / "code" / "score.py").is_file()


# --- clusters -----------------------------------------------------------------------------------------------------


def pod(**more: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The pod's spec and its container's."""
    spec = manifests(Workload("x", IMAGE, **more))[0]["spec"]["template"]["spec"]
    return spec, spec["containers"][0]


def test_the_level_restricted_holds() -> None:
    """Every control of the Pod Security Standards' level that a pod must state itself."""
    for user in (1000, None):
        spec, container = pod(user=user)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"].get("runAsUser") == user
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False and own["capabilities"] == {"drop": ["ALL"]}
        assert own["readOnlyRootFilesystem"] is True and "privileged" not in own
        assert all(set(each) == {"name", "emptyDir"} for each in spec["volumes"])
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all("hostPort" not in port for port in container["ports"])


def test_what_the_server_writes_in_is_writable() -> None:
    spec, container = pod()
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert set(mounted.values()) == set(contract.WRITABLE)
    assert list(mounted) == [each["name"] for each in spec["volumes"]]
    assert {"name": "HOME", "value": contract.WRITABLE_HOME} in container["env"]


@pytest.mark.parametrize("base", ["python:3.12-slim", "curated/minimal-py311-inference", "example.org/own:1"])
def test_an_image_runs_as_its_own_user_who_is_never_root(tmp_path: Path, base: str) -> None:
    words = ("--base", base, "--image", IMAGE, "--format", "kubernetes")
    made = written(tmp_path, EXAMPLES / "diabetes", *words, file="kubernetes.yml")
    assert made[0]["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == contract.SERVICE_ID == 1000


def test_the_end_waits_for_the_longest_request_and_no_probe_ends_it_before() -> None:
    spec, container = pod(longest=900)
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == list(drain_command(900)) and f":{contract.SCORING_PORT:04X} " in command[-1]
    assert spec["terminationGracePeriodSeconds"] > 900 + 5
    live = container["livenessProbe"]
    assert live["periodSeconds"] * live["failureThreshold"] > 900


def test_init_has_the_time_that_the_server_gives_it(tmp_path: Path) -> None:
    def seconds(*words: str) -> int:
        made = written(
            tmp_path, EXAMPLES / "diabetes", "--image", IMAGE, "--format", "kubernetes", "--force", *words,
            file="kubernetes.yml",
        )  # fmt: skip
        probe = made[0]["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
        return int(probe["periodSeconds"] * probe["failureThreshold"])

    assert 300 < seconds() < 600
    assert 1800 < seconds("--variable", "WORKER_TIMEOUT=1800") < 2200
    assert seconds("--recipe", "dynamic") == seconds() + 600


def test_a_deployment_file_says_resources_variables_probes_and_the_longest_request() -> None:
    made = list(yaml.safe_load_all(expected()[deployments.HERE / "cluster-managed.yml"]))
    spec = made[0]["spec"]["template"]["spec"]
    container = spec["containers"][0]
    said = {each["name"]: each["value"] for each in container["env"]}
    assert (said["WORKER_COUNT"], said["GREETING"], said["EXPONENT"]) == ("2", "no", "1e3")
    assert made[0]["spec"]["replicas"] == 3 and spec["terminationGracePeriodSeconds"] == 5 + 91 + 10
    assert container["livenessProbe"] == {
        "initialDelaySeconds": 30, "periodSeconds": 15, "timeoutSeconds": 3, "failureThreshold": 20,
        "httpGet": {"path": "/", "port": "http"},
    }  # fmt: skip
    of_kubernetes = list(yaml.safe_load_all(expected()[deployments.HERE / "cluster-kubernetes.yml"]))
    assert of_kubernetes[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {
        "cpu": "1", "memory": "1Gi"
    }  # fmt: skip


def test_what_a_cluster_does_not_have_is_told() -> None:
    done = run_here("deployment", MANAGED, "--image", IMAGE, "--format", "kubernetes")
    assert done.returncode == 0
    assert "has nothing like description, tags, instance_type, egress_public_network_access" in done.stderr


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """A value as Kubernetes' documentation says that it is expanded: ``$$`` is ``$``, ``$(NAME)`` the variable."""

    def one(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else variables.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", one, text)


@given(st.text("$()aHOME{}", max_size=12))
def test_values_arrive_in_a_cluster_as_they_were_said(value: str) -> None:
    _, container = pod(variables={"X": value})
    (said,) = [each["value"] for each in container["env"] if each["name"] == "X"]
    assert expanded(said, {"HOME": "other", "a": "b"}) == value


# --- YAML ---------------------------------------------------------------------------------------------------------

_READ_OTHERWISE = re.compile(
    r"[-+]?(0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]*|0[bB][01_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]+"
    r"([eE][-+]?[0-9]+)?|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?|\.(inf|nan))|~|null|true|false|yes|no|on|off|y|n|<<|="
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",
    re.IGNORECASE,
)
"""Plain scalars that some reader, of YAML 1.1 or 1.2, takes for no text."""

TRAPS = (
    *("010", "0o10", "0x1F", "1e3", "1E3", ".5", "12:30", "1_000", "yes", "No", "ON", "off", "y", "N", "~", "null"),
    *(
        "Null",
        "true",
        "2024-01-01",
        ".inf",
        ".NaN",
        "<<",
        "=",
        "",
        "-",
        "a: b",
        "a #b",
        "a:",
        "@x",
        "%x",
        "`x`",
        "!x",
    ),
    *(
        "&x",
        "*x",
        "[x]",
        "{x}",
        "? x",
        "- x",
        "a\nb",
        "a\n",
        "\ta",
        " a",
        "a ",
        "\x85",
        "\u2028",
        "\ufeff",
        "é",
        "🦋",
    ),
)


def check_text(text: str) -> None:
    made = yaml_text({"key": text, "list": [text], text: "x"})
    assert yaml.safe_load(made) == {"key": text, "list": [text], text: "x"}
    value = yaml_text({"key": text}).removeprefix("key: ").removesuffix("\n")
    assert "\n" not in value
    assert value.startswith('"') or (value == text and not _READ_OTHERWISE.fullmatch(text))


@for_each("text", [*TRAPS, *(each for each in HOSTILE if "\0" not in each)])
def test_texts_stay_texts(text: str) -> None:
    check_text(text)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.from_regex(_READ_OTHERWISE, fullmatch=True)
)
def test_any_text_stays_a_text(text: str) -> None:
    check_text(text)


def test_the_other_types_stay_too() -> None:
    data = {"a": 1, "b": 1.5, "c": True, "d": None, "e": [1, "1"], "f": {}, "g": []}
    assert yaml.safe_load(yaml_text(data)) == data
    assert list(yaml.safe_load(yaml_text(data))) == list(data)


def test_a_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="not valid UTF-8"):
        yaml_text({"a": "\udcff"})
