"""Put a model on Azure ML's prebuilt inference images: recipes lay out a graph, back ends carry it out.

Importing this loads neither dagger nor the command line; the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    # `as`: the form in which type checkers take an imported name for a public one.
    from .backends.base import Builder as Builder
    from .backends.base import Image as Image
    from .backends.dagger.builder import Engine as Engine
    from .backends.dagger.connect import connect as connect
    from .backends.dockerfile.context import Dockerfile as Dockerfile
    from .backends.local.find import local_builder as local_builder
    from .backends.open import open_builder as open_builder
    from .backends.outputs import Export as Export
    from .backends.result import OpResult as OpResult
    from .backends.result import Result as Result
    from .backends.result import Written as Written
    from .backends.runtime import Published as Published
    from .base.facts import BaseFacts as BaseFacts
    from .building.build import build as build
    from .building.build import container as container
    from .building.build import image as image
    from .building.graphs import lay_out as lay_out
    from .building.graphs import lay_out_each as lay_out_each
    from .building.plans import dockerfile as dockerfile
    from .building.plans import make_plan as make_plan
    from .building.plans import probe as probe
    from .errors import (
        BaseError as BaseError,
    )
    from .errors import (
        BuildError as BuildError,
    )
    from .errors import (
        DaggerAmlError as DaggerAmlError,
    )
    from .errors import (
        EngineGone as EngineGone,
    )
    from .errors import (
        EngineNotFound as EngineNotFound,
    )
    from .errors import (
        FindingsError as FindingsError,
    )
    from .errors import (
        GraphError as GraphError,
    )
    from .errors import (
        ProjectError as ProjectError,
    )
    from .errors import (
        RegistryDenied as RegistryDenied,
    )
    from .errors import (
        TransientError as TransientError,
    )
    from .errors import (
        UsageError as UsageError,
    )
    from .finding import Finding as Finding
    from .graph.access import Access as Access
    from .graph.base import From as From
    from .graph.config import Config as Config
    from .graph.graph import Built as Built
    from .graph.graph import Copy as Copy
    from .graph.graph import Graph as Graph
    from .graph.graph import Run as Run
    from .graph.mount import Mount as Mount
    from .graph.mount import Secret as Secret
    from .graph.source import Empty as Empty
    from .graph.source import Local as Local
    from .graph.source import Text as Text
    from .graph.values import FromBase as FromBase
    from .inspection.model import InspectedFile as InspectedFile
    from .inspection.model import InspectedLayer as InspectedLayer
    from .inspection.model import InspectedModel as InspectedModel
    from .inspection.model import InspectedPackage as InspectedPackage
    from .inspection.model import InspectedStep as InspectedStep
    from .inspection.model import Inspection as Inspection
    from .inspection.sources import inspect as inspect
    from .network.mounts import secret_mount as secret_mount
    from .oci.model import Layer as Layer
    from .plan.inputs import InputDigest as InputDigest
    from .plan.inputs import input_digest as input_digest
    from .plan.keys import runtime_key as runtime_key
    from .plan.making import Making as Making
    from .plan.model import Plan as Plan
    from .policy import Policy as Policy
    from .project.load import load_project as load_project
    from .project.model import Project as Project
    from .project.recipe import load_recipe as load_recipe
    from .project.settings import Options as Options
    from .serving.endpoint import Endpoint as Endpoint
    from .serving.failure import ScoreFailed as ScoreFailed
    from .serving.failure import ServeError as ServeError
    from .serving.failure import StartFailed as StartFailed
    from .serving.http import Scored as Scored
    from .serving.serve import serve as serve
    from .serving.smoke import Smoke as Smoke
    from .steps.model import Model as Model

_WHERE = {
    "backends.base": (
        "Builder",
        "Image",
    ),
    "backends.dagger.builder": ("Engine",),
    "backends.dagger.connect": ("connect",),
    "backends.dockerfile.context": ("Dockerfile",),
    "backends.local.find": ("local_builder",),
    "backends.open": ("open_builder",),
    "backends.outputs": ("Export",),
    "backends.result": (
        "OpResult",
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
    "building.graphs": (
        "lay_out",
        "lay_out_each",
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
        "FindingsError",
        "GraphError",
        "ProjectError",
        "RegistryDenied",
        "TransientError",
        "UsageError",
    ),
    "finding": ("Finding",),
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
    "inspection.model": (
        "InspectedFile",
        "InspectedLayer",
        "InspectedModel",
        "InspectedPackage",
        "InspectedStep",
        "Inspection",
    ),
    "inspection.sources": ("inspect",),
    "network.mounts": ("secret_mount",),
    "oci.model": ("Layer",),
    "plan.inputs": (
        "InputDigest",
        "input_digest",
    ),
    "plan.keys": ("runtime_key",),
    "plan.making": ("Making",),
    "plan.model": ("Plan",),
    "policy": ("Policy",),
    "project.load": ("load_project",),
    "project.model": ("Project",),
    "project.recipe": ("load_recipe",),
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
