"""Rules about a conda file that lists the packages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import catalog
from ..base.facts import BaseFacts
from ..base.plain_python import is_for
from ..finding import Finding
from ..project.model import Project
from ..text import named
from .facts import Places
from .rule import rule

if TYPE_CHECKING:
    from ..requirements.model import Requirements


@rule("AML340", "warning")
def python_of_the_base(places: Places, requirements: Requirements, base: BaseFacts) -> Iterator[Finding]:
    """A conda file, or an MLflow model, names another Python than the base's, and gets the base's.

    That is so where `python = "base"` or `--python base` says it, and where the file pins no version of a package, so
    that pip finds some for any Python.

    Bad `conda.yaml`:

        dependencies:
          - python=3.8
          - pip:
              - joblib

    Good `conda.yaml`:

        dependencies:
          - python=3.12
          - pip:
              - joblib==1.5.2

    Silent: where the file names the base's Python, or none.
    """
    conda = requirements.conda
    if conda is None or not conda.of_base or not conda.python or (base.python and is_for(conda.python, base.python)):
        return
    image = catalog.for_python(conda.python)
    there = f"the base image's Python {base.python}" if base.python else "the base image's Python"
    yield Finding(
        f"it names Python {conda.shown_python}, and its packages are installed for {there}",
        location=places.near(conda.python_location) if conda.python_location else places.at(requirements.path),
        hint="A model saved with other versions of its packages may not load: pin those that it was saved with"
        + (f", or use a base image with that Python: {named('base', image)}." if image else "."),
    )


@rule("AML341", "warning")
def conda_variables(project: Project, requirements: Requirements) -> Iterator[Finding]:
    """The variables of a conda file are not set in the image.

    conda sets them where it activates an environment, and the image has no conda environment of yours.

    Bad `conda.yaml`:

        variables:
          OMP_NUM_THREADS: "1"

    Good `dagger-aml.toml`:

        [env]
        OMP_NUM_THREADS = "1"

    Silent: variables that the project file or `--env` sets.
    """
    names = [name for name in requirements.conda.variables if name not in project.env] if requirements.conda else []
    if names:
        yield Finding(
            f"its variables are not set in the image: {', '.join(names)}",
            location=project.at(requirements.path),
            hint=f"Set them below [env] in dagger-aml.toml, or by {named('env', 'NAME=VALUE')}.",
        )


@rule("AML342", "info")
def torch_for_cpu(project: Project, requirements: Requirements) -> Iterator[Finding]:
    """PyTorch of a conda file is taken from PyTorch's index for the CPU.

    On a machine without a GPU conda installs PyTorch without CUDA. The packages of PyPI would bring 2.5 GB of it to a
    base that has none.

    Bad `conda.yaml`:

        dependencies:
          - pytorch=2.5.1

    Good `requirements.txt`:

        --extra-index-url https://download.pytorch.org/whl/cpu
        torch==2.5.1+cpu

    Silent: PyTorch in the `pip:` part, which is taken as it is written; a base for GPUs; an index that you name, or
    whose secret you give, which counts in the place of this one.
    """
    from ..requirements.installable import says_index

    if requirements.conda and requirements.conda.cpu_index and not says_index(project.access):
        yield Finding(
            "PyTorch comes from its index for the CPU, without CUDA",
            location=project.at(requirements.path),
            hint="For a GPU, use a base image with CUDA, such as "
            f"{named('base', 'curated/minimal-py312-cuda12.4-inference')}; `dagger-aml images` lists them.",
        )
