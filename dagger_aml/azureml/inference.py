"""How a model is served: the entry script, the folder around it, the environment."""

from __future__ import annotations

import ast
import os
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING

from .exceptions import UserErrorException, WebserviceException

if TYPE_CHECKING:
    from .core.container_registry import ContainerRegistry
    from .core.environment import Environment

_RUNTIMES = ("spark-py", "python", "python-slim")
_CUDA = ("9.0", "9.1", "10.0")


class InferenceConfig:
    """The entry script and what it runs with; checked when it is made, as SDK v1 checks it.

    :param entry_script: relative to ``source_directory``, or to where the script runs without one.
    :param source_directory: goes into the image, in a folder of its name; without one, the entry script alone does.
    :param environment: what it runs in. ``runtime="python"`` with ``conda_file`` and ``base_image`` makes one too.
    :raises WebserviceException: what is named is not there, or cannot be an entry script.
    :raises UserErrorException: the entry script cannot be read, or is no Python.
    """

    def __init__(
        self,
        entry_script: str,
        runtime: str | None = None,
        conda_file: str | None = None,
        extra_docker_file_steps: str | None = None,
        source_directory: str | None = None,
        enable_gpu: bool | None = None,
        description: str | None = None,
        base_image: str | None = None,
        base_image_registry: ContainerRegistry | None = None,
        cuda_version: str | None = None,
        environment: Environment | None = None,
    ) -> None:
        self.entry_script = entry_script
        self.runtime = runtime
        self.conda_file = conda_file
        self.extra_docker_file_steps = extra_docker_file_steps
        self.source_directory = source_directory
        self.enable_gpu = enable_gpu
        self.description = description
        self.base_image = base_image
        self.base_image_registry = base_image_registry
        self.cuda_version = cuda_version
        self.environment = environment
        self.validate_configuration()

    def __repr__(self) -> str:
        """The script and its folder."""
        return f"InferenceConfig(entry_script={self.entry_script!r}, source_directory={self.source_directory!r})"

    def validate_configuration(self) -> None:
        """Check it; raises as the constructor."""
        if not self.entry_script:
            raise WebserviceException("no entry script is named", location="entry_script")
        if self.environment:
            self._check_alone(self.environment)
        if self.source_directory:
            self.source_directory = os.path.realpath(self.source_directory)
            _check_there("source_directory", self.source_directory)
        _check_there("entry_script", self._below(self.entry_script), "Name it relative to source_directory.")
        _check_script(self.entry_script)
        if self.runtime and self.runtime.lower() not in _RUNTIMES:
            raise WebserviceException(f"no such runtime: {self.runtime!r}", location="runtime", hint="Use python.")
        if self.cuda_version is not None and self.cuda_version.lower() not in _CUDA:
            raise WebserviceException(f"no such version of CUDA: {self.cuda_version!r}", location="cuda_version")
        if self.conda_file:
            _check_there("conda_file", self._below(self.conda_file))
        if self.extra_docker_file_steps:
            _check_there("extra_docker_file_steps", self._below(self.extra_docker_file_steps))
        self.validation_script_content()

    def validation_script_content(self) -> None:
        """Check that the entry script is Python.

        :raises UserErrorException: it cannot be read or parsed.
        """
        path = self._below(self.entry_script)
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            raise UserErrorException(f"cannot be read ({error.strerror})", location="entry_script") from None
        try:
            ast.parse(text, path)
        except Exception as error:
            line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            raise UserErrorException(
                f"is not Python: {error.msg if isinstance(error, SyntaxError) else error}",
                location="entry_script",
                hint=f"See {path}{line}",
            ) from None

    def _below(self, path: str) -> str:
        return os.path.join(self.source_directory, path) if self.source_directory else path  # noqa: PTH118 - see below

    def _check_alone(self, environment: Environment) -> None:
        """An environment says it all; nothing beside it may."""
        names = ("runtime", "conda_file", "extra_docker_file_steps", "enable_gpu", "cuda_version", "base_image")
        found = [name for name in names if getattr(self, name)]
        if found:
            raise WebserviceException(
                f"{' and '.join(found)} cannot be given beside an environment",
                location="environment",
                hint="Say it of the environment.",
            )
        if environment.docker.base_dockerfile and environment.docker.base_image:
            raise WebserviceException(
                "base_image and base_dockerfile exclude each other", location="environment.docker"
            )


def _check_there(argument: str, path: str, hint: str | None = None) -> None:
    if not os.path.exists(os.path.normpath(path)):  # noqa: PTH110 - any text is a path here
        raise WebserviceException(f"{path} does not exist", location=argument, hint=hint)


def _check_script(entry_script: str) -> None:
    name, end = os.path.splitext(os.path.basename(entry_script))  # noqa: PTH119, PTH122 - as SDK v1 takes it apart
    if end != ".py":
        raise WebserviceException(f"not a Python file: {entry_script!r}", location="entry_script")
    if not name.isidentifier() or iskeyword(name):
        raise WebserviceException(
            f"{name!r} cannot be the name of a Python module",
            location="entry_script",
            hint="Use letters, digits and _ alone, beginning with a letter, and no keyword.",
        )
