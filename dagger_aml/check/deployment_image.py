"""Rules about the image, the code and the variables of a deployment file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import contract
from ..finding import FileLocation, Finding
from .rule import rule

if TYPE_CHECKING:
    from ..project.deployment.model import Deployment, Environment

_SET_BY_AZURE = (contract.ENTRY_SCRIPT, contract.APP)
"""Variables that Azure ML sets for the code of ``code_configuration``."""

_MICROSOFT = "mcr.microsoft.com/"


def at(deployment: Deployment, *keys: str) -> FileLocation | None:
    """The place of the first of some keys that is said."""
    place = next((deployment.places[key] for key in keys if key in deployment.places), None)
    return FileLocation(deployment.path.name, deployment.path, place.line) if place else None


def environment_of(deployment: Deployment) -> Environment | None:
    """The environment that a deployment file says itself; None for one by its name alone."""
    from ..project.deployment.model import Environment

    return deployment.environment if isinstance(deployment.environment, Environment) else None


def has_another_server(environment: Environment) -> bool:
    """Whether an environment's routes are others than those of Azure ML's server."""
    return any(
        (route.path, route.port) != (contract.ROUTES.get(name), contract.SCORING_PORT)
        for name, route in environment.routes.items()
    )


@rule("AML820", "warning")
def code_beside_its_variables(deployment: Deployment) -> Iterator[Finding]:
    """A variable says what `code_configuration` says already.

    For the code that it mounts, Azure ML itself sets where the server starts and which script it loads. A variable of
    your own beside it is that of an image that has the code in it, and one of the two does not hold.

    Bad `deployment.yml`:

        code_configuration: {code: src, scoring_script: score.py}
        environment_variables:
          AZUREML_ENTRY_SCRIPT: main.py

    Good `deployment.yml`:

        code_configuration: {code: src, scoring_script: main.py}

    Silent: without `code_configuration`, and all other variables.
    """
    for name in _SET_BY_AZURE if deployment.code else ():
        if name in deployment.variables:
            yield Finding(
                f"{name} is set by Azure ML for the code of code_configuration",
                location=at(deployment, f"environment_variables.{name}"),
                hint="Remove it; or remove code_configuration, if the image has the code in it.",
            )


@rule("AML821", "warning")
def code_beside_a_server(deployment: Deployment) -> Iterator[Finding]:
    """The environment says that its image serves by itself, and code is to be mounted beside it.

    `inference_config` is for an image with a server of its own, which knows nothing of a scoring script. Azure ML's
    server, which loads one, has its routes anyway.

    Bad `deployment.yml`:

        code_configuration: {code: src, scoring_script: score.py}
        environment:
          image: example.azurecr.io/rates:1
          inference_config: {…}

    Good `deployment.yml`:

        environment:
          image: example.azurecr.io/rates:1
          inference_config: {…}

    Silent: without `code_configuration`; images of Microsoft's; an environment that installs a conda file; the routes
    of Azure ML's server.
    """
    found = environment_of(deployment)
    if not deployment.code or found is None or not found.routes or found.conda or found.conda_inline:
        return
    if has_another_server(found) and found.image and not found.image.startswith(_MICROSOFT):
        yield Finding(
            "inference_config says that the image has a server of its own, and code_configuration mounts code for "
            "Azure ML's",
            location=at(deployment, "code_configuration"),
            hint="Remove code_configuration, if the image has its code in it; otherwise inference_config.",
        )


@rule("AML822", "warning")
def moving_image(deployment: Deployment) -> Iterator[Finding]:
    """A finished image is named by a tag that moves.

    An instance that is started later, when the endpoint scales or a machine is replaced, pulls what the tag is by
    then: two versions answer side by side, and going back to an earlier deployment does not bring its image back.

    Bad `deployment.yml`:

        environment:
          image: example.azurecr.io/rates:latest

    Good `deployment.yml`:

        environment:
          image: example.azurecr.io/rates@sha256:…

    Silent: tags that name a version, digests, Microsoft's images, and images that are only the base of an
    environment.
    """
    found = environment_of(deployment)
    if found is None or deployment.code or found.conda or found.conda_inline or not found.image:
        return
    image = found.image
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@" in image or image.startswith(_MICROSOFT) or tag not in ("", "latest"):
        return
    place = found.places.get("image")
    location = FileLocation(place.file.name, place.file, place.line) if place else None
    what = "the tag latest" if tag else "no tag, which is latest"
    yield Finding(
        f"{image} has {what}, which moves: a later instance may run another image",
        location=location or at(deployment, "environment"),
        hint="Name the digest that `dagger-aml build` prints, image@sha256:…, or a tag of a version.",
    )


@rule("AML823", "warning")
def packages_without_network(deployment: Deployment) -> Iterator[Finding]:
    """Packages are to be installed at start, and the deployment may not reach the internet.

    pip and conda find no index then, and the container ends with exit code 95 after a minute.

    Bad `deployment.yml`:

        egress_public_network_access: disabled
        environment_variables:
          AZUREML_EXTRA_REQUIREMENTS_TXT: requirements.txt

    Good `deployment.yml`:

        egress_public_network_access: disabled
        environment_variables:
          AZUREML_EXTRA_PYTHON_LIB_PATH: packages

    Silent: a folder of packages, and where `PIP_INDEX_URL` or the like names an index.
    """
    if str(deployment.document.get("egress_public_network_access", "")).lower() != "disabled":
        return
    if any(name.startswith(("PIP_", "CONDA_")) for name in deployment.variables):
        return
    asked = [name for name in contract.EXCLUSIVE_EXTRAS if deployment.variables.get(name)]
    if asked and asked[0] != contract.EXTRA_LIB_PATH:
        yield Finding(
            f"{asked[0]} installs packages at start, and egress_public_network_access is disabled",
            location=at(deployment, f"environment_variables.{asked[0]}"),
            hint="Build them into the image, or bring them as a folder (the recipe `preinstalled`).",
        )
