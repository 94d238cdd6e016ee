"""The base of a deployment file's environment: its image, or what takes the place of one that cannot serve."""

from __future__ import annotations

import shlex
from pathlib import Path

from ...base import catalog
from ...base.catalog import CatalogImage
from ...base.plain_python import is_for
from ...base.training import REPOSITORY
from ...errors import UsageError
from ...requirements.model import plain_version
from ...text import named
from ..origin import Origin
from .model import Environment, RegisteredEnvironment

_GPU = ("cuda", "gpu")

_CURATED, _OLDER = "azureml", "AzureML-"
"""The registry of Microsoft's own environments, and how their names begin in a workspace."""


def instead_of(image: str, python: str) -> CatalogImage:
    """The inference base that takes the place of an image for training.

    :param python: the versions that the packages are for, such as ``==3.11.*``; empty for any.
    """
    gpu = any(word in image.rpartition("/")[2].lower() for word in _GPU)
    return catalog.inference(python, gpu=gpu) or catalog.inference(gpu=gpu) or catalog.DEFAULT


def beside(image: str, taken: CatalogImage) -> str:
    """The reference of a base that takes an image's place: of the same mirror, where the image names one."""
    mirror = image[: f"/{image}".index(REPOSITORY)]
    return f"{mirror}{taken.repository}:latest" if mirror else taken.reference


def in_place_of(image: str) -> str:
    """Of what image, and why, an inference base takes the place; half a sentence."""
    return f"in place of {image}, which runs as root and has no inference server"


def why_instead(image: str, taken: CatalogImage, python: str) -> str:
    """Why an inference base is taken, for the head of a plan.

    :param python: the versions that the packages are for; empty for any.
    """
    why = in_place_of(image)
    if not is_for(python, taken.python):
        why += f"; no inference base has Python {plain_version(python)}"
    return f"{why}; {named('keep_base')} keeps it"


def registered_base(environment: RegisteredEnvironment, origin: Origin) -> tuple[str, str]:
    """The base of an environment that is registered, and the image that it is, for people.

    :raises UsageError: it is none of the catalog's.
    """
    name = environment.name
    ours = environment.registry == _CURATED or (environment.registry is None and name.startswith(_OLDER))
    found = _curated(name.removeprefix(_OLDER)) if ours else None
    if found:
        version = environment.version or "latest"
        reference = found.reference.removesuffix("latest") + version
        return reference, f"the image of the curated environment {environment.text}"
    raise UsageError(
        f"the environment {environment.text} is {'none of the catalog' if ours else 'registered in Azure ML'}, and "
        "nothing here tells its image and packages",
        location=origin.location,
        hint=(
            "Name its image: "
            + named(
                "base",
                f"{catalog.REGISTRY}/azureml/curated/{name.removeprefix(_OLDER)}:{environment.version or 'latest'}",
            )
            if ours
            else f"Look them up: {_show(environment)}\nThen name the image: {named('base', 'IMAGE')}, and a conda "
            f"file of the environment: {named('requirements', 'FILE')}. `dagger-aml images` lists bases that serve."
        ),
    )


def _show(environment: RegisteredEnvironment) -> str:
    which = f"--version {environment.version}" if environment.version else f"--label {environment.label or 'latest'}"
    registry = f" --registry-name {environment.registry}" if environment.registry else ""
    return f"az ml environment show --name {environment.name} {which}{registry}"


def _curated(name: str) -> CatalogImage | None:
    names = (name, f"curated/{name}")
    return next((each for each in catalog.IMAGES if each.name in names), None)


def to_be_built(environment: Environment, root: Path, origin: Origin) -> UsageError:
    """The error for an environment that a Dockerfile makes."""
    build = dict(environment.build or {})
    folder = (environment.place.file.parent / str(build.get("path", "."))).resolve()
    dockerfile = str(build.get("dockerfile_path", "Dockerfile"))
    name = (environment.name or "environment").lower()
    shown = _shown(folder, root)
    file = "" if dockerfile == "Dockerfile" else f" -f {shlex.quote(f'{shown}/{dockerfile}')}"
    return UsageError(
        "the environment is built from a Dockerfile, which must be done first",
        location=origin.location,
        hint=f"docker build -t {name}:1{file} {shlex.quote(shown)}\ndocker save {name}:1 -o {name}.tar\n"
        f"Then name that image: {named('base', f'docker-archive:{name}.tar')}, or push it, and "
        f"{named('base', f'HOST/{name}:1')}",
    )


def _shown(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix() or "." if folder.is_relative_to(root) else str(folder)
