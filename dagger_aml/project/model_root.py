"""A model whose folder is the project's own, or contains it: what of that is no part of the model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from ..errors import unreadable
from ..steps.model import Model
from .deployment.place import deployment_files
from .discover import MODEL_SUFFIXES, own
from .file import looks_like_path
from .merge import Reading, stated

_ARCHIVES = (b"oci-layout\0", b"manifest.json\0", b"index.json\0", b"blobs/")
"""How the first name in an image's archive begins, by whoever wrote it."""


def without_the_project(reading: Reading, model: Model) -> Model:
    """The model, without what of its folder is the project's; any other model as it is.

    A folder with a deployment file in it counts too where another deployment file names it: what `deployment` writes
    elsewhere of a file that says ``path: .`` has the same model.

    Ignore files count as they do for code, but never take away a file that is a model by its name's end, nor what the
    ``MLmodel`` names: tools that track large files list these there.
    """
    folder = model.path.resolve()
    if not folder.is_dir():
        return model
    project = reading.root
    if not project.is_relative_to(folder):
        if not reading.deployment or not deployment_files(folder):
            return model
        project = folder
    places = dict.fromkeys((project, folder))
    return evolve(
        model,
        leave_out=tuple(dict.fromkeys([*_declared(reading), *(path for each in places for path in _found(each))])),
        project=project,
        keep=tuple(_kept(folder)),
    )


def _declared(reading: Reading) -> Iterator[Path]:
    """What the project's files are and name, and is for dagger-aml alone."""
    root, tables = reading.root, reading.file.tables
    yield from reading.file.paths
    if reading.deployment:
        yield reading.deployment.deployment.path
    recipe = stated(reading, "recipe").value
    if looks_like_path(recipe):
        yield from (Path(recipe).absolute(), root / recipe)
    named = [each for each in (tables.apt, tables.request, tables.answer) if isinstance(each, str)]
    yield from (root / each for each in named)


def _found(folder: Path) -> Iterator[Path]:
    """What lies in a folder and is for dagger-aml alone, was made by it, or holds secrets."""
    yield from deployment_files(folder)
    names = own(None)
    for item in os.scandir(folder):
        if item.name in names or item.name.startswith(".env") or (item.name.endswith(".tar") and _is_image(item)):
            yield Path(item.path)


def _is_image(item: os.DirEntry[str]) -> bool:
    """Whether a file is an image that somebody saved."""
    if not item.is_file():
        return False
    try:
        with open(item.path, "rb") as file:  # noqa: PTH123 - a name of scandir's
            return file.read(16).startswith(_ARCHIVES)
    except OSError as error:
        raise unreadable(error, item.path) from None


def _kept(folder: Path) -> Iterator[Path]:
    """What in a folder's top is the model by its name's end, or since ``MLmodel`` names it."""
    from ..artifacts.names import MLMODEL

    path = folder / MLMODEL
    said = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
    for item in os.scandir(folder):
        named = item.name == MLMODEL or re.search(rf"(?<![\w.-]){re.escape(item.name)}(?![\w.-])", said)
        if named or Path(item.name).suffix.lower() in MODEL_SUFFIXES:
            yield Path(item.path)
