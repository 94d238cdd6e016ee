"""Golden deployment files: what `deployment` writes in each of its forms, and of files that were read.

``python -m tools.deployment_files`` asks azure-ai-ml and Kubernetes' schemas whether they take them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio

from dagger_aml import Graph, Options, load_project, load_recipe, make_plan
from dagger_aml.cli.flags import in_flags
from dagger_aml.deploying.azureml import Said, baked, environment_only
from dagger_aml.deploying.image import image_of
from dagger_aml.deploying.kubernetes import about, manifests
from dagger_aml.deploying.subject import Subject, subject, subject_of
from dagger_aml.deploying.without_image import without_image
from dagger_aml.deploying.workload import Workload, workload_of
from dagger_aml.deploying.yaml_text import yaml_text
from dagger_aml.project.deployment.model import Deployment
from dagger_aml.project.deployment.read import read_deployment
from dagger_aml.text import speaking

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "diabetes"
IMAGE = image_of(f"registry.example/churn:1@sha256:{'0' * 64}")
SAID = Said("blue", "diabetes-endpoint", "Standard_DS3_v2", 2, {"WORKER_COUNT": "010", "PRICE": "$(HOME) $$ 1e3"})


def read(name: str) -> Deployment:
    """One of the files that are read."""
    return read_deployment(HERE / "read" / f"{name}.yml")


def of(name: str) -> Subject:
    """The same, as PROJECT."""
    return subject(str(HERE / "read" / f"{name}.yml"), Options())


def texts() -> Iterator[tuple[Path, str]]:
    """Each golden file and what it must hold."""
    documents: Mapping[str, Mapping[str, Any]] = {
        "baked": baked(IMAGE, SAID, None),
        "baked-managed": baked(IMAGE, Said(), read("managed")),
        "baked-kubernetes": baked(IMAGE, Said(name="green", variables={"WORKER_COUNT": "4"}), read("kubernetes")),
        "environment-managed": environment_only(IMAGE, Said(), read("managed"), HERE),
        "environment-kubernetes": environment_only(IMAGE, Said(), read("kubernetes"), HERE / "read"),
        "dynamic": _dynamic(),
    }
    for name, document in documents.items():
        yield HERE / f"{name}.yml", yaml_text(document, head="Written for a test.")
    workloads = {
        "cluster": workload_of(IMAGE, Said(variables=SAID.variables), subject_of(load_project(EXAMPLE))),
        "cluster-managed": workload_of(IMAGE, Said(), of("managed"), user="any"),
        "cluster-kubernetes": workload_of(IMAGE, Said(), of("kubernetes"), longest=20),
    }
    for name, workload in workloads.items():
        yield HERE / f"{name}.yml", cluster_text(workload)


def cluster_text(workload: Workload) -> str:
    """A workload's manifests, as the command writes them."""
    with speaking(in_flags):
        return yaml_text(*manifests(workload), head=about(workload))


def _dynamic() -> Mapping[str, Any]:
    project = load_project(EXAMPLE, Options(recipe="dynamic"))
    plan = make_plan(anyio.run(load_recipe("dynamic"), Graph(), project))
    return without_image(project, plan, SAID, EXAMPLE / "azure").document
