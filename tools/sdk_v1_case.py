"""One small script in the names of SDK v1, as data, and what becomes of it: run by azureml-core and by dagger-aml.

It runs in the environment of either, so it imports neither before it is told which. As a program it reads files and
cases, as JSON, from its input, runs each by azureml-core and prints the answers; ``tools/sdk_v1.py`` calls it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_THEIRS = "azureml"

NAMED = ("AZUREML_ENTRY_SCRIPT", "AZUREML_SOURCE_DIRECTORY")
"""Variables that tell where the code is."""

_OF = (
    (r"need to specify entry_script", "entry_script"),
    (r"along with an environment object", "environment"),
    (r"only one of base_dockerfile or base_image", "environment.docker"),
    (r"^source directory .* doesn't exist", "source_directory"),
    (r"^entry_script .* doesn't exist", "entry_script"),
    (r"^Invalid driver type", "entry_script"),
    (r"for provided entry script", "entry_script"),
    (r"^Provided runtime not supported", "runtime"),
    (r"^Provided cuda_version not supported", "cuda_version"),
    (r"^Conda file .* doesn't exist", "conda_file"),
    (r"^extra docker file steps .* doesn't exist", "extra_docker_file_steps"),
    (r"local deployment to verify", "entry_script"),
    (r"^Failed to open", "entry_script"),
    (r"^Invalid package name", "pip_package"),
    (r"^Invalid pip option", "pip_option"),
    (r"python must not be removed", "conda_package"),
    (r"^Environment error: ", "a file"),
    (r"^Only one of conda_specification", "conda_specification"),
    (r"^Name is required", "new_name"),
    (r"^Models must either be", "models"),
    (r"requires an InferenceConfig containing", "inference_config.environment"),
    (r"^You must provide an InferenceConfig", "inference_config"),
    (r"^Python package is missing", "conda_dependencies"),
)
"""Which argument azureml-core blames, by what it says; dagger-aml's exceptions name it themselves."""


@contextlib.contextmanager
def folder(files: dict[str, str]) -> Iterator[None]:
    """A folder with files in it, which the block runs in."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        for name, text in files.items():
            path = Path(made, "project", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        os.chdir(Path(made, "project"))
        try:
            yield
        finally:
            os.chdir(before)


def run(case: dict[str, Any], package: str) -> dict[str, Any]:
    """What becomes of a case in the working directory.

    :param package: ``azureml``, or ``dagger_aml.azureml``.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _Run(package).all(case)


class _Run:
    """The names of one of the two, and how far it came."""

    def __init__(self, package: str) -> None:
        self.theirs = package == _THEIRS
        self.core, self.model_module, self.conda_module = (
            importlib.import_module(f"{package}.core{each}") for each in ("", ".model", ".conda_dependencies")
        )
        self.found: dict[str, Any] = {}
        if self.theirs:
            # Of its own index it adds two lines to whatever is created; docs/sdk-v1.md.
            self.conda_module.CondaDependencies.sdk_origin_url = staticmethod(
                lambda: self.conda_module.DEFAULT_SDK_ORIGIN
            )

    def all(self, case: dict[str, Any]) -> dict[str, Any]:
        """Run the stages until one raises."""
        stage, made = "", None
        try:
            for stage in ("conda", "environment", "config", "package"):
                if stage in case:
                    made = getattr(self, stage)(case[stage], made)
        except Exception as error:
            self.found["raises"] = {"stage": stage, "class": type(error).__name__, "of": self.blamed(error)}
        return self.found

    def conda(self, said: list[Any], _: Any) -> Any:
        """``[how it is made, arguments]``, then calls of methods."""
        (how, arguments), *calls = said
        kind = self.conda_module.CondaDependencies
        made = kind(**arguments) if how == "CondaDependencies" else kind.create(**arguments)
        for name, arguments in calls:
            getattr(made, name)(*arguments)
            self.found["conda"] = _plain(made)
        self.found["conda"] = _plain(made)
        self.found["packages"] = [
            list(made.conda_packages),
            list(_unpinned(made.pip_packages)),
            list(made.pip_options),
        ]
        self.found["python"] = made.get_python_version()
        return made

    def environment(self, said: dict[str, Any], conda: Any) -> Any:
        """``make``: how it is made; ``set``: attributes, in order."""
        how, arguments = said.get("make", ["Environment", {"name": "env"}])
        kind = self.core.Environment
        made = kind(**arguments) if how == "Environment" else getattr(kind, how)(**arguments)
        if self.theirs and how == "Environment":
            made.environment_variables = {}  # There is an example in it.
        if conda is not None:
            made.python.conda_dependencies = conda
        for path, value in said.get("set", ()):
            part = made
            *parts, last = path.split(".")
            for each in parts:
                part = getattr(part, each)
            setattr(part, last, value)
        if said.get("clone") is not None:
            made = made.clone(said["clone"])
        image = made.docker.base_image
        self.found["environment"] = {
            "name": made.name,
            "base_image": "default" if image and _is_default(image) else image,
            "base_dockerfile": made.docker.base_dockerfile,
            "user_managed": made.python.user_managed_dependencies,
            "conda": made.python.conda_dependencies and _plain(made.python.conda_dependencies),
        }
        return made

    def config(self, said: dict[str, Any], environment: Any) -> Any:
        """The arguments; the environment is given unless ``environment`` is false."""
        said = dict(said)
        if said.pop("environment", True) and environment is not None:
            said["environment"] = environment
        return self.model_module.InferenceConfig(**said)

    def package(self, said: dict[str, Any], config: Any) -> None:
        """Package a model and note which variables name the code."""
        models = [self.a_model() if each == "a model" else each for each in said["models"]]
        given = config if said.get("config", True) else None
        variables = self.packaged(models, given)
        self.found["package"] = {name: variables.get(name) for name in NAMED}

    def a_model(self) -> Any:
        """The model ``m`` of the project."""
        if not self.theirs:
            return self.model_module.Model(self.core.Workspace.from_config(), "m")
        made = self.model_module.Model(None)
        made.name, made.version, made.id = "m", 1, "m:1"
        return made

    def packaged(self, models: list[Any], config: Any) -> Any:
        """The variables of what is packaged: of azure-ml's, as it would send them."""
        if not self.theirs:
            made = self.model_module.Model.package(
                self.core.Workspace.from_config(), models, config, generate_dockerfile=True
            )
            return made.variables
        module, sent = self.model_module, {}
        module.upload_dependency = lambda *_, **__: ("url", "id")
        module.submit_mms_operation = lambda *said: sent.update(said[-1])
        module.ModelPackage = lambda *_: None
        module.Model.package(None, models, config, generate_dockerfile=True)
        if "environment" not in sent["imageRequest"]:
            raise ValueError("an environment is left to the service")
        return sent["imageRequest"]["environment"]["environmentVariables"]

    def blamed(self, error: Exception) -> str | None:
        """The argument that is to blame."""
        if not self.theirs:
            found: str | None = getattr(error, "location", None)
            return "a file" if found and Path(found.partition(":")[0]).is_file() else found
        text = getattr(error, "message", None) or str(error)
        return next((name for pattern, name in _OF if re.search(pattern, text)), None)


def _plain(conda: Any) -> Any:
    """What a conda file of these would say, the SDK's pins of its own packages left out."""
    said = conda.as_dict()
    for each in said.get("dependencies") or ():
        if isinstance(each, dict) and isinstance(each.get("pip"), list):
            each["pip"] = list(_unpinned(each["pip"]))
    return said


def _unpinned(lines: Any) -> Any:
    return (line.replace("~=1.61.0", "") if line.startswith("azureml") else line for line in lines)


def _is_default(image: str) -> bool:
    return "/azureml/openmpi" in image or image.endswith("/azureml/minimal-py312-inference:latest")


def main() -> None:
    """Answer for each case."""
    from importlib.metadata import version

    logging.disable(logging.CRITICAL)
    given = json.load(sys.stdin)
    with folder(given["files"]):
        answers = [run(case, _THEIRS) for case in given["cases"]]
    json.dump({"azureml-core": version("azureml-core"), "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main()
