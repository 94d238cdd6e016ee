"""Rules about what a Dockerfile says that hold for the image of a project as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .. import contract
from ..base import catalog
from ..finding import Finding
from .facts import NamedBase, Variable
from .rule import rule


def asked(variables: Mapping[str, Variable]) -> list[str]:
    """The variables that ask for packages at start, the one that holds first."""
    return [name for name in contract.EXCLUSIVE_EXTRAS if name in variables and variables[name].value]


@rule("AML703", "warning")
def base_is_not_known(named_base: NamedBase) -> Iterator[Finding]:
    """The base's name is near that of one of Azure ML's images, and is none of them.

    The parts of such names cannot be chosen: Python 3.12, say, comes in an image whose name has no Ubuntu in it.

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-ubuntu22.04-py312-cpu-inference:latest

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest

    Silent: images that there were once, other registries, and names that do not begin with `minimal-` or `mlflow-`.
    """
    if any(named_base.reference == each.reference for each in catalog.IMAGES):
        return
    from ..base.former import near_name

    near = near_name(named_base.reference)
    if near:
        yield Finding(
            f"no image of Azure ML's is known by the name {named_base.reference}",
            location=named_base.location,
            hint=f"Did you mean mcr.microsoft.com/azureml/{near}?",
        )


@rule("AML741", "warning")
def several_extras(variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """Packages are asked for in two ways, of which the start script takes one.

    It takes the folder of `AZUREML_EXTRA_PYTHON_LIB_PATH`, else the conda file, else the requirements file, and
    ignores the others without a word.

    Bad `Dockerfile`:

        ENV AZUREML_EXTRA_PYTHON_LIB_PATH=lib
        ENV AZUREML_EXTRA_REQUIREMENTS_TXT=requirements.txt

    Good `Dockerfile`:

        ENV AZUREML_EXTRA_PYTHON_LIB_PATH=lib

    Silent: one of them alone, and those that are empty.
    """
    first, *others = asked(variables) or [""]
    for name in others:
        yield Finding(
            f"{name} is ignored, since {first} is set too",
            location=variables[name].location,
            hint="Remove one of them.",
        )
