"""Put a model on Azure ML's prebuilt inference images: recipes lay out a graph, back ends carry it out.

Importing this loads neither dagger nor the command line; the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .backends.base import Builder, Image
    from .backends.dagger.connect import Engine, connect
    from .backends.dockerfile.context import Dockerfile
    from .backends.local.find import local_builder
    from .backends.outputs import Export
    from .backends.result import Result, Written
    from .backends.runtime import Published
    from .base.facts import BaseFacts
    from .building.build import build, container, image
    from .building.plans import dockerfile, make_plan, probe
    from .errors import (
        BaseError,
        BuildError,
        DaggerAmlError,
        EngineGone,
        EngineNotFound,
        GraphError,
        ProjectError,
        RegistryDenied,
        TransientError,
        UsageError,
    )
    from .graph.access import Access
    from .graph.base import From
    from .graph.config import Config
    from .graph.graph import Built, Copy, Graph, Run
    from .graph.mount import Mount, Secret
    from .graph.source import Empty, Local, Text
    from .graph.values import FromBase
    from .network.mounts import secret_mount
    from .oci.model import Layer
    from .plan.keys import runtime_key
    from .plan.model import Plan
    from .policy import Policy
    from .project.load import load_project
    from .project.model import Project
    from .project.recipe import lay_out, lay_out_each, load_recipe
    from .project.settings import Options
    from .serving.endpoint import Endpoint
    from .serving.failure import ScoreFailed, ServeError, StartFailed
    from .serving.http import Scored
    from .serving.serve import serve
    from .serving.smoke import Smoke
    from .steps.model import Model

_WHERE = {
    "backends.base": (
        "Builder",
        "Image",
    ),
    "backends.dagger.connect": (
        "Engine",
        "connect",
    ),
    "backends.dockerfile.context": ("Dockerfile",),
    "backends.local.find": ("local_builder",),
    "backends.outputs": ("Export",),
    "backends.result": (
        "Result",
        "Written",
    ),
    "backends.runtime": ("Published",),
    "base.facts": ("BaseFacts",),
    "building.build": (
        "build",
        "container",
        "image",
    ),
    "building.plans": (
        "probe",
        "dockerfile",
        "make_plan",
    ),
    "errors": (
        "BaseError",
        "BuildError",
        "DaggerAmlError",
        "EngineGone",
        "EngineNotFound",
        "GraphError",
        "ProjectError",
        "RegistryDenied",
        "TransientError",
        "UsageError",
    ),
    "graph.access": ("Access",),
    "graph.base": ("From",),
    "graph.config": ("Config",),
    "graph.graph": (
        "Built",
        "Copy",
        "Graph",
        "Run",
    ),
    "graph.mount": (
        "Mount",
        "Secret",
    ),
    "graph.source": (
        "Empty",
        "Local",
        "Text",
    ),
    "graph.values": ("FromBase",),
    "network.mounts": ("secret_mount",),
    "oci.model": ("Layer",),
    "plan.keys": ("runtime_key",),
    "plan.model": ("Plan",),
    "policy": ("Policy",),
    "project.load": ("load_project",),
    "project.model": ("Project",),
    "project.recipe": (
        "lay_out",
        "lay_out_each",
        "load_recipe",
    ),
    "project.settings": ("Options",),
    "serving.endpoint": ("Endpoint",),
    "serving.failure": (
        "ScoreFailed",
        "ServeError",
        "StartFailed",
    ),
    "serving.http": ("Scored",),
    "serving.serve": ("serve",),
    "serving.smoke": ("Smoke",),
    "steps.model": ("Model",),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
