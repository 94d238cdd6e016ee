"""A Deployment and a Service of Kubernetes for an image, at the pod security level *restricted*.

The image's init ends at once when it is told to, and what is in flight is cut off (docs/azureml-images.md, 2.10). So
the pod waits before that until nobody is connected, for as long as the longest request may take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .. import contract
from ..text import named
from .workload import Workload

_SPREAD = 5
"""Seconds that a cluster needs at most, usually, to send no new requests to a pod that ends."""

_MARGIN = 10
"""Seconds between the end of the wait and the kill."""

_LOOKS = 2
"""How many looks in turn, a second apart, must find nobody: one alone may fall between two connections, or fail."""

_AT_START = 600
"""Seconds for what the start script installs."""

_PROBE = {"periodSeconds": 10, "timeoutSeconds": 2, "failureThreshold": 30}
"""As Azure ML has it for its endpoints, where a deployment file says nothing."""

_PROBE_KEYS = {
    "initial_delay": "initialDelaySeconds",
    "period": "periodSeconds",
    "timeout": "timeoutSeconds",
    "success_threshold": "successThreshold",
    "failure_threshold": "failureThreshold",
}


def manifests(workload: Workload) -> tuple[dict[str, Any], dict[str, Any]]:
    """The Deployment and the Service."""
    name = workload.name
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "dagger-aml"}
    selector = {"app.kubernetes.io/name": name}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": workload.replicas,
            # A new pod serves before an old one ends.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": labels}, "spec": _pod(workload)},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }
    return deployment, service


def about(workload: Workload) -> str:
    """What a reader of the manifest should know, as lines of a comment."""
    who = (
        "The cluster chooses whom it runs as, which any number may be."
        if workload.user is None
        else f"It runs as {workload.user}. Where the cluster chooses (OpenShift), write it with "
        f"{named('user', 'any')}."
    )
    return "\n".join(
        (
            "- " + who,
            f"- The root is read-only; the server writes in {', '.join(contract.WRITABLE)}.",
            f"- Before it ends, it waits until nobody is connected, for {workload.longest} s at most, since its init",
            "  cuts off what is in flight.",
        )
    )


def drain_command(longest: int) -> tuple[str, ...]:
    """What a container runs before it is told to end: it waits until nobody has been connected to the scoring port
    for two looks in turn.

    :param longest: seconds after which it waits no more.
    """
    connected = (
        f"cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ': [0-9A-F]*:{contract.SCORING_PORT:04X} .* 01 '"
    )
    loop = (
        f"n=0; alone=0; while [ $n -lt {longest} ] && [ $alone -lt {_LOOKS} ]; "
        f"do if {connected}; then alone=0; else alone=$((alone+1)); fi; sleep 1; n=$((n+1)); done"
    )
    return ("/bin/sh", "-c", f"sleep {_SPREAD}; {loop}")


def _pod(workload: Workload) -> dict[str, Any]:
    user = {} if workload.user is None else {"runAsUser": workload.user}
    folders = {path.strip("/").replace("/", "-"): path for path in contract.WRITABLE}
    return {
        "terminationGracePeriodSeconds": _SPREAD + workload.longest + _MARGIN,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, **user, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "server",
                "image": workload.image,
                "ports": [{"name": "http", "containerPort": contract.SCORING_PORT}],
                "env": [
                    {"name": key, "value": _unexpanded(value)}
                    for key, value in {"HOME": contract.WRITABLE_HOME, **workload.variables}.items()
                ],
                **({"resources": workload.resources} if workload.resources else {}),
                **_probes(workload),
                "lifecycle": {"preStop": {"exec": {"command": list(drain_command(workload.longest))}}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": [{"name": name, "mountPath": path} for name, path in folders.items()],
            }
        ],
        "volumes": [{"name": name, "emptyDir": {}} for name in folders],
    }


def _probes(workload: Workload) -> dict[str, Any]:
    """A liveness probe that outlasts the longest request, since a worker at work does not answer it."""
    asked = {"httpGet": {"path": "/", "port": "http"}}
    live = {**_PROBE, "failureThreshold": max(30, math.ceil(workload.longest / 10) + 3), **_said(workload.liveness)}
    live.pop("successThreshold", None)  # Kubernetes takes none but 1.
    until_live = int(live.get("initialDelaySeconds", 0)) + int(live["periodSeconds"]) * int(live["failureThreshold"])
    seconds = max(workload.init, until_live) + (_AT_START if workload.installs else 0) + 60
    return {
        "startupProbe": {
            "periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": math.ceil(seconds / 5), **asked
        },
        "livenessProbe": {**live, **asked},
        "readinessProbe": {**_PROBE, **_said(workload.readiness), **asked},
    }  # fmt: skip


def _said(probe: Mapping[str, Any]) -> dict[str, int]:
    """A deployment file's probe in Kubernetes' words."""
    return {theirs: int(probe[ours]) for ours, theirs in _PROBE_KEYS.items() if probe.get(ours) is not None}


def _unexpanded(value: str) -> str:
    """A value as Kubernetes takes it: without more, ``$(NAME)`` would be replaced, and ``$$`` halved."""
    return value.replace("$", "$$")
