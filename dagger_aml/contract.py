"""Azure ML's own names: paths, variables, ports and exit codes of the prebuilt inference images.

Each stands here once, with where it comes from (docs/azureml-images.md has more). "Server" is the PyPI package
``azureml-inference-server-http``; "start script" is ``/var/runit/gunicorn/run`` of the images; the how-to pages are
Microsoft's "Extend a prebuilt Docker image" and "Python package extensibility for prebuilt Docker images".
"""

from __future__ import annotations

from typing import Final

SERVER: Final = "azureml-inference-server-http"
"""The package of the server."""

DEFAULTS: Final = "azureml-defaults"
"""The package that brings the server, SDK v1 (``azureml-core``) and its data runtime: 53 packages beside the
server's."""

BRING_SERVER: Final = frozenset({SERVER, DEFAULTS})
"""Packages with which the server is installed, by their normalised names."""

APP_ROOT: Final = "/var/azureml-app"
"""Where code goes; the server's working directory (start script: ``cd ${AML_APP_ROOT:-/var/azureml-app}``)."""

APP: Final = "AML_APP_ROOT"
"""Where the server starts and looks for code; APP_ROOT unless set."""

MODELS_ROOT: Final = f"{APP_ROOT}/azureml-models"
"""Where Azure ML mounts, and ``Model.package()`` copies, models: ``MODELS_ROOT/NAME/VERSION``."""

START_SCRIPT: Final = "/var/runit/gunicorn/run"
"""The runit service that installs what AZUREML_EXTRA_* ask for and starts the server."""

START_COMMAND: Final = ("runsvdir", "/var/runit")
"""The command of the prebuilt images; the how-to asks that it is kept and that no entrypoint is set."""

SCORING_PORT: Final = 5001
"""The port at which the image answers ``GET /`` and ``POST /score`` (nginx before the server)."""

ROUTES: Final = {"liveness_route": "/", "readiness_route": "/", "scoring_route": "/score"}
"""Paths that the image answers at SCORING_PORT, by their names in ``inference_config`` of a deployment file."""

ENTRY_SCRIPT: Final = "AZUREML_ENTRY_SCRIPT"
"""Entry script, relative to APP_ROOT; the start script breaks on an absolute one when extras are asked for."""

SOURCE_DIRECTORY: Final = "AZUREML_SOURCE_DIRECTORY"
"""A folder below APP_ROOT that the server puts on ``sys.path``; ``Model.package()`` sets it."""

SERVICE_ID: Final = 1000
"""UID and GID of dockeruser, the user of the prebuilt images."""

WRITABLE: Final = (
    *("/run", "/tmp", "/var/lib/nginx", "/var/log/nginx"),
    *("/var/runit/gunicorn/supervise", "/var/runit/nginx/supervise"),
)
"""Folders that runit, nginx and the server write in while they serve. With an empty, writable one at each, an image
serves with its root read-only, as any user (run on stand-ins; docs/azureml-images.md, 2.10)."""

WRITABLE_HOME: Final = "/tmp"
"""What HOME is where the user is arbitrary: the image has no home for such a number."""

ARBITRARY_USER: Final = (12345, 0)
"""UID and GID of nobody in the image, as OpenShift chooses them: any number, in root's group."""

MODEL_DIR: Final = "AZUREML_MODEL_DIR"
"""Folder of the model (one) or of all models (several); handed on to the entry script."""

MLFLOW_MODEL_FOLDER: Final = "MLFLOW_MODEL_FOLDER"
"""Name of an MLflow model's own folder below ``AZUREML_MODEL_DIR``, for the script that serves such models (public:
``mlflow_score_script.py`` of ``mlflow-py312-inference``)."""

DEBUG_PORT: Final = "AZUREML_DEBUG_PORT"
"""Port of the container's loopback to which the server connects with debugpy, and then waits for a debugger before it
loads the entry script (server: ``entry.py``)."""

EXTRA_LIB_PATH: Final = "AZUREML_EXTRA_PYTHON_LIB_PATH"
"""Folder of preinstalled packages, relative to the entry script's folder; put on PYTHONPATH at start."""

EXTRA_REQUIREMENTS: Final = "AZUREML_EXTRA_REQUIREMENTS_TXT"
"""pip requirements file, relative to the entry script's folder; installed at start."""

EXTRA_CONDA_YAML: Final = "AZUREML_EXTRA_CONDA_YAML"
"""conda file, relative to the entry script's folder; makes an environment at start."""

EXCLUSIVE_EXTRAS: Final = (EXTRA_LIB_PATH, EXTRA_CONDA_YAML, EXTRA_REQUIREMENTS)
"""The start script takes the first of these that is set and ignores the others without a word."""

ENVIRONMENT_PATH: Final = "AZUREML_CONDA_ENVIRONMENT_PATH"
"""In the base's config: the prefix of the Python environment that runs the server."""

EXTRAS: Final = "AZUREML_EXTRA_*"
"""The capability of a base whose start script honours the three variables above."""

SETTINGS: Final = {
    "app_root": APP,
    "source_dir": SOURCE_DIRECTORY,
    "entry_script": ENTRY_SCRIPT,
    "service_name": "SERVICE_NAME",
    "workspace_name": "WORKSPACE_NAME",
    "service_path_prefix": "SERVICE_PATH_PREFIX",
    "service_version": "SERVICE_VERSION",
    "scoring_timeout": "SCORING_TIMEOUT_MS",
    "log_level": "AZUREML_LOG_LEVEL",
    "app_insights_enabled": "AML_APP_INSIGHTS_ENABLED",
    "app_insights_key": "AML_APP_INSIGHTS_KEY",
    "mdc_storage_enabled": "AML_MDC_STORAGE_ENABLED",
    "app_insights_log_response_enabled": "APP_INSIGHTS_LOG_RESPONSE_ENABLED",
    "cors_origins": "AML_CORS_ORIGINS",
    "azureml_model_dir": MODEL_DIR,
    "hostname": "HOSTNAME",
    "debug_port": DEBUG_PORT,
}
"""The server's settings by field, each with its variable. pydantic reads the variable in any case, and so it reads
``AML_`` with the field's name (server 1.5.1: ``server/config.py``; tried)."""

OVERWRITTEN: Final = {
    "SERVER_PORT": "the server's command line sets the port",
    "HEALTH_PORT": "the server's command line sets the port for health",
}
"""Variables that the server's program sets itself before it reads them (server 1.5.1: ``amlserver.py``)."""

WORKER_COUNT, WORKER_TIMEOUT, WORKER_PRELOAD = "WORKER_COUNT", "WORKER_TIMEOUT", "WORKER_PRELOAD"

VARIABLES: Final = frozenset(
    {
        *SETTINGS.values(),
        *OVERWRITTEN,
        "AZUREML_CONDA_DEFAULT_ENVIRONMENT",
        "AZUREML_CONFIG_FILE",
        "AZUREML_EXTRA_CONDA_YAML_ABS_PATH",
        "AZUREML_INFERENCE_SERVER_HTTP_ENABLED",
        "DYNAMIC_DEP_INSTALLATION",
        MLFLOW_MODEL_FOLDER,
        "SEPERATE_HEALTH_ENDPOINT",
        "SERVER_VERSION_LOG_RESPONSE_ENABLED",
        WORKER_COUNT,
        WORKER_TIMEOUT,
        WORKER_PRELOAD,
        EXTRA_LIB_PATH,
        EXTRA_REQUIREMENTS,
        EXTRA_CONDA_YAML,
        ENVIRONMENT_PATH,
    }
)
"""Every variable that the server or the start script reads by this very name; a near miss of one is ignored without a
word."""


OF_AZURE_ML: Final = ("AZUREML_", "AML_")
"""With what names of variables begin that say that an image is for Azure ML."""


def is_read(name: str) -> bool:
    """Whether the server or the start script reads a variable of this name, of its settings in any case."""
    lower = name.lower()
    aliases = {each.lower() for each in SETTINGS.values()}
    return name in VARIABLES or lower in aliases or (lower.startswith("aml_") and lower[len("aml_") :] in SETTINGS)


_SERVER_MODULES = """
aml_blueprint appinsights_client config create_app entry exceptions input_parsers routes swagger user_script utils
"""

SERVER_MODULES: Final = frozenset(_SERVER_MODULES.split())
"""Modules in the server's own folder, which its program puts on ``sys.path`` before the code: of the code's modules,
one with such a name is never found. Read of the packages 1.2.2, 1.4.1 and 1.5.1, the newest on 2026-11-29."""

_SERVER_NEEDS = """
argparse ast base64 binascii bisect calendar collections concurrent configparser contextlib contextvars copy copyreg
ctypes dataclasses datetime decimal dis email encodings enum fcntl fnmatch fractions functools gettext hashlib heapq
hmac html http importlib inspect ipaddress json keyword locale logging math numbers opcode operator pathlib pickle
platform pprint pyexpat queue quopri random re reprlib select selectors shutil signal socket socketserver ssl string
struct subprocess sysconfig tempfile textwrap threading token traceback types typing unicodedata urllib uuid
warnings weakref xml zlib zoneinfo annotated_types azure azureml_inference_server_http blinker certifi click
cryptography deprecated dotenv fixedint flask gunicorn importlib_metadata inference_schema itsdangerous jinja2
markupsafe msal msrest oauthlib opentelemetry pydantic pydantic_core pydantic_settings requests typing_extensions
typing_inspection urllib3 werkzeug wrapt
"""

SERVER_NEEDS: Final = frozenset(_SERVER_NEEDS.split())
"""Modules, of Python's library and of packages, without which the server does not start: run on 2026-11-29 with
server 1.5.1 on Python 3.11, PYTHONPATH set to the code's folder, and one module of such a name in it. What it imports
later, and what is part of the interpreter, is not among them."""

EXIT_CODES: Final = {
    3: "the entry script could not be loaded or its init() raised",
    94: "the debug port could not be set up",
    95: "pip or conda failed to install the extra packages at start",
    96: "the inference server is missing from the conda base environment",
    97: f"the folder set in {EXTRA_LIB_PATH} does not exist",
    98: f"the file set in {EXTRA_CONDA_YAML} does not exist",
    99: f"the file set in {EXTRA_REQUIREMENTS} does not exist",
    100: "the inference server is not installed in the environment",
    111: "the server stopped, so the container stopped too",
}
"""Exit codes of the start script, the server (3) and the runit finish script (111), in words."""
