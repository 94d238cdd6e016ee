"""The MLflow model of a project that has no entry script."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import evolve
from packaging.utils import canonicalize_name

from .. import contract
from ..artifacts.mlmodel_served import read_served
from ..errors import DaggerAmlError, ProjectError
from ..requirements.conda_twins import CondaSettings
from ..requirements.read import read_requirements
from ..steps.model import folder_name
from .deployment.model import LocalModel
from .discover import is_mlflow
from .merge import Reading
from .mlflow import MLflowModel, mlflow_model, why_not
from .models import Models
from .origin import FOUND


def without_script(reading: Reading, found: Models) -> tuple[Models, MLflowModel | None]:
    """The models of a project without code, and the MLflow model among them that is served all the same.

    It must be the only model: a folder with an ``MLmodel``, or one that holds such a folder and nothing else, as
    Azure ML gives a registered one. It keeps its name, as Azure ML has it, unless the project file says otherwise.

    :raises ProjectError: its files are not MLflow's; a deployment file names it, and it cannot be served so.
    """
    if len(found.layouts) != 1 or _names_a_script(reading):
        return found, None
    layout = found.layouts[0]
    path = _model_in(layout.model.path)
    if path is None:
        _check_deployed(reading, layout.model.path)
        return found, None
    about = read_served(path)
    if (why := why_not(path, about)) and not reading.deployment:
        reading.notes.mlflow_refused = why
        return found, None
    if not layout.said:
        layout = evolve(layout, model=evolve(layout.model, keep_folder=True))
    kept = [folder_name(layout.model.path)] if layout.model.keep_folder else []
    below = "/".join([*kept, *path.relative_to(layout.model.path).parts])
    made = mlflow_model(path, folder=below)
    reading.origins["entry_script"] = FOUND
    return evolve(found, layouts=(layout,)), made


def _model_in(path: Path) -> Path | None:
    """The MLflow model that a folder is, or that is all that it holds."""
    if is_mlflow(path):
        return path
    inner = list(path.iterdir()) if path.is_dir() else []
    return inner[0] if len(inner) == 1 and is_mlflow(inner[0]) else None


def _check_deployed(reading: Reading, path: Path) -> None:
    """Refuse what a deployment file calls an MLflow model and is none.

    :raises ProjectError: it is such.
    """
    model = reading.deployment.deployment.model if reading.deployment else None
    if isinstance(model, LocalModel) and model.type == "mlflow_model" and reading.deployment:
        raise ProjectError(
            f"its type is mlflow_model, and {path.name} has no MLmodel",
            location=reading.deployment.at(model.place).location,
            hint="Name the folder that MLflow wrote, in which the file MLmodel lies.",
        )


def _names_a_script(reading: Reading) -> bool:
    """Whether the image is told of an entry script that the base, or a mount, brings."""
    stated = (*reading.file.tables.env, *(each.partition("=")[0] for each in reading.options.env))
    return contract.ENTRY_SCRIPT in stated


def of_mlflow(
    reading: Reading, model: MLflowModel, listed: Path | None, settings: CondaSettings, more: tuple[str, ...]
) -> tuple[str, ...]:
    """What is installed beside the list of packages: with a list of MLflow's, the server too, which the base has.

    MLflow and the server share packages, and the server pins some of them. Unless it is named, pip looks at what the
    list wants alone, and installs versions over the server's that it does not work with.

    :param settings: how the list is read.
    :param more: what is to be installed beside it anyway.
    """
    if listed is None or listed != model.packages:
        return more
    try:
        names = {
            canonicalize_name(each) for each in read_requirements(listed, root=reading.root, conda=settings).names
        }
    except DaggerAmlError:
        return more  # The step that installs it tells of it.
    named = names | {canonicalize_name(re.split(r"[^\w.-]", each.strip(), maxsplit=1)[0]) for each in more}
    return more if contract.BRING_SERVER & named else (*more, contract.SERVER)


def packages_of(
    reading: Reading, model: MLflowModel | None, listed: Path | None, settings: CondaSettings
) -> tuple[Path | None, CondaSettings]:
    """The project's list of packages, else the model's; and how it is read, with the Python that the model's is for.

    :param listed: the project's own.
    """
    if model is None or model.packages is None:
        return listed, settings
    if listed is None:
        listed = model.packages
        reading.origins["requirements"] = FOUND
    if listed.resolve() != model.packages.resolve() or not model.python or model.python_file is None:
        return listed, settings
    major_minor = ".".join(model.python.split(".")[:2])
    return listed, evolve(settings, python=f"=={major_minor}.*", python_file=model.python_file)
