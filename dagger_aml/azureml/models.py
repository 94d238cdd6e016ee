"""The models that a script names: those of the project folder."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from attrs import evolve

from ..data import frozen
from ..project.file import read_project_file
from ..project.merge import Reading
from ..project.models import models
from ..project.settings import Options
from ..steps.model import Model


class OfProject(Protocol):
    """What models need of a ``Workspace``, which has models in its turn."""

    name: str
    subscription_id: str | None
    resource_group: str | None
    project: Path


@frozen
class Named:
    """A model of a project.

    :param model: where it lies, and its name and version.
    :param keep_folder: as the project's file says it: true, false or ``auto``.
    :param declared: whether the project's file names it; else it was found.
    """

    model: Model
    keep_folder: bool | str = "auto"
    declared: bool = False


def project_models(folder: Path) -> tuple[Named, ...]:
    """The models of a project folder, as its file declares them or as they are found; the code decides nothing yet.

    :raises ProjectError: the file, or a model, cannot be read.
    """
    reading = Reading(folder, Options(), read_project_file(folder))
    tables = reading.file.tables.models
    found = models(reading, folder, None)
    said = [table.keep_folder for table in tables] if tables is not None else ["auto"] * len(found.layouts)
    return tuple(
        Named(evolve(each, also=()), keep, tables is not None) for each, keep in zip(found.models, said, strict=True)
    )


def by_path(text: str) -> Named | None:
    """A model given as the path of a file or folder; None where there is none.

    Its name is the path's last part, at most 30 characters, as SDK v1 registers it; its version is 1.
    """
    path = Path(text)
    if not path.exists():
        return None
    return Named(Model(path.absolute(), path.resolve().name[:30]))
