"""YAML files of Azure ML told apart by what they say."""

from __future__ import annotations

import subprocess
import sys

from dagger_aml.project.deployment.kinds import kind_of_file
from tests.support.cases import for_each

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"

FILES = {
    SCHEMA.format("managedOnlineDeployment") + "name: b\n": "managed deployment",
    SCHEMA.format("kubernetesOnlineDeployment") + "name: b\n": "kubernetes deployment",
    SCHEMA.format("modelBatchDeployment") + "name: b\n": "batch deployment",
    SCHEMA.format("pipelineComponentBatchDeployment"): "batch deployment",
    SCHEMA.format("managedOnlineEndpoint"): "endpoint",
    SCHEMA.format("batchEndpoint"): "endpoint",
    SCHEMA.format("environment"): "environment",
    SCHEMA.format("model"): "model",
    SCHEMA.format("commandComponent"): "component",
    SCHEMA.format("pipelineJob"): "job",
    SCHEMA.format("data"): "data",
    "$schema: http://azureml/sdk-2-0/ModelVersionPackage.json\n": "model package",
    "name: b\nendpoint_name: e\nmodel: azureml:m:1\ninstance_type: F2\n": "managed deployment",
    "name: b\nendpoint_name: {{ENDPOINT}}\nenvironment:\n  image: {{ACR}}.io/i\n": "managed deployment",
    "name: b\ninstance_type: F2\nmodel:\n  path: .\n": "managed deployment",
    "name: b\r\nendpoint_name: e\r\ntype: 'kubernetes' # here\r\n": "kubernetes deployment",
    "name: b\nendpoint_name: e\ntype: model\nmodel: azureml:m@latest\n": "batch deployment",
    "name: b\nendpoint_name: e\nmodel: azureml:m:1\ncompute: azureml:c\nmini_batch_size: 10\n": "batch deployment",
    "name: e\nauth_mode: key\n": "endpoint",
    "name: e\nimage: i\nconda_file: conda.yml\n": "environment",
    "name: m\ntype: mlflow_model\npath: model\n": "model",
    "type: pipeline\nexperiment_name: x\njobs:\n  a:\n    type: command\n": "job",
    "type: custom_model_fine_tuning\ntask: x\nmodel: azureml:m:1\ncompute: azureml:c\n": "job",
    "type: command\nname: c\nversion: 1\ncommand: python a.py\n": "component",
    "name: env\ndependencies:\n  - python=3.12\n  - pip\n": "conda file",
    "version: 3\nservices:\n  web:\n    image: i\n": "other",
    "on: push\njobs:\n": "other",
    "": "other",
}


@for_each("text", FILES)
def test_a_file_by_what_it_says(tmp_path, text):
    path = tmp_path / "any.yaml"
    path.write_bytes(text.encode())
    assert kind_of_file(path) == FILES[text]


def test_what_cannot_be_read_is_other(tmp_path):
    (tmp_path / "a.yml").write_bytes(b"\xff\xfe\x00\x01 \xff\n")
    (tmp_path / "b.yml").mkdir()
    (tmp_path / "c.json").write_text("endpoint_name: e\n", encoding="utf-8")
    assert {kind_of_file(tmp_path / name) for name in ("a.yml", "b.yml", "c.json", "none.yml")} == {"other"}


def test_one_with_bytes_that_are_no_text_is_what_it_says(tmp_path):
    """Its reader refuses it: passed over, it would give another image than it says."""
    (tmp_path / "a.yml").write_bytes(b"endpoint_name: \xff\n")
    assert kind_of_file(tmp_path / "a.yml") == "managed deployment"


def test_telling_files_apart_reads_no_yaml(tmp_path):
    (tmp_path / "a.yml").write_text("endpoint_name: e\n", encoding="utf-8")
    code = (
        "import sys, pathlib; from dagger_aml.project.deployment import kinds, read;"
        f"print(kinds.kind_of_file(pathlib.Path({str(tmp_path / 'a.yml')!r})), 'yaml' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "managed deployment False\n"
