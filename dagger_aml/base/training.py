"""Azure ML's images for training, ``azureml/openmpi…``: services and start script are there, the server is not.

docs/azureml-images.md, 1.5, has where this is from. Online deployments name them all the same.
"""

from __future__ import annotations

from .. import contract
from .facts import BaseFacts
from .plain_python import DIRECTORIES

REPOSITORY = "/azureml/openmpi"
"""How their repositories begin, behind any host and prefix."""

_HOME = "/opt/miniconda"


def is_training(reference: str) -> bool:
    """Whether a reference is that of one of them, or of a mirror's."""
    return REPOSITORY in f"/{reference}"


def assumed_training() -> BaseFacts:
    """What is assumed of one that is not asked; the version of its Python is not known."""
    return BaseFacts(
        source="assumed",
        user="",
        uid=0,
        gid=0,
        environment=_HOME,
        interpreter=f"{_HOME}/bin/python3",
        server="",
        starts=True,
        cmd=contract.START_COMMAND,
        paths=DIRECTORIES,
    )
