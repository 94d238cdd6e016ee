"""Rules about the image that a Dockerfile extends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import catalog
from ..base.former import is_former
from ..finding import Finding
from .facts import NamedBase
from .rule import rule

if TYPE_CHECKING:
    from .inputs.dockerfile import InferenceBase
    from .inputs.instructions import Dockerfile

_TO_FILL_IN = re.compile(r"<[^<>\n]*>")


@rule("AML701", "error")
def base_to_be_filled_in(named_base: NamedBase, dockerfile: Dockerfile) -> Iterator[Finding]:
    """The base image is still to be filled in.

    Microsoft's pages have `<image_name>:<tag>` and `<prebuilt docker image from MCR>` where a name belongs, and no
    builder takes that for one.

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/<image_name>:<tag>

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest

    Silent: variables, `{{…}}` of a template, and a base that only the build knows.
    """
    found = _TO_FILL_IN.search(named_base.reference)
    if found:
        yield Finding(
            f"{found[0]} in the base's name is to be filled in",
            location=named_base.location,
            hint=f"Name an image, such as {catalog.DEFAULT.reference}.",
        )


@rule("AML702", "warning")
def base_was_dropped(inference: InferenceBase, named_base: NamedBase) -> Iterator[Finding]:
    """The base image is not supported any more.

    Azure ML dropped its images for frameworks, and those of older Pythons: they get no fixes, and the server in them
    is as old. A framework goes into the image as a package.

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/sklearn-0.24.1-ubuntu18.04-py37-cpu-inference:latest

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        RUN pip install --no-cache-dir scikit-learn==1.7.2

    Silent: images that Microsoft's page lists as supported, and all that are no images for inference.
    """
    if is_former(inference.name):
        yield Finding(
            f"azureml/{inference.name} is not supported by Azure ML any more",
            location=named_base.location,
            hint=f"Take a newer base, such as {catalog.DEFAULT.name}, and install what else is needed.",
        )
