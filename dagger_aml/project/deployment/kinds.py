"""What a YAML file of Azure ML's is, by what it says: a deployment, an endpoint, an environment …"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ...errors import ProjectError
from ...requirements.conda_yaml import is_conda
from ...requirements.files import decoded, read_bytes

FileKind = Literal[
    "managed deployment",
    "kubernetes deployment",
    "batch deployment",
    "endpoint",
    "environment",
    "model",
    "component",
    "job",
    "data",
    "model package",
    "conda file",
    "other",
]

DEPLOYMENTS: tuple[FileKind, ...] = ("managed deployment", "kubernetes deployment")
"""The kinds that :func:`~.read.read_deployment` reads."""

_LARGEST = 400_000

_LINE = re.compile(r"""^(["']?)(?P<key>[$\w][\w.-]*)\1[ \t]*:(?:[ \t]+(?P<value>[^\n]*))?$""", re.MULTILINE)
"""A key at the beginning of a line."""

_SCHEMA: tuple[tuple[str, FileKind], ...] = (
    ("managedonlinedeployment", "managed deployment"),
    ("kubernetesonlinedeployment", "kubernetes deployment"),
    ("batchdeployment", "batch deployment"),
    ("endpoint", "endpoint"),
    ("environment", "environment"),
    ("modelversionpackage", "model package"),
    ("component", "component"),
    ("job", "job"),
    ("model", "model"),
    ("data", "data"),
)
"""Parts of the schemas' names in lower case; the first that fits counts."""

_MODELS = frozenset({"custom_model", "mlflow_model", "triton_model"})
_DATA = frozenset({"uri_folder", "uri_file", "mltable"})

_ONLINE = frozenset(
    {"instance_type", "instance_count", "request_settings", "scale_settings", "model_mount_path", "data_collector"}
    | {"liveness_probe", "readiness_probe", "app_insights_enabled", "egress_public_network_access"}
)
"""Keys that only online deployments have."""

_BATCH = frozenset(
    {"mini_batch_size", "output_action", "output_file_name", "max_concurrency_per_instance", "settings"}
)


def kind_of_file(path: Path) -> FileKind:
    """What a file is, by the keys at the beginning of its lines, whatever its name is. No YAML is read for that, and
    nothing is said of a file that cannot be read: it is ``other``. One with bytes that are no text may be any."""
    if path.suffix.lower() not in (".yml", ".yaml"):
        return "other"
    try:
        if path.stat().st_size > _LARGEST:
            return "other"
        data = read_bytes(path)
    except (OSError, ProjectError):
        return "other"
    try:
        text = decoded(data, path)
    except ProjectError:  # Its reader tells of the bytes that are no text.
        text = data.decode("utf-8", "replace")
    text = text.replace("\r\n", "\n")
    found = {each["key"]: _bare(each["value"] or "") for each in _LINE.finditer(text)}
    kind = kind_of(found)
    return "conda file" if kind == "other" and is_conda(path) else kind


def kind_of(keys: Mapping[str, object]) -> FileKind:
    """What a file is, by its top-level keys; of the values only those of ``$schema`` and ``type`` count."""
    schema = str(keys.get("$schema") or "").rpartition("/")[2].lower()
    kind = str(keys.get("type") or "").lower()
    for part, told in _SCHEMA:
        if part in schema:
            return "kubernetes deployment" if told == "managed deployment" and kind == "kubernetes" else told
    if {"dependencies", "channels"} & keys.keys():
        return "other" if "endpoint_name" not in keys else "managed deployment"
    if _is_batch(keys, kind):
        return "batch deployment"
    if {"endpoint_name", "code_configuration"} & keys.keys() or _ONLINE & keys.keys():
        return "kubernetes deployment" if kind == "kubernetes" else "managed deployment"
    return _asset(keys, kind)


def _is_batch(keys: Mapping[str, object], kind: str) -> bool:
    if {"task", "training_data"} & keys.keys() or not {
        "endpoint_name",
        "code_configuration",
        "model",
        "component",
        "job_definition",
    } & keys.keys():
        return False
    return (
        (kind in ("model", "pipeline", "batch") and "jobs" not in keys)
        or ("compute" in keys and "command" not in keys and "jobs" not in keys)
        or len(_BATCH & keys.keys()) > (kind not in ("model", "batch"))
    )


def _asset(keys: Mapping[str, object], kind: str) -> FileKind:
    """What a file is that is no deployment and names no schema."""
    if "on" in keys:
        return "other"  # A workflow of GitHub, which has jobs too.
    if {"auth_mode", "traffic", "mirror_traffic"} & keys.keys():
        return "endpoint"
    if kind in _MODELS or ({"flavors", "stage"} & keys.keys() and "path" in keys):
        return "model"
    if kind in _DATA and "path" in keys:
        return "data"
    if {"jobs", "command", "trial", "task"} & keys.keys():
        own = {"version", "is_deterministic", "display_name"} & keys.keys()
        return (
            "job" if {"experiment_name", "compute", "settings"} & keys.keys() or "version" not in own else "component"
        )
    if {"image", "build", "conda_file"} & keys.keys() and not {"services", "steps", "stages"} & keys.keys():
        return "environment" if {"name", "version", "conda_file", "inference_config"} & keys.keys() else "other"
    return "other"


def _bare(value: str) -> str:
    """A value without its quotes and a comment behind it."""
    value = value.strip()
    if value[:1] in ("'", '"'):
        return value[1:].partition(value[0])[0]
    return re.sub(r"(^|\s)#.*", "", value).strip()
