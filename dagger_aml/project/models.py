"""The models of a project: as its file declares them, else as they are found in the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from ..errors import ProjectError
from ..pysource.reached import Reached
from ..steps.model import Model
from . import discover as conventions
from .merge import Reading
from .model import plain_name
from .origin import FOUND, located
from .parts import inside, one_of


@frozen
class Models:
    """The models, and what finding them tells of the code.

    :param folder: that holds one model each, where there is one.
    :param kept: models that travel with the code, whatever ignore files say.
    """

    models: tuple[Model, ...] = ()
    folder: Path | None = None
    kept: tuple[Path, ...] = ()


def models(reading: Reading, code: Path | None, used: Reached | None) -> Models:
    """The project's models.

    :param used: what the entry script leads to; None without code.
    :raises ProjectError: several candidates, a dangling part, a wrong name.
    """
    root, tables = reading.root, reading.file.tables.models
    if tables is not None:
        origin = reading.origins["models"] = reading.file.origin("models")
        with located(origin):
            return Models(tuple(_declared(reading, table, index) for index, table in enumerate(tables)))
    found = one_of(reading, "models", [root / "model", root / "models"])
    if found is None:
        return _by_content(reading, code, used)
    if code is None:
        conventions.check_has_script(root, found)
    if found.name == "model":
        return Models((Model(found, _name(reading, found)),))
    if not found.is_dir():
        raise ProjectError(
            "is a file, but must be a folder of models",
            location=str(found),
            hint="For a single model, use the name `model`.",
        )
    children = sorted(path for path in found.iterdir() if not path.name.startswith("."))
    each = (Model(path, plain_name(path.stem if path.is_file() else path.name)) for path in children)
    return Models(tuple(each), folder=found)


def _by_content(reading: Reading, code: Path | None, used: Reached | None) -> Models:
    """The model that lies in the project folder under a name of its own, if there is one."""
    root = reading.root
    found = conventions.models(root, code)
    if code == root and used and not used.reads_model_dir:
        # Code that does not ask Azure ML for the folder of models finds its model where it is: beside itself.
        reading.notes.models_with_code = tuple(found)
        return Models(kept=tuple(found))
    model = conventions.only_model(root, found)
    if model is None:
        return Models()
    if code is None:
        conventions.check_has_script(root, model)
    reading.origins["models"] = FOUND
    return Models((Model(model, _name(reading, model)),))


def _name(reading: Reading, path: Path) -> str:
    """A single model's own name, or, where that is just ``model``, the project's."""
    own = path.stem if path.is_file() else path.name
    project = reading.file.tables.name or reading.root.name
    return plain_name(project if "model" in (own, path.name) else own)


def _declared(reading: Reading, table: Any, index: int) -> Model:
    path = inside(reading, table.path, reading.file.origin("models", index, "path"))
    name = plain_name(path.stem if path.is_file() else path.name) if table.name is None else table.name
    with located(reading.file.origin("models", index)):
        return Model(path, name, table.version, table.flat, table.keep_folder)
