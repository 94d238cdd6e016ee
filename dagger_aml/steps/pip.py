"""Python packages, installed into the base's own environment when the image is built."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..content import local, some_files
from ..graph import Copy, FromBase, Graph, Run
from ..requirements import Requirements, read_requirements

SHARE: Final = "/usr/share/dagger-aml"
"""Where files that steps need in the image go; root's."""

PYTHON: Final = FromBase("environment", after="/bin/python")

PIP_ENV: Final[Mapping[str, str]] = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_USER": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "SOURCE_DATE_EPOCH": "315532800",
}
"""Variables of every pip command: nothing in a home folder, no questions, compiled files that are the same in every
build (with SOURCE_DATE_EPOCH set, CPython's ``py_compile`` writes a hash of the source instead of its time)."""


async def pip(graph: Graph, requirements: str | Path, *, root: Path | None = None) -> Graph:
    """Install a requirements file into the environment that runs the server, as its owner, then ``pip check``.

    Reads the file, the files that it includes and the wheels that it lists; they travel to
    ``/usr/share/dagger-aml``, owned by root. Writes into the environment that the base names in
    ``AZUREML_CONDA_ENVIRONMENT_PATH`` and nowhere else; conflicts fail the step. Needs the network when it is built.
    The how-to's bare ``pip install`` would put packages into the user's home on curated images.

    :param root: the project, outside of which no included file may lie; the file's own folder unless given.
    :raises ProjectError: a file is missing, unreadable or not a requirements file, with file:line.
    """
    found = read_requirements(Path(requirements), root=root)
    if not found.names:
        return graph
    graph, dest, workdir = place(graph, found)
    owner, where = FromBase("environment_owner"), (FromBase("environment"), SHARE, "/tmp")
    return graph.add(
        Run(
            (PYTHON, "-m", "pip", "install", "--requirement", dest),
            owner,
            PIP_ENV,
            workdir,
            touches=where,
            step=f"pip {found.path.name} ({count(found)})",
        ),
        Run((PYTHON, "-m", "pip", "check"), owner, PIP_ENV, touches=where, step="pip check"),
    )


def count(requirements: Requirements) -> str:
    """``12 packages``"""
    number = len(requirements.names)
    return f"{number} package{'s' if number != 1 else ''}"


def place(graph: Graph, requirements: Requirements) -> tuple[Graph, str, str]:
    """Copy a requirements file, and what it names, to a place of its own in the image.

    Returns also the file's path there and the folder to run pip in, which archives that it lists are relative to.
    """
    taken = {layer.dest for layer in graph.layers if isinstance(layer, Copy)}
    name, number = "requirements", 1
    while f"{SHARE}/{name}" in taken or f"{SHARE}/{name}.txt" in taken:
        number += 1
        name = f"requirements-{number}"
    path, step = requirements.path, f"copy {requirements.path.name}"
    if len(requirements.files) == 1:
        dest = f"{SHARE}/{name}.txt"
        return graph.add(Copy(local(path, step="pip"), dest, "file", changes="often", step=step)), dest, "/"
    folders = [file.parent.resolve() for file in requirements.files]
    root = Path(os.path.commonpath(folders))
    source = some_files(root, requirements.files, step="pip")
    step += f" and {len(requirements.files) - 1} more"
    inside = (folders[0] / path.name).relative_to(root).as_posix()
    dest = f"{SHARE}/{name}/{inside}"
    return graph.add(Copy(source, f"{SHARE}/{name}", changes="often", step=step)), dest, posixpath.dirname(dest)
