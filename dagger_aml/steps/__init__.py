"""The verbs that recipes call, one file each: ``graph = await apt(graph, ["libgomp1"])``.

A step looks things up (a file's kind, a package's name) and lays out ops; it never builds, and never imports dagger.
"""

from .apt import apt, no_apt
from .base import base
from .code import code
from .copy import copy
from .env import env, labels
from .mlflow_script import mlflow_script
from .model import model
from .packages import packages, packages_folder, startup_packages
from .packages_files import packages_files
from .pip import pip
from .run import run
from .server import server

__all__ = [
    "apt",
    "base",
    "code",
    "copy",
    "env",
    "labels",
    "mlflow_script",
    "model",
    "no_apt",
    "packages",
    "packages_files",
    "packages_folder",
    "pip",
    "run",
    "server",
    "startup_packages",
]
