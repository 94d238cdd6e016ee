"""A deployment file as a project takes it: what it says of the project's settings, each with its line."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from ...data import frozen
from ..origin import Origin, Rank, Stated
from ..setting import Setting
from .model import Deployment, Environment, Place, RegisteredEnvironment
from .place import shown

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
"""An endpoint's name; a placeholder such as ``<endpoint>`` is none."""


@frozen
class DeploymentFile:
    """A deployment file, and what of it decides the project.

    :param root: the project's folder, which places are shown relative to.
    :param found: whether it was found in the folder; else PROJECT, a flag, a variable or the project's file names it.
    :param base: what its environment says of the base; None where that is nothing, or something else says the base.
    :param why_base: why that is not the image that the file names; empty where it is.
    :param adds: packages that it does not list and the image needs beside it.
    """

    deployment: Deployment
    root: Path
    found: bool = False
    base: Stated | None = None
    why_base: str = ""
    adds: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """How messages name the file: relative to the project."""
        return shown(self.deployment.path, self.root)

    @property
    def name(self) -> str:
        """What the project is called: the endpoint, if it has a name yet, and the deployment."""
        endpoint = self.deployment.endpoint_name or ""
        return f"{endpoint}-{self.deployment.name}" if _NAME.fullmatch(endpoint) else self.deployment.name

    @property
    def mount_path(self) -> str | None:
        """Where models go in the image; None for the usual place."""
        path = self.deployment.model_mount_path
        return posixpath.normpath(path) if path else None

    @property
    def environment(self) -> Environment | None:
        """The environment, where the file says it whole."""
        found = self.deployment.environment
        return found if isinstance(found, Environment) else None

    def origin(self, *keys: str) -> Origin:
        """The line of the first of some top-level keys that the file has; else the file."""
        place = next((self.deployment.places[key] for key in keys if key in self.deployment.places), None)
        return self.at(place)

    def variable(self, name: str) -> Origin:
        """The line of a variable."""
        return self.origin(f"environment_variables.{name}", "environment_variables")

    def of_environment(self, key: str) -> Origin:
        """The line of a key of the environment, which may stand in a file of its own."""
        found = self.deployment.environment
        if isinstance(found, Environment):
            return self.at(found.places.get(key, found.place))
        return self.at(found.place if isinstance(found, RegisteredEnvironment) else None)

    def at(self, place: Place | None) -> Origin:
        """A place as an origin; the file itself where that is not known."""
        if place is None:
            return Origin(Rank.DEPLOYMENT, file=self.shown, path=self.deployment.path)
        return Origin(Rank.DEPLOYMENT, file=shown(place.file, self.root), line=place.line, path=place.file)

    @property
    def packages(self) -> tuple[Path, Origin] | None:
        """The file that lists the packages: a conda file, or the one in which its content stands."""
        environment = self.environment
        if environment is None or (environment.conda is None and environment.conda_inline is None):
            return None
        path = environment.conda or environment.places.get("conda_file", environment.place).file
        return path, self.of_environment("conda_file")

    def says(self, record: Setting) -> Iterator[Stated]:
        """What the file says of a setting, if it says it."""
        if record.name == "base" and self.base:
            yield self.base
        elif record.name == "entry_script" and self.deployment.scoring_script:
            yield Stated(self.deployment.scoring_script, self.origin("code_configuration.scoring_script"))
        elif record.name == "requirements" and self.packages:
            path, origin = self.packages
            yield Stated(str(path), origin)
