"""Rules about the packages of an image that is made already."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding
from ..pysource.needed import Needed
from .facts import Script
from .rule import rule


@rule("AML350", "warning")
def not_installed(script: Script, no_packages: tuple[Needed, ...]) -> Iterator[Finding]:
    """The code imports what is not installed in the image.

    Neither the code nor a folder of packages of the image's Python has the module, so loading the entry script ends
    with `ModuleNotFoundError`, and the container with it.

    Bad `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        COPY score.py /var/azureml-app/    # import pandas

    Good `Dockerfile`:

        FROM mcr.microsoft.com/azureml/minimal-py312-inference:latest
        RUN pip install --no-cache-dir pandas==2.3.3
        COPY score.py /var/azureml-app/

    Silent: imports in functions, under conditions and in a `try`; where packages are added at start, by `PYTHONPATH`,
    by a `.pth` file or by the code itself; where not all layers were read.
    """
    told = set[str]()
    for each in no_packages:
        if each.top not in told:
            told.add(each.top)
            file, _, line = each.location.rpartition(":")
            yield Finding(
                f"{each.module} is imported, and nothing in the image has it: the container ends at its start",
                location=script.at(file, int(line)),
                hint="Install the package that has it in the image.",
            )
