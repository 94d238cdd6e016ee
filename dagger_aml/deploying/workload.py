"""What is to run in a cluster: of flags, a deployment file and a project."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from attrs import field

from .. import contract
from ..base import catalog
from ..data import frozen
from ..errors import UsageError
from ..project.deployment.model import OF_THE_IMAGE
from ..project.model import Project
from ..text import named
from .azureml import Said
from .subject import Subject

_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")

_TIMEOUT = 300
"""Seconds after which the images' server ends a worker that answers nothing, at its start too."""

_TAKEN = OF_THE_IMAGE | {"instance_count", "resources", "liveness_probe", "readiness_probe", "request_settings"}
"""Keys of a deployment file that mean something here, or that the image takes the place of."""


@frozen
class Workload:
    """What runs in a cluster.

    :param name: of Deployment and Service, a DNS label.
    :param image: with its digest.
    :param variables: set when the container starts, over those of the image.
    :param user: the number that the container runs as; None where the cluster chooses one, as OpenShift does.
    :param longest: seconds that a request may take.
    :param init: seconds that ``init()`` may take.
    :param installs: whether the start script installs packages first.
    :param resources: ``requests`` and ``limits``, as a deployment file and Kubernetes have them alike.
    :param liveness: a deployment file's probe; ``readiness`` likewise.
    :param dropped: keys of the deployment file that have no counterpart in a cluster.
    """

    name: str
    image: str
    variables: Mapping[str, str] = field(factory=dict)
    replicas: int = 1
    user: int | None = contract.SERVICE_ID
    longest: int = _TIMEOUT
    init: int = _TIMEOUT
    installs: bool = False
    resources: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    liveness: Mapping[str, Any] = field(factory=dict)
    readiness: Mapping[str, Any] = field(factory=dict)
    dropped: tuple[str, ...] = ()


def workload_of(
    image: str,
    said: Said,
    of: Subject,
    *,
    user: int | Literal["any"] | None = None,
    longest: int | None = None,
) -> Workload:
    """What is to run.

    :param user: said by flag: a number, or any of the cluster's choice; the base's own unless said.
    :param longest: seconds that a request may take, said by flag.
    :raises UsageError: no name that a cluster takes; an instance type; an image without code.
    """
    if said.instance_type:
        raise UsageError(
            "a cluster has no instance types of Azure ML's", location=named("instance_type"), hint="Remove it."
        )
    read, project = of.deployment, of.project
    if of.environment_only:
        raise UsageError(
            "an image of packages alone cannot serve in a cluster, where nothing mounts code into it",
            location=project.origins.get("environment_only") if project else str(read.path) if read else None,
            hint="Build an image with code and model.",
        )
    document: Mapping[str, Any] = read.document if read else {}
    variables = {**(read.variables if read else {}), **said.variables}
    known = {**(project.env if project else {}), **variables}
    installs = contract.EXTRA_REQUIREMENTS in known or contract.EXTRA_CONDA_YAML in known
    timeout = _seconds(known.get(contract.WORKER_TIMEOUT), _TIMEOUT)
    return Workload(
        name=_name(said, of),
        image=image,
        variables=variables,
        replicas=said.instance_count or int(document.get("instance_count") or 1),
        user=_user(project) if user is None else None if user == "any" else user,
        longest=longest or _request_timeout(document) or timeout,
        init=timeout,
        installs=installs or bool(project and project.recipe == "dynamic"),
        resources=document.get("resources") or {},
        liveness=document.get("liveness_probe") or {},
        readiness=document.get("readiness_probe") or {},
        dropped=tuple(key for key in document if key not in _TAKEN),
    )


def _name(said: Said, of: Subject) -> str:
    if said.name:
        if not _NAME.fullmatch(said.name):
            raise UsageError(
                f"not a name that Kubernetes takes: {said.name!r}",
                location=named("name"),
                hint="At most 63 of a-z, 0-9 and '-'; the first is a letter, the last is no '-'.",
            )
        return said.name
    text = of.name
    if said.endpoint_name:
        text = f"{said.endpoint_name}-{of.deployment.name}" if of.deployment else said.endpoint_name
    made = re.sub(r"[^a-z0-9]+", "-", text.lower())[:63].strip("-")
    if not _NAME.fullmatch(made):
        raise UsageError(
            f"no name for a cluster can be made of {text!r}",
            location=named("name"),
            hint=f"Add {named('name', 'NAME')}.",
        )
    return made


def _user(project: Project | None) -> int:
    """The number that the image runs as; never root's, since the step ``server`` adds a user to a base without."""
    return int(str(catalog.assumed(project.base).literal("service_uid"))) if project else contract.SERVICE_ID


def _request_timeout(document: Mapping[str, Any]) -> int | None:
    said = (document.get("request_settings") or {}).get("request_timeout_ms")
    return math.ceil(int(said) / 1000) if said else None


def _seconds(text: str | None, usual: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) > 0 else usual
