"""Rules about the image that a Dockerfile extends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import contract
from ..base import catalog
from ..base.former import is_former
from ..base.training import is_training
from ..finding import FileLocation, Finding
from .facts import NamedBase
from .inputs.started import started
from .rule import rule

if TYPE_CHECKING:
    from .inputs.dockerfile import InferenceBase
    from .inputs.instructions import Dockerfile
    from .inputs.stages import Built

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
            location=_of(found[0], named_base.location, dockerfile),
            hint=f"Name an image, such as {catalog.DEFAULT.reference}.",
        )


def _of(text: str, location: str | None, dockerfile: Dockerfile) -> str | None:
    """The place of a text in the base's name; all of the name where a variable brings it."""
    from .inputs.instructions import Word

    line = location.line if isinstance(location, FileLocation) else None
    for each in dockerfile.instructions:
        begin = each.text.find(text)
        if each.keyword == "FROM" and begin >= 0:
            found = each.at(Word(text, begin, begin + len(text)))
            if found.line == line:
                return found
    return location


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


_BRINGS_SERVER = re.compile(
    rf"{contract.SERVER}|{contract.DEFAULTS}|\s(?:-r|--requirement|-f|--file)[\s=]|env update|env create|uv sync"
)
"""What of a command may install the server: its name, or a list that may have it."""


@rule("AML704", "warning")
def base_for_training(named_base: NamedBase, built: Built) -> Iterator[Finding]:
    """The base image is one for training, and nothing installs the server.

    Azure ML's `openmpi` images run as root and have no inference server, so nothing loads the entry script.

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest
        COPY code /var/azureml-app
        ENV AZUREML_ENTRY_SCRIPT=score.py

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        COPY code /var/azureml-app
        ENV AZUREML_ENTRY_SCRIPT=score.py

    Silent: images that name no entry script, such as those for jobs; where a command names the server, or installs a
    list of packages, which may have it; a command or an entrypoint of the file's own that starts something else.
    """
    if not is_training(named_base.reference) or contract.ENTRY_SCRIPT not in built.variables:
        return
    texts = (step.instruction.text for step in built.steps if step.instruction.keyword == "RUN")
    said = [word.text for each in built.starts if each for word in each.instruction.words]
    if any(_BRINGS_SERVER.search(text) for text in texts) or started(said) in ("another", "perhaps"):
        return
    yield Finding(
        f"{named_base.reference} is an image for training, and nothing installs {contract.SERVER}",
        location=named_base.location,
        hint=f"Take an image for inference, such as {catalog.DEFAULT.name}, which has a user and the server.",
    )
