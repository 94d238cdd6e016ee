"""Environments: a base image, packages, variables."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..exceptions import UserErrorException, raising
from ..section import Section
from .conda_dependencies import CondaDependencies
from .container_registry import ContainerRegistry

__all__ = ["DockerSection", "Environment", "PythonSection"]

_PYTHON_OF_FILES = "3.10.18"
"""What SDK v1 adds to a conda file that names no Python."""


class PythonSection(Section):
    """The packages.

    :ivar user_managed_dependencies: whether nothing is installed, and the base's packages are used as they are.
    :ivar conda_dependencies: what is installed otherwise.
    """

    def __init__(self) -> None:
        self.user_managed_dependencies = False
        self.interpreter_path = "python"
        self.conda_dependencies: CondaDependencies | None = CondaDependencies()
        self._made = True


class DockerSection(Section):
    """The base image.

    ``base_image`` and ``base_dockerfile`` take each other's place. ``enabled`` is without meaning: what is packaged
    is an image always. ``is_default`` is false once one of the two is set.
    """

    def __init__(self) -> None:
        self.enabled = False
        self.base_image_registry: ContainerRegistry = ContainerRegistry()
        self._base_image: str | None = _default_image()
        self._base_dockerfile: str | None = None
        self.is_default: bool = True
        self._made = True

    @property
    def base_image(self) -> str | None:
        """A reference, or a name that ``dagger-aml images`` lists; the default base unless set."""
        return self._base_image

    @base_image.setter
    def base_image(self, value: str | None) -> None:
        self.is_default = False
        self._base_image = value or None
        if value and self._base_dockerfile:
            self._base_dockerfile = None
            _warn("base_image takes the place of base_dockerfile, which is reset to None")

    @property
    def base_dockerfile(self) -> str | None:
        """The text of a Dockerfile; a file's name or an open file is read when it is set."""
        return self._base_dockerfile

    @base_dockerfile.setter
    def base_dockerfile(self, value: Any) -> None:
        self.is_default = False
        if not value:
            self._base_dockerfile = None
            return
        if callable(getattr(value, "read", None)):
            self._base_dockerfile = value.read()
        elif os.path.isfile(value):  # noqa: PTH113 - a text of any length may be given
            self._base_dockerfile = Path(value).read_text(encoding="utf-8")
        else:
            self._base_dockerfile = value
        if self._base_image:
            self._base_image = None
            _warn("base_dockerfile takes the place of base_image, which is reset to None")


class Environment(Section):
    """A base image, packages and variables of an image.

    :ivar environment_variables: of the image; a dictionary.
    :ivar inferencing_stack_version: without meaning: the base brings the inference server.
    :raises TypeError: the name is no text.
    """

    def __init__(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of an environment must be text, not {type(name).__name__}")
        self.name = name
        self.version: str | None = None
        self.python: PythonSection = PythonSection()
        self.docker: DockerSection = DockerSection()
        self.environment_variables: dict[str, str] | None = {}
        self.inferencing_stack_version: str | None = None
        self._made = True

    def __repr__(self) -> str:
        """The name and the base."""
        return f"Environment(name={self.name!r}, base_image={self.docker.base_image!r})"

    @staticmethod
    def from_conda_specification(name: str, file_path: str | os.PathLike[str]) -> Environment:
        """One with the packages of a conda file.

        :raises UserErrorException: it is none. :raises OSError: it cannot be read.
        """
        made = Environment(name)
        made.python.conda_dependencies = found = CondaDependencies(file_path)
        if not found._lists_python:
            found._add_default_python(_PYTHON_OF_FILES)
        return made

    @staticmethod
    def from_pip_requirements(
        name: str, file_path: str | os.PathLike[str], pip_version: str | None = None
    ) -> Environment:
        """One with the lines of a requirements file, as pip reads them: those that are continued are one.

        :raises OSError: it cannot be read.
        """
        from ...requirements.lines import joined

        made = Environment(name)
        assert made.python.conda_dependencies is not None
        made.python.conda_dependencies._folder = Path(file_path).parent
        text = Path(file_path).read_text(encoding="utf-8")
        made.python.conda_dependencies.set_pip_requirements([line for _, line in joined(text)])
        made.python.conda_dependencies.add_conda_package(f"pip={pip_version}" if pip_version else "pip")
        return made

    @staticmethod
    def from_docker_image(
        name: str,
        image: str,
        container_registry: ContainerRegistry | None = None,
        conda_specification: str | None = None,
        pip_requirements: str | None = None,
    ) -> Environment:
        """One on a base image, with packages or without.

        :raises UserErrorException: both files are given.
        """
        made = _with_packages(name, conda_specification, pip_requirements)
        made.docker.base_image = image
        if container_registry:
            made.docker.base_image_registry = container_registry
        return made

    @staticmethod
    def from_dockerfile(
        name: str, dockerfile: Any, conda_specification: str | None = None, pip_requirements: str | None = None
    ) -> Environment:
        """One on what a Dockerfile makes, with packages or without.

        :raises UserErrorException: both files are given.
        """
        made = _with_packages(name, conda_specification, pip_requirements)
        made.docker.base_image = None
        made.docker.base_dockerfile = dockerfile
        return made

    def clone(self, new_name: str) -> Environment:
        """The same under another name.

        :raises UserErrorException: there is no name.
        """
        if not new_name:
            raise UserErrorException("a name is needed", location="new_name")
        made = copy.deepcopy(self)
        made.name, made.version = new_name, None
        return made


_HERE = "An Environment is used as it stands in the script; nothing is registered."

_ONLY_AZURE = {
    "build": "Package the model with it: Model.package(…).",
    "get": "Make it in the script: Environment(name), with docker.base_image of `dagger-aml images`.",
    "list": "`az ml environment list` has those of the workspace.",
    "register": _HERE,
    "label": _HERE,
    "add_private_pip_wheel": "Put the wheel into the project and list it by its path in a requirements file.",
}
for _name, _how in _ONLY_AZURE.items():
    _raises: Callable[..., Any] = raising(f"Environment.{_name}", _how)
    setattr(Environment, _name, staticmethod(_raises))


def _with_packages(name: str, conda: str | None, pip: str | None) -> Environment:
    if conda and pip:
        raise UserErrorException("only one of the two files may be given", location="conda_specification")
    if conda:
        return Environment.from_conda_specification(name, conda)
    if pip:
        return Environment.from_pip_requirements(name, pip)
    made = Environment(name)
    made.python.user_managed_dependencies = True
    return made


def _default_image() -> str:
    from ...base import catalog

    return catalog.DEFAULT.reference


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)
