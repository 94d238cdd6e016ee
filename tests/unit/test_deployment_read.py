"""Deployment files of Azure ML's CLI v2, read into records."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagger_aml.errors import ProjectError
from dagger_aml.project.deployment.environment import check_routes
from dagger_aml.project.deployment.model import (
    Environment,
    LocalModel,
    Place,
    Placeholder,
    RegisteredEnvironment,
    RegisteredModel,
)
from dagger_aml.project.deployment.read import read_deployment
from tests.support.cases import for_each

WHOLE = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: <endpoint_name>
model:
  path: ../models/diabetes
  name: diabetes
  version: 3
code_configuration:
  code: ./src/
  scoring_script: online/score.py
environment:
  image: mcr.microsoft.com/azureml/minimal-py312-inference:latest
  conda_file: environment/conda.yaml
environment_variables:
  WORKER_COUNT: 2
  RATE: 1e3
  GREETING: "yes"
instance_type: Standard_DS3_v2
instance_count: 1
"""

LEAST = "name: blue\nendpoint_name: e\ninstance_type: Standard_DS3_v2\n"


def read(folder: Path, text: str, **files: str):
    for name, content in files.items():
        (folder / f"{name}.yml").write_text(content, encoding="utf-8")
    path = folder / "deployment.yml"
    path.write_text(text, encoding="utf-8")
    return read_deployment(path)


def refused(folder: Path, text: str, **files: str) -> str:
    with pytest.raises(ProjectError) as caught:
        read(folder, text, **files)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_whole_file(tmp_path):
    found = read(tmp_path, WHOLE)
    path = tmp_path / "deployment.yml"
    assert (found.path, found.kind, found.name) == (path, "managed", "blue")
    assert found.model == LocalModel(
        tmp_path.parent / "models" / "diabetes", "diabetes", "3", "custom_model", Place(path, 5)
    )
    assert (found.code, found.scoring_script) == (tmp_path / "src", "online/score.py")
    assert isinstance(found.environment, Environment)
    assert found.environment.image == "mcr.microsoft.com/azureml/minimal-py312-inference:latest"
    assert found.environment.conda == tmp_path / "environment" / "conda.yaml"
    assert (found.environment.place, found.environment.places["image"]) == (Place(path, 11), Place(path, 12))
    assert found.variables == {"WORKER_COUNT": "2", "RATE": "1e3", "GREETING": "yes"}
    assert str(found.places["environment_variables.RATE"]) == f"{path}:16"
    assert found.placeholders == (Placeholder("endpoint_name", "<endpoint_name>", Place(path, 3)),)
    assert found.document["instance_count"] == 1


def test_the_least(tmp_path):
    found = read(tmp_path, LEAST)
    assert (found.model, found.code, found.environment, found.variables) == (None, None, None, {})


def test_an_environment_of_its_own_file_names_paths_beside_itself(tmp_path):
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "e.yml").write_text("name: e\nimage: i\nconda_file: conda.yml\n", encoding="utf-8")
    environment = read(tmp_path, LEAST + "environment: file:env/e.yml\n").environment
    assert isinstance(environment, Environment)
    assert (environment.name, environment.image, environment.conda) == ("e", "i", tmp_path / "env" / "conda.yml")
    assert environment.places["image"] == Place(tmp_path / "env" / "e.yml", 2)


def test_an_inline_conda_file(tmp_path):
    text = "environment:\n  image: i\n  conda_file:\n    dependencies:\n      - python=3.12\n"
    environment = read(tmp_path, LEAST + text).environment
    assert isinstance(environment, Environment)
    assert (environment.conda, environment.conda_inline) == (None, {"dependencies": ["python=3.12"]})


@pytest.mark.parametrize(
    ("text", "name", "version", "label", "registry"),
    [
        ("azureml:m:3", "m", "3", None, None),
        ("azureml:m@latest", "m", None, "latest", None),
        ("azureml://registries/azureml/{of}s/m/versions/3", "m", "3", None, "azureml"),
        ("azureml://registries/azureml/{of}s/m/labels/latest", "m", None, "latest", "azureml"),
        (
            "azureml:/subscriptions/0/resourceGroups/g/providers/Microsoft.MachineLearningServices"
            "/workspaces/w/{of}s/m/versions/3",
            "m",
            "3",
            None,
            None,
        ),
    ],
)
def test_what_is_registered(tmp_path, text, name, version, label, registry):
    model, environment = text.format(of="model"), text.format(of="environment")
    found = read(tmp_path, f"{LEAST}model: {model}\nenvironment: {environment}\n")
    path = tmp_path / "deployment.yml"
    assert found.model == RegisteredModel(model, name, version, label, registry, Place(path, 4))
    assert found.environment == RegisteredEnvironment(environment, name, version, label, registry, Place(path, 5))


def test_a_kubernetes_deployment_needs_no_instance_type(tmp_path):
    text = "name: blue\nendpoint_name: e\ntype: kubernetes\nscale_settings:\n  type: default\n"
    assert read(tmp_path, text + 'resources:\n  limits:\n    nvidia.com/gpu: "1"\n').kind == "kubernetes"


@for_each(
    ("text", "words"),
    [
        ("model: ./model\n", "deployment.yml:4: `model` is a bare text, './model', which Azure ML refuses"),
        ("model: ./model\n", "`path: ./model`"),
        ("environment: ./env.yml\n", "`environment: file:./env.yml`"),
        ("model: azureml:m\n", "deployment.yml:4: 'azureml:m' names no version"),
        (
            "model: azureml://registries/r/environments/e/versions/1\n",
            "one of the environments, not one of the models",
        ),
        ("model:\n  path: <path>\n", "deployment.yml:5: `model.path` is not filled in: <path>"),
        ("model:\n  path: azureml://datastores/d/paths/m\n", "the model lies elsewhere"),
        ("model:\n  name: m\n  version: 1\n", "`model: azureml:m:1`"),
        ("intance_count: 1\n", "deployment.yml:4: unknown key 'intance_count'\n  Did you mean 'instance_count'?"),
        ("model:\n  path: m\n  instance_count: 1\n", "belongs to the deployment"),
        ("tags:\n", "deployment.yml:4: `tags` has no value"),
        ("instance_count: many\n", "`instance_count` must be a whole number, not 'many'"),
        ("code_configuration:\n  code: src\n", "`scoring_script` is missing"),
        ("environment:\n  conda_file: c.yml\n", "the environment has neither `image` nor `build`"),
        ("environment:\n  image: i\n  os_type: windows\n", "an image for Windows cannot be built"),
        ("environment: file:none.yml\n", "which does not exist"),
        ("name: green\n", "deployment.yml:4: the key 'name' stands here twice, first on line 1"),
        ("---\nname: b\n", "is not YAML"),
        ("tags:\n\ta: b\n", "indent with blanks"),
        ("tags: {{TAGS}}\n", "It is a template: put a value in the place of {{TAGS}}."),
        ("tags: &a\n  b: *a\n", "deployment.yml:4: an alias stands within what it names"),
        ("tags: 2026-02-30\n", "is not YAML: a value is not what it is marked as: day "),
        ("tags: !mine x\n", "is not YAML: could not determine a constructor"),
        ("? [a]\n: b\n", "is not YAML: found unhashable key"),
        ("2026-01-01: a\n", "deployment.yml:4: unknown key '2026-01-01'"),
    ],
)
def test_what_is_refused(tmp_path, text, words):
    assert words in refused(tmp_path, LEAST + text)


@for_each("value", ["", "null", "yes", "010", "12:30", "1.0e+3", "0.5", "0x10", "1_000", ".5", "+1", "2026-01-01"])
def test_a_variable_that_is_no_text_is_refused(tmp_path, value):
    words = refused(tmp_path, f"{LEAST}environment_variables:\n  A: {value}\n")
    assert "deployment.yml:5: the variable A is no text" in words and f'A: "{value}"' in words


@pytest.mark.parametrize("value", ["a: b", "[1]"])
def test_a_variable_is_no_mapping_and_no_list(tmp_path, value):
    assert "the variable A is no text" in refused(tmp_path, f"{LEAST}environment_variables:\n  A:\n    {value}\n")


@for_each(
    ("text", "words"),
    [
        ("name: e\nauth_mode: key\n", "is an endpoint, not a deployment"),
        ("name: b\nendpoint_name: e\ntype: model\ncompute: azureml:c\n", "is a batch deployment"),
        ("name: e\nversion: 1\nimage: i\n", "is an environment, not a deployment"),
        ("channels: [defaults]\ndependencies: [python=3.12]\n", "is a conda file"),
        ("type: Kubernetes\nname: b\nendpoint_name: e\n", "`type` must be kubernetes, not Kubernetes"),
        ("", "is empty"),
        ("- name: a\n", "must be a mapping"),
    ],
)
def test_other_files_are_refused_by_what_they_are(tmp_path, text, words):
    assert words in refused(tmp_path, text)


def test_bytes_that_are_no_utf_8(tmp_path):
    path = tmp_path / "deployment.yml"
    for data in (LEAST.encode("utf-16"), LEAST.encode() + b"description: caf\xe9\n"):
        path.write_bytes(data)
        with pytest.raises(ProjectError, match="is not a text file in UTF-8"):
            read_deployment(path)
    path.write_bytes(b"\xef\xbb\xbf" + LEAST.encode())
    assert read_deployment(path).name == "blue"


def test_routes_of_another_server(tmp_path):
    routes = "".join(
        f"    {name}:\n      path: {path}\n      port: 8501\n"
        for name, path in (("liveness_route", "/"), ("readiness_route", "/"), ("scoring_route", "/v1"))
    )
    text = f"{LEAST}environment:\n  image: i\n  inference_config:\n{routes}"
    environment = read(tmp_path, text).environment
    assert isinstance(environment, Environment)
    with pytest.raises(ProjectError, match=r"deployment\.yml:7: `liveness_route` is / at port 8501"):
        check_routes(environment)
    usual = read(tmp_path, text.replace("8501", "5001").replace("/v1", "/score")).environment
    assert isinstance(usual, Environment)
    check_routes(usual)


def test_aliases_are_bounded(tmp_path):
    lines = [f"  a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 6)]
    text = f"{LEAST}tags:\n  a0: &a0 x\n{''.join(lines)}"
    assert "its aliases (`*name`) make too much of it" in refused(tmp_path, text)


def test_depth_and_length_are_bounded(tmp_path):
    assert "is nested too deep" in refused(tmp_path, f"{LEAST}tags: {'[' * 20}{']' * 20}\n")
    assert "is longer than 100000 characters" in refused(tmp_path, f"{LEAST}description: {'a' * 100_000}\n")


def test_links_are_followed_only_where_a_path_leads_upwards(tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "link").symlink_to("deep/er")
    paths = "model:\n  path: link/../model\ncode_configuration:\n  code: link\n  scoring_script: s.py\n"
    found = read(tmp_path, LEAST + paths)
    assert isinstance(found.model, LocalModel)
    assert (found.model.path, found.code) == (tmp_path / "deep/model", tmp_path / "link")


_PARTS = [
    *("name: a\n", "endpoint_name: e\n", "instance_type: t\n", "model:\n", "environment:\n", "  path: m\n"),
    *("  image: i\n", "code_configuration:\n", "  code: .\n", "  scoring_script: s\n", "environment_variables:\n"),
    *("  A: ", "tags: &a\n", "  b: *a\n", "<<: *a\n", "- x\n", "---\n", "...\n", "? ", "{", "}", "[", "]", ": "),
    *("\t", "null\n", "1\n", "1e999\n", "2026-13-01\n", "'", '"', "|\n", ">\n", "%YAML 3.0\n", "\ufeff", "\x00"),
    *("\x85", "é", "\n"),
]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(_PARTS) | st.text(max_size=3), max_size=12).map("".join))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path, text):
    path = tmp_path / "deployment.yml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert read_deployment(path).path == path
    except ProjectError as error:
        assert (error.location or "").startswith(str(path))
