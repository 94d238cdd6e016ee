"""The models of a project: as its file declares them, else as they are found in the folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from attrs import evolve

from ..data import frozen
from ..errors import ProjectError, UsageError
from ..pysource.reached import Reached
from ..steps.model import Model
from ..text import named
from . import discover as conventions
from .companions import beside, grouped, holds_nothing, is_placeholder, parts_of
from .file import FILE_NAME
from .layout import Layout, lay_out
from .merge import Reading
from .model import plain_name
from .model_root import without_the_project
from .origin import FOUND, Origin, Rank, located
from .parts import inside, one_of


@frozen
class Models:
    """The models, and what finding them tells of the code.

    :param layouts: the models, each with how it lies in the image and what the code says of that.
    :param folder: that holds one model each, where there is one.
    :param kept: models that travel with the code, whatever ignore files say.
    """

    layouts: tuple[Layout, ...] = ()
    folder: Path | None = None
    kept: tuple[Path, ...] = ()

    @property
    def models(self) -> tuple[Model, ...]:
        """The models themselves."""
        return tuple(each.model for each in self.layouts)


def models(reading: Reading, code: Path | None, used: Reached | None) -> Models:
    """The project's models.

    :param used: what the entry script leads to; None without code.
    :raises ProjectError: several candidates, a dangling part, a wrong name.
    """
    found = _models(reading, code, used)
    return evolve(
        found, layouts=tuple(evolve(each, model=without_the_project(reading, each.model)) for each in found.layouts)
    )


def _models(reading: Reading, code: Path | None, used: Reached | None) -> Models:
    root, tables = reading.root, reading.file.tables.models
    if reading.options.model and (tables is not None or not reading.deployment):
        raise UsageError(
            "no deployment file names the models here",
            location=named("model"),
            hint=f"Name them under [[models]] in {FILE_NAME}, or a deployment file: {named('deployment', 'FILE')}.",
        )
    if tables is not None:
        origin = reading.origins["models"] = reading.file.origin("models")
        with located(origin):
            declared = [_declared(reading, table, index) for index, table in enumerate(tables)]
        said = [table.keep_folder != "auto" for table in tables]
        return Models(_settled(reading, declared, said, code, used))
    if reading.deployment:
        from .deployment.models import deployed_model

        deployed = deployed_model(reading.deployment, reading.options.model, used)
        if deployed is None:
            return Models()
        layout, reading.origins["models"] = deployed
        return Models((layout,))
    if code is None and conventions.is_mlflow(root):
        return _the_folder_itself(reading)
    found = one_of(reading, "models", [root / "model", root / "models"])
    if found and found.is_dir() and holds_nothing(found):
        del reading.origins["models"]
        instead = _by_content(reading, code, used)
        if not instead.layouts and (used is None or used.reads_model_dir):
            raise ProjectError("the model folder is empty", location=str(found), hint=_how_to_fill(found))
        return instead
    if found is None:
        return _by_content(reading, code, used)
    if code is None and not conventions.is_mlflow(found):
        conventions.check_has_script(root, found)
    if found.name == "model":
        return Models(_settled(reading, [Model(found, _name(reading, found))], [False], code, used))
    if not found.is_dir():
        raise ProjectError(
            "is a file, but must be a folder of models",
            location=str(found),
            hint="For a single model, use the name `model`.",
        )
    children = grouped(path for path in found.iterdir() if not is_placeholder(path.name))
    each = [Model(path, plain_name(path.stem if path.is_file() else path.name)) for path in children]
    return Models(_settled(reading, each, [False] * len(each), code, used), folder=found)


def _the_folder_itself(reading: Reading) -> Models:
    """The model that the project folder is."""
    reading.origins["models"] = FOUND
    return Models((Layout(Model(reading.root, _name(reading, reading.root), keep_folder=True)),))


def _settled(
    reading: Reading, models: list[Model], said: list[bool], code: Path | None, used: Reached | None
) -> tuple[Layout, ...]:
    """How each model lies in the image, as its table says it or the code tells.

    :param said: of each, whether its table says it.
    """
    layouts = []
    for plain, in_file in zip(models, said, strict=True):
        also = beside(plain.path, used) if len(models) == 1 else parts_of(plain.path)
        model = evolve(plain, also=also)
        found = lay_out(model, said=in_file, alone=len(models) == 1, used=used)
        if code and (by := found.decided_by):
            file = Path(os.path.relpath(code / by.file, reading.root)).as_posix()
            reading.origins[f"models.{model.name}.keep-folder"] = Origin(Rank.FOUND, file=file, line=by.line)
        layouts.append(found)
    return tuple(layouts)


def _how_to_fill(folder: Path) -> str:
    if any(folder.rglob("*.dvc")):
        return "Only DVC's pointers lie in it. Fetch the files: dvc pull."
    return "Put the model's files into it, or remove it and the code that reads AZUREML_MODEL_DIR."


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
    if code is None and not conventions.is_mlflow(model):
        conventions.check_has_script(root, model)
    reading.origins["models"] = FOUND
    return Models(_settled(reading, [Model(model, _name(reading, model))], [False], code, used))


def _name(reading: Reading, path: Path) -> str:
    """A single model's own name, or, where that is just ``model``, the project's."""
    own = path.stem if path.is_file() else path.name
    project = reading.file.tables.name or reading.root.name
    return plain_name(project if "model" in (own, path.name) else own)


def _declared(reading: Reading, table: Any, index: int) -> Model:
    path = inside(reading, table.path, reading.file.origin("models", index, "path"))
    name = plain_name(path.stem if path.is_file() else path.name) if table.name is None else table.name
    with located(reading.file.origin("models", index, "name")):
        made = Model(path, name, flat=table.flat, keep_folder=table.keep_folder is True)
    with located(reading.file.origin("models", index, "version")):
        return evolve(made, version=table.version)
