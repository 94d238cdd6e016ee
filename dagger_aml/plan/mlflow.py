"""An MLflow model that is served without an entry script, as the plan shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..project.model import Project
from ..steps.mlflow_script import DEST, SCRIPT

if TYPE_CHECKING:
    from ..project.mlflow import MLflowModel


def mlflow_text(project: Project, found: MLflowModel, *, why: bool) -> Iterator[str]:
    """A section of the plan: how the model is served, and the script itself where reasons are asked for."""
    yield ""
    yield f"The MLflow model {found.path.name} has no entry script. dagger-aml adds one, {DEST}:"
    yield f"  the model is loaded by {found.about.loader}" + (
        f", saved with Python {found.python}" if found.python else ""
    )
    yield f"  a request has {_input(found)}"
    if found.sample_file and project.request is None:
        yield f"  sample request: made of {project.at(found.sample_file)}"
    if why:
        yield "  the script:"
        yield from (f"    {line}".rstrip() for line in SCRIPT.read_text(encoding="utf-8").splitlines())


def mlflow_json(project: Project, found: MLflowModel) -> dict[str, Any]:
    """The same as plain data. The script is the text of its op."""
    return {
        "model": project.at(found.path),
        "loader": found.about.loader,
        "python": found.python or None,
        "columns": None if found.about.columns is None else list(found.about.columns),
        "script": DEST,
        "sample_request": found.sample.decode() if found.sample and project.request is None else None,
    }


def _input(found: MLflowModel) -> str:
    about = found.about
    if about.columns is None:
        return "`input_data`" + (", the values of a tensor" if about.tensors else "")
    shown = ", ".join(about.columns[:8]) + (f" and {len(about.columns) - 8} more" if len(about.columns) > 8 else "")
    return f"`input_data` with the columns {shown}"
