"""What a deployment file of Azure ML's CLI v2 says, as far as it decides an image, and the whole of it as data.

Paths are absolute and were relative to the file that says them; whether they exist is told where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import field

from ...data import frozen
from ...finding import FileLocation

Kind = Literal["managed", "kubernetes"]

BAKED = ("model", "model_mount_path", "code_configuration")
"""Keys of what an image has in itself where it is made of the whole file."""

OF_THE_IMAGE = frozenset(
    {*BAKED, *("environment", "environment_variables"), *("$schema", "name", "endpoint_name", "type")}
)
"""Keys that decide an image, or its name; all others are about what runs it."""


@frozen
class Place:
    """Where a value stands.

    :param file: that says it; ``line`` from 1.
    """

    file: Path
    line: int

    def __str__(self) -> str:
        return self.location

    @property
    def location(self) -> FileLocation:
        """As an error's location, the file's path absolute."""
        return FileLocation(str(self.file), self.file, self.line)


@frozen
class LocalModel:
    """A model that lies on this machine: an object ``model`` with a ``path``.

    :param path: a file or a folder.
    :param name: as the file says it; None where it does not, and the path's own name is taken, version 1.
    :param type: ``custom_model``, ``mlflow_model`` or ``triton_model``.
    """

    path: Path
    name: str | None
    version: str | None
    type: str
    place: Place


@frozen
class RegisteredModel:
    """A model of a workspace or a registry: ``azureml:NAME:VERSION``, ``azureml:NAME@LABEL``, or a registry's URI.

    :param text: as the file says it.
    :param version: None where a label says which.
    :param label: as ``latest``; None where a version is named.
    :param registry: None for the workspace's own.
    """

    text: str
    name: str
    version: str | None
    label: str | None
    registry: str | None
    place: Place


@frozen
class Route:
    """One of ``inference_config``'s: a path such as ``/score``, and a port."""

    path: str
    port: int


@frozen
class Environment:
    """An environment that the file says whole, inline or by a file of its own.

    :param image: a reference; None where only ``build`` makes one.
    :param conda: a conda file; None without. ``conda_inline`` the same where its content stands in the YAML.
    :param build: the build context's keys (``path``, ``dockerfile_path``); None without.
    :param routes: of ``inference_config`` by name (``liveness_route``, ``readiness_route``, ``scoring_route``).
    :param place: of the environment; ``places`` of its keys.
    """

    name: str | None
    version: str | None
    image: str | None
    conda: Path | None
    conda_inline: Mapping[str, Any] | None
    build: Mapping[str, Any] | None
    routes: Mapping[str, Route]
    place: Place
    places: Mapping[str, Place] = field(factory=dict, repr=False)


@frozen
class RegisteredEnvironment:
    """An environment of a workspace or a registry, as :class:`RegisteredModel` is a model."""

    text: str
    name: str
    version: str | None
    label: str | None
    registry: str | None
    place: Place


@frozen
class Placeholder:
    """A value that is still to be filled in, where no image depends on it.

    :param key: its keys, with dots between them.
    :param text: the part to be replaced, such as ``<endpoint_name>``.
    """

    key: str
    text: str
    place: Place


@frozen
class Deployment:
    """A deployment file.

    :param path: the file, absolute.
    :param model_mount_path: absolute in the image; None for the usual place.
    :param code: the folder of ``code_configuration``; None without one.
    :param scoring_script: relative to it; None without one.
    :param variables: ``environment_variables``, all of them texts.
    :param placeholders: what is still to be filled in.
    :param document: the whole file as data with YAML 1.1's types, for what is carried over unchanged.
    :param places: of top-level keys, of each variable (``environment_variables.NAME``), and of what request settings,
        probes and ``code_configuration`` say (``request_settings.request_timeout_ms``).
    """

    path: Path
    kind: Kind
    name: str
    endpoint_name: str | None
    model: LocalModel | RegisteredModel | None
    model_mount_path: str | None
    code: Path | None
    scoring_script: str | None
    environment: Environment | RegisteredEnvironment | None
    variables: Mapping[str, str]
    document: Mapping[str, Any] = field(repr=False)
    placeholders: tuple[Placeholder, ...] = ()
    places: Mapping[str, Place] = field(factory=dict, repr=False)

    @property
    def runs_an_image(self) -> bool:
        """Whether it runs an image that brings its code along, so that there is nothing to be made."""
        found = self.environment
        bare = isinstance(found, Environment) and found.image and not (found.conda or found.conda_inline)
        return self.code is None and bool(bare)
