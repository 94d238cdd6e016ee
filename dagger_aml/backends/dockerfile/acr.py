"""A context built by Azure Container Registry: the command line, the task file, and what ``az`` does not send."""

from __future__ import annotations

import posixpath
import re
import shlex
from pathlib import Path

from ...graph.source import Local
from .context import Dockerfile

TASK_FILE = "acr-task.yaml"

_NOT_SENT = frozenset({".git", ".gitignore", ".bzr", "bzrignore", ".hg", ".hgignore", ".svn", ".venv"})
"""Names that ``az acr build`` and ``az acr run`` leave out of a context, wherever they lie in it and whatever its
``.dockerignore`` says (azure-cli 2.91.0, read on 2026-11-29)."""

_STEP_SECONDS = 3600
"""How long the build may take. Without it a task's step has ten minutes."""


def repository_name(name: str) -> str:
    """A project's name as repositories may be called."""
    return re.sub(r"[._-]{2,}", "-", name.lower())


def build_command(name: str, folder: Path) -> str:
    """Builds a context in a registry, and pushes the image there.

    :param name: of the image's repository.
    """
    return f"az acr build --registry REGISTRY --image {name}:1 {shlex.quote(str(folder))}"


def run_command(folder: Path) -> str:
    """Runs the task file of a context."""
    return f"az acr run --registry REGISTRY --file {TASK_FILE} {shlex.quote(str(folder))}"


def task_text(name: str) -> str:
    """The task file: one build, pushed under the run's own id.

    :param name: of the image's repository; letters, digits, ``.``, ``_`` and ``-`` only.
    """
    image = f"$Registry/{name}:$ID"
    return (
        f"# Run it with: az acr run --registry REGISTRY --file {TASK_FILE} THIS_FOLDER\n"
        "version: v1.1.0\n"
        f"stepTimeout: {_STEP_SECONDS}\n"
        "steps:\n"
        f'  - build: "-t {image} -f Dockerfile ."\n'
        "  - push:\n"
        f'      - "{image}"\n'
    )


def not_sent(dockerfile: Dockerfile) -> tuple[str, ...]:
    """Paths in the image that would be missing from it, were it built by ``az``."""
    found = []
    for _, copy in dockerfile.copies:
        if copy.kind == "tree" and isinstance(copy.source, Local):
            paths = [entry.path for entry in copy.source.entries]
            found += [posixpath.join(copy.dest, path) for path in paths if _NOT_SENT.intersection(path.split("/"))]
        elif copy.kind == "file" and posixpath.basename(copy.dest) in _NOT_SENT:
            found.append(copy.dest)
    return tuple(found)
