"""Put a model on Azure ML's prebuilt inference images: recipes lay out a graph, back ends carry it out.

Importing this loads neither dagger nor the command line; the names below are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .access import Access, Mount, Secret, secret_mount
    from .api import ask, build, container, dockerfile, image, make_plan
    from .backends.builder import Builder, Image
    from .backends.dockerfile import Dockerfile
    from .backends.local import local_builder
    from .engine import Engine, connect
    from .errors import (
        BaseError,
        BuildError,
        DaggerAmlError,
        EngineGone,
        EngineNotFound,
        GraphError,
        ProjectError,
        RegistryDenied,
        TryAgain,
        UsageError,
    )
    from .exports import Export
    from .facts import BaseFacts
    from .graph import Built, Config, Copy, Empty, From, FromBase, Graph, Local, Run, Text
    from .options import Options
    from .plan import Plan, fingerprint
    from .project import Project, load_project
    from .recipe import lay_out, lay_out_each, load_recipe
    from .result import Layer, Result, Written
    from .serving.container import Published
    from .serving.endpoint import Endpoint
    from .serving.failure import ScoreFailed, ServeError, StartFailed
    from .serving.http import Scored
    from .serving.serve import serve
    from .serving.smoke import Smoke
    from .steps.model import Model

_WHERE = {
    "access": ("Access", "Mount", "Secret", "secret_mount"),
    "api": ("ask", "build", "container", "dockerfile", "image", "make_plan"),
    "backends.builder": ("Builder", "Image"),
    "backends.dockerfile": ("Dockerfile",),
    "backends.local": ("local_builder",),
    "engine": ("Engine", "connect"),
    "errors": (
        "BaseError",
        "BuildError",
        "DaggerAmlError",
        "EngineGone",
        "EngineNotFound",
        "GraphError",
        "ProjectError",
        "RegistryDenied",
        "TryAgain",
        "UsageError",
    ),
    "exports": ("Export",),
    "facts": ("BaseFacts",),
    "graph": ("Built", "Config", "Copy", "Empty", "From", "FromBase", "Graph", "Local", "Run", "Text"),
    "plan": ("Plan", "fingerprint"),
    "options": ("Options",),
    "project": ("Project", "load_project"),
    "recipe": ("lay_out", "lay_out_each", "load_recipe"),
    "result": ("Layer", "Result", "Written"),
    "serving.container": ("Published",),
    "serving.endpoint": ("Endpoint",),
    "serving.failure": ("ScoreFailed", "ServeError", "StartFailed"),
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
