"""Web services: what a script says of one is kept; to deploy one is Azure's."""

from __future__ import annotations

from typing import Any

from ...data import frozen
from ..exceptions import elsewhere

__all__ = ["AciWebservice", "AksWebservice", "DeploymentConfiguration", "LocalWebservice", "Webservice"]

RUN = "Run the packaged image: `docker run -p 6789:5001 IMAGE`, or `dagger-aml run` the project."


@frozen
class DeploymentConfiguration:
    """What a script says of a deployment; nothing here reads it.

    :param said: by name.
    """

    kind: str
    said: dict[str, Any]


class Webservice:
    """A web service, which nothing here can reach.

    :raises UserErrorException: always.
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        raise elsewhere(type(self).__name__, RUN)

    @classmethod
    def deploy_configuration(cls, **said: Any) -> DeploymentConfiguration:
        """What ``Model.deploy`` would be told."""
        return DeploymentConfiguration(cls.__name__, said)


class AciWebservice(Webservice):
    """One in Azure Container Instances."""


class AksWebservice(Webservice):
    """One in Azure Kubernetes Service."""


class LocalWebservice(Webservice):
    """One in docker, which SDK v1 starts from a workspace's image."""
