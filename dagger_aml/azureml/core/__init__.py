"""What scripts import from ``azureml.core`` itself; each name is loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .container_registry import ContainerRegistry as ContainerRegistry
    from .environment import Environment as Environment
    from .model import Model as Model
    from .webservice import Webservice as Webservice
    from .workspace import Workspace as Workspace

_WHERE = {
    "ContainerRegistry": "container_registry",
    "Environment": "environment",
    "Model": "model",
    "Webservice": "webservice",
    "Workspace": "workspace",
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
