"""Deployment files in the styles of Azure's public examples, each rebuilt small, with what lies beside it."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

from .projects import SCORE

MANAGED = "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json\n"
KUBERNETES = "$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json\n"

CONDA = "name: scoring\ndependencies:\n  - python=3.12\n  - pip\n  - pip:\n      - joblib==1.5.2\n"

MLMODEL = "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    python_version: 3.12.3\n"

MINIMAL = "mcr.microsoft.com/azureml/minimal-py312-inference:latest"
OPENMPI = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"

CODE = "code_configuration:\n  code: src\n  scoring_script: score.py\n"
MODEL = "model:\n  path: model/\n"
SIZE = "instance_type: Standard_DS3_v2\ninstance_count: 1\n"
NAMES = "name: blue\nendpoint_name: my-endpoint\n"


def environment(image: str = MINIMAL, conda: str = "env.yml") -> str:
    """An environment of an image and a conda file."""
    return f"environment:\n  image: {image}\n  conda_file: {conda}\n"


def routes(port: int = 5001, scoring: str = "/score", alive: str = "/") -> str:
    """An environment's routes."""
    each = (("liveness_route", alive), ("readiness_route", alive), ("scoring_route", scoring))
    lines = "".join(f"    {name}:\n      port: {port}\n      path: {path}\n" for name, path in each)
    return f"  inference_config:\n{lines}"


@frozen
class Style:
    """A deployment file and what becomes of it.

    :param text: of the file; ``at`` is its name, below the folder that ``files`` lie in.
    :param read: what is read of it, as ``summary`` in the test tells it; None where it is refused.
    :param refused: a part of the message or its hint.
    :param unplanned: a part of the message with which a plan refuses it; empty where it is planned.
    :param given: ``NAME:VERSION`` of the registered model that ``--model`` has to give.
    """

    name: str
    text: str
    read: str | None = None
    refused: str = ""
    unplanned: str = ""
    given: str = ""
    at: str = "deployment.yml"
    files: dict[str, str] = field(factory=dict)

    @property
    def outcome(self) -> str:
        """What becomes of it in a plan, as the table in docs has it."""
        if self.read is None:
            return "–"
        if self.unplanned:
            return f'refused: "{self.unplanned}"'
        return f"planned with `--model {self.given}=PATH`" if self.given else "planned"

    def write(self, folder: Path) -> Path:
        """Write the file and what lies beside it.

        :returns: the file.
        """
        beside = {"model/model.txt": "2\n", "src/score.py": SCORE, "env.yml": CONDA}
        for name, text in {**beside, **self.files, self.at: self.text}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return folder / self.at


ALL = "model model, code src, script score.py, image minimal, conda env.yml"

STYLES = (
    # --- code, an image and a conda file
    Style("a local model, an inference image", MANAGED + NAMES + MODEL + CODE + environment() + SIZE, ALL),
    Style("the same, without `$schema`", NAMES + MODEL + CODE + environment() + SIZE, ALL),
    Style(
        "a training image (`openmpi…`)",
        MANAGED + NAMES + MODEL + CODE + environment(OPENMPI) + SIZE,
        ALL.replace("minimal", "openmpi"),
    ),
    Style(
        "paths that lead upwards",
        MANAGED
        + NAMES
        + "model:\n  path: ../../shared/model/\ncode_configuration:\n  code: ../../shared/code/\n"
        + "  scoring_script: score.py\n"
        + environment(conda="../../shared/conda.yml")
        + SIZE,
        "model shared/model, code shared/code, script score.py, image minimal, conda shared/conda.yml",
        at="online/managed/blue.yml",
        files={"shared/model/m.txt": "2\n", "shared/code/score.py": SCORE, "shared/conda.yml": CONDA},
    ),
    Style(
        "a model with name, version and type",
        MANAGED
        + NAMES
        + "model:\n  name: diabetes\n  version: 2\n  path: model\n  type: mlflow_model\n"
        + CODE
        + environment()
        + SIZE,
        ALL.replace("model model", "mlflow model model as diabetes 2"),
    ),
    Style(
        "a model that is one file",
        MANAGED + NAMES + "model:\n  path: model/model.txt\n" + CODE + environment() + SIZE,
        ALL.replace("model model", "model model/model.txt"),
    ),
    Style(
        "the folder itself as the model (`path: .`)",
        MANAGED + NAMES + "model:\n  path: .\n" + CODE + environment() + SIZE,
        ALL.replace("model model", "model ."),
    ),
    Style(
        "an entry script in a subfolder",
        MANAGED
        + NAMES
        + MODEL
        + "code_configuration:\n  code: ./\n  scoring_script: src/score.py\n"
        + environment()
        + SIZE,
        ALL.replace("src, script score.py", "., script src/score.py"),
    ),
    Style(
        "no endpoint, which a flag of `az` names", MANAGED + "name: blue\n" + MODEL + CODE + environment() + SIZE, ALL
    ),
    Style(
        "an endpoint to be filled in: `<endpoint_name>`",
        MANAGED + "name: blue\nendpoint_name: <endpoint_name>\n" + MODEL + CODE + environment() + SIZE,
        ALL + ", to fill in <endpoint_name>",
    ),
    Style(
        "variables: texts, plain numbers",
        MANAGED
        + NAMES
        + MODEL
        + CODE
        + environment()
        + 'environment_variables:\n  WORKER_COUNT: 2\n  LOG: "true"\n  URL: https://example.org/a?b=c\n'
        + SIZE,
        ALL + ", variables WORKER_COUNT=2 LOG=true URL=https://example.org/a?b=c",
    ),
    Style(
        "probes, timeouts, data collector, Application Insights",
        MANAGED
        + NAMES
        + MODEL
        + CODE
        + environment()
        + "app_insights_enabled: true\nrequest_settings:\n  request_timeout_ms: 90000\n"
        + "liveness_probe:\n  initial_delay: 30\n  period: 10\n"
        + "data_collector:\n  sampling_rate: 0.5\n  collections:\n    model_inputs:\n      enabled: 'True'\n"
        + SIZE,
        ALL,
    ),
    Style(
        "a network of its own",
        MANAGED + NAMES + "egress_public_network_access: disabled\n" + MODEL + CODE + environment() + SIZE,
        ALL,
    ),
    Style(
        "an inline conda file",
        MANAGED
        + NAMES
        + MODEL
        + CODE
        + f"environment:\n  image: {MINIMAL}\n  conda_file:\n    dependencies:\n      - python=3.12\n"
        + SIZE,
        ALL.replace("conda env.yml", "conda inline"),
    ),
    Style(
        "an environment file of its own",
        MANAGED + NAMES + MODEL + CODE + "environment: file:environment/env.yml\n" + SIZE,
        ALL.replace("conda env.yml", "conda environment/conda.yml"),
        files={
            "environment/env.yml": f"name: scoring\nversion: 1\nimage: {MINIMAL}\nconda_file: conda.yml\n",
            "environment/conda.yml": CONDA,
        },
    ),
    Style(
        "the same, without a name in it",
        MANAGED + NAMES + MODEL + CODE + "environment: file:environment/env.yml\n" + SIZE,
        refused="the environment has no `name`",
        files={"environment/env.yml": f"image: {MINIMAL}\nconda_file: ../env.yml\n"},
    ),
    Style(
        "an environment's name and version beside its image",
        MANAGED + NAMES + MODEL + CODE + environment().replace("image", "name: env\n  version: 3\n  image") + SIZE,
        ALL,
    ),
    # --- no code, or no conda file
    Style(
        "an MLflow model alone",
        MANAGED + NAMES + "model:\n  name: m\n  version: 3\n  path: model\n  type: mlflow_model\n" + SIZE,
        "mlflow model model as m 3",
        files={"model/MLmodel": MLMODEL, "model/requirements.txt": "mlflow==3.17.2\n"},
    ),
    Style(
        "an MLflow model with a script",
        MANAGED + NAMES + "model:\n  path: model\n  type: mlflow_model\n" + CODE + environment(OPENMPI) + SIZE,
        ALL.replace("model model", "mlflow model model").replace("minimal", "openmpi"),
    ),
    Style(
        "an image alone, with the usual routes",
        MANAGED + NAMES + MODEL + CODE + f"environment:\n  image: {MINIMAL}\n" + routes() + SIZE,
        ALL.replace(", conda env.yml", ""),
    ),
    Style(
        "an image of another server, with its routes",
        MANAGED
        + NAMES
        + MODEL
        + "environment:\n  image: docker.io/tensorflow/serving:2.17.0\n"
        + routes(8501, "/v1/models/m:predict", "/v1/models/m")
        + "model_mount_path: /models\n"
        + SIZE,
        "model model, image docker.io/tensorflow/serving:2.17.0, routes of another server",
        unplanned="Azure ML's inference server, which serves the code here, answers / at port 5001",
    ),
    Style(
        "a Dockerfile (`build`)",
        MANAGED
        + NAMES
        + MODEL
        + CODE
        + "environment:\n  build:\n    path: docker\n    dockerfile_path: Dockerfile\n"
        + SIZE,
        "model model, code src, script score.py, build docker",
        files={"docker/Dockerfile": f"FROM {MINIMAL}\n"},
        unplanned="the environment is built from a Dockerfile, which must be done first",
    ),
    # --- registered
    Style(
        "a registered model, by version",
        MANAGED + NAMES + "model: azureml:diabetes:3\n" + CODE + environment() + SIZE,
        ALL.replace("model model", "registered model diabetes:3"),
        given="diabetes:3",
    ),
    Style(
        "the newest of a registered model",
        MANAGED + NAMES + "model: azureml:diabetes@latest\n" + CODE + environment() + SIZE,
        ALL.replace("model model", "registered model diabetes@latest"),
        given="diabetes:3",
    ),
    Style(
        "a model of a registry",
        MANAGED
        + NAMES
        + "model: azureml://registries/azureml/models/bert/versions/4\n"
        + CODE
        + environment()
        + SIZE,
        ALL.replace("model model", "registered model bert:4 of azureml"),
        given="bert:4",
    ),
    Style(
        "a curated environment",
        MANAGED
        + NAMES
        + MODEL
        + CODE
        + "environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest\n"
        + SIZE,
        "model model, code src, script score.py, registered environment sklearn-1.5@latest of azureml",
        unplanned="is none of the catalog, and nothing here tells its image and packages",
    ),
    Style(
        "model and environment of the workspace",
        MANAGED + NAMES + "model: azureml:m:1\n" + CODE + "environment: azureml:my-env:1\n" + SIZE,
        "registered model m:1, code src, script score.py, registered environment my-env:1",
        unplanned="is registered in Azure ML, and nothing here tells its image and packages",
    ),
    # --- Kubernetes
    Style(
        "Kubernetes: resources, scaled by load",
        KUBERNETES
        + NAMES
        + "type: kubernetes\n"
        + MODEL
        + CODE
        + environment()
        + "instance_type: defaultinstancetype\nresources:\n  requests:\n    cpu: '0.1'\n    memory: 0.1Gi\n"
        + "scale_settings:\n  type: target_utilization\n  min_instances: 1\n  max_instances: 3\n",
        "Kubernetes, " + ALL,
    ),
    Style(
        "Kubernetes: limits, tags, one instance",
        KUBERNETES
        + NAMES
        + "type: kubernetes\n"
        + MODEL
        + CODE
        + environment(OPENMPI)
        + "resources:\n  limits:\n    nvidia.com/gpu: '1'\ntags:\n  team: a\ninstance_count: 1\n"
        + "scale_settings:\n  type: default\n",
        "Kubernetes, " + ALL.replace("minimal", "openmpi"),
    ),
    Style(
        "Kubernetes, without `type: kubernetes`",
        KUBERNETES + NAMES + MODEL + CODE + environment() + SIZE,
        refused="Add `type: kubernetes`",
    ),
    # --- to be filled in, or wrong
    Style(
        "a template: `{{ENDPOINT_NAME}}`",
        MANAGED + "name: blue\nendpoint_name: {{ENDPOINT_NAME}}\n" + MODEL + CODE + environment() + SIZE,
        refused="It is a template: put a value in the place of {{ENDPOINT_NAME}}",
    ),
    Style(
        "a template: `{{ACR_NAME}}.azurecr.io/…`",
        MANAGED + NAMES + MODEL + CODE + environment("{{ACR_NAME}}.azurecr.io/i:1") + SIZE,
        refused="It is a template: put a value in the place of {{ACR_NAME}}",
    ),
    Style(
        "a script to be filled in: `<SCORING_SCRIPT>`",
        MANAGED + NAMES + MODEL + CODE.replace("score.py", "<SCORING_SCRIPT>") + environment() + SIZE,
        refused="`code_configuration.scoring_script` is not filled in: <SCORING_SCRIPT>",
    ),
    Style(
        "a bare path as the model",
        MANAGED + NAMES + "model: ./model\n" + CODE + environment() + SIZE,
        refused="which Azure ML refuses",
    ),
    Style(
        "a bare path as the environment",
        MANAGED + NAMES + MODEL + CODE + "environment: ./environment.yml\n" + SIZE,
        refused="write `environment: file:./environment.yml`",
    ),
    Style(
        "a variable of true or false, unquoted",
        MANAGED + NAMES + MODEL + CODE + environment() + "environment_variables:\n  DEBUG: true\n" + SIZE,
        refused='Write it in quotes: DEBUG: "true"',
    ),
    Style(
        "a key misspelt",
        MANAGED + NAMES + MODEL + CODE + environment() + "enviroment_variables:\n  A: b\n" + SIZE,
        refused="Did you mean 'environment_variables'?",
    ),
    Style(
        "a conda file's lines in the environment",
        MANAGED + NAMES + MODEL + CODE + f"environment:\n  image: {MINIMAL}\n  dependencies:\n    - numpy\n" + SIZE,
        refused="Put what that has below `conda_file:`",
    ),
    # --- other files
    Style(
        "an endpoint",
        "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\n"
        "name: my-endpoint\nauth_mode: key\n",
        refused="is an endpoint, not a deployment",
    ),
    Style(
        "a batch deployment",
        "name: batch\nendpoint_name: e\ntype: model\nmodel: azureml:m@latest\n"
        + CODE
        + environment()
        + "compute: c\n",
        refused="is a batch deployment",
    ),
    Style(
        "an environment",
        f"name: env\nversion: 1\nimage: {MINIMAL}\nconda_file: env.yml\n",
        refused="is an environment, not a deployment",
    ),
    Style(
        "a component",
        "$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json\n"
        "name: train\nversion: 1\ntype: command\ncommand: python train.py\n",
        refused="is a component of a pipeline, not a deployment",
    ),
    Style("a conda file", CONDA, refused="is a conda file, not a deployment"),
)
