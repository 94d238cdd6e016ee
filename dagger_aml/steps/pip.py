"""Python packages, installed into the base's own environment when the image is built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..content import local
from ..graph import Copy, FromBase, Graph, Run
from ..requirements import read_requirements

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


async def pip(graph: Graph, requirements: str | Path) -> Graph:
    """Install a requirements file into the environment that runs the server, as its owner, then ``pip check``.

    Reads the file, which travels to ``/usr/share/dagger-aml``, owned by root. Writes into the environment that the
    base names in ``AZUREML_CONDA_ENVIRONMENT_PATH`` and nowhere else; conflicts fail the step. Needs the network when
    it is built. The how-to's bare ``pip install`` would put packages into the user's home on curated images.

    :raises ProjectError: the file is missing, unreadable or not a requirements file, with file:line.
    """
    path = Path(requirements)
    names = read_requirements(path)
    if not names:
        return graph
    count = f"{len(names)} package{'s' if len(names) != 1 else ''}"
    graph, dest = _place(graph, path)
    owner, where = FromBase("environment_owner"), (FromBase("environment"), SHARE, "/tmp")
    return graph.add(
        Run(
            (PYTHON, "-m", "pip", "install", "--requirement", dest),
            owner,
            PIP_ENV,
            touches=where,
            step=f"pip {path.name} ({count})",
        ),
        Run((PYTHON, "-m", "pip", "check"), owner, PIP_ENV, touches=where, step="pip check"),
    )


def _place(graph: Graph, path: Path) -> tuple[Graph, str]:
    """Copy a requirements file to a path of its own in the image."""
    taken = {layer.dest for layer in graph.layers if isinstance(layer, Copy)}
    number, dest = 1, f"{SHARE}/requirements.txt"
    while dest in taken:
        number += 1
        dest = f"{SHARE}/requirements-{number}.txt"
    return graph.add(
        Copy(local(path, step="pip"), dest, "file", changes="often", step=f"copy {path.name}")
    ), dest
