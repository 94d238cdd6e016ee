"""What ``init`` writes and says of a folder: everything is found by reading, nothing is run and nothing written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import anyio
from attrs import evolve
from packaging.utils import canonicalize_name

from .. import contract
from ..artifacts import mlmodel
from ..artifacts.names import MLMODEL, PICKLES
from ..artifacts.pickle import Pickled, model_files, read_pickle
from ..base import catalog
from ..data import frozen
from ..errors import ProjectError
from ..graph.graph import Copy
from ..graph.source import Local
from ..project.file import FILE_NAME, read_project_file
from ..project.load import load_project
from ..project.model import Project
from ..project.recipe import load_recipe, run_recipe
from ..project.settings import Options
from ..pysource.imports import Code, read_code
from ..pysource.versions import version_of
from ..requirements.read import is_yaml, read_requirements
from .installed import Installed, here
from .pins import Pins, Requirement, make_pins
from .toml import project_file_text

REQUIREMENTS = "requirements.txt"

NEEDED = """\
Write one, in this folder or in code/, with init(), called once at start, and run(), called for each request:

import json, os
def init():
    global model
    model = open(os.environ["AZUREML_MODEL_DIR"] + "/model.txt").read()
def run(data):
    return {"model": model, "request": json.loads(data)}"""


@frozen
class Draft:
    """What was found and what there is to write.

    :param files: text by name, without those that are there already.
    :param kept: the files that are there instead, as the user knows them.
    :param unknown: what was not known, a sentence each.
    :param unnamed: what is needed and a requirements file that was there already does not name.
    """

    project: Project
    files: Mapping[str, str]
    kept: tuple[str, ...]
    pins: Pins
    installed: Installed
    unknown: tuple[str, ...]
    unnamed: tuple[Requirement, ...]


def make_draft(folder: str | os.PathLike[str], options: Options, *, installed: Installed | None = None) -> Draft:
    """Read a project folder and make its first files.

    :param installed: the environment to take versions from; the user's unless given.
    :raises ProjectError: no entry script, or one that cannot be parsed; whatever is wrong with the folder.
    :raises UsageError: an unknown base or recipe.
    """
    project = _with_own_list(load_project(folder, options))
    load_recipe(project.recipe, root=project.root)
    if project.mlflow:
        raise ProjectError(
            f"nothing needs to be written: the MLflow model {shown(project.mlflow.path, project)} is served without "
            "an entry script",
            location=str(folder),
            hint="See how: dagger-aml plan. To change what it answers, begin with the script that plan --why prints.",
        )
    if project.code is None or not (project.code / project.entry_script).is_file():
        raise ProjectError("there is no entry script", location=str(folder), hint=NEEDED)
    installed = installed or here()
    files_of_code = _travelling(project, project.code)
    models = dict(_pickles(project, [project.code / file for file in files_of_code]))
    code = read_code(
        project.code,
        files_of_code,
        project.entry_script,
        installed=installed.has,
        modules=[module for each in models.values() for module in each.modules],
        python=version_of(catalog.python(project.base)),
    )
    pins = make_pins(code, models, installed)
    requirements = pins.file_text(installed.python)
    files: dict[str, str] = {}
    kept: list[str] = []
    listed = _of_conda(project)
    if project.requirements:
        kept.append(shown(project.requirements, project))
        if listed:
            files[REQUIREMENTS] = listed
    elif requirements:
        files[REQUIREMENTS] = requirements
    declared = read_project_file(project.root).paths
    if declared:
        kept.append(FILE_NAME if declared[0].name == FILE_NAME else f"[tool.dagger-aml] of {declared[0].name}")
    else:
        files[FILE_NAME] = project_file_text(project, options, next(iter([*files, *kept]), None))
    unknown = tuple(_not_known(project, installed, models, code))
    return Draft(project, files, tuple(kept), pins, installed, unknown, _unnamed(project, pins))


def _of_conda(project: Project) -> str | None:
    """A conda file as requirements.txt; None without such a file, where there is a requirements.txt too, and where
    what it names by paths lies beside it elsewhere."""
    if project.requirements is None or not is_yaml(project.requirements.name):
        return None
    found = read_requirements(project.requirements, root=project.root, conda=project.conda)
    beside = project.requirements.parent.resolve() == project.root
    if (len(found.files) > 1 and not beside) or (project.root / REQUIREMENTS).exists():
        return None
    return "".join(f"{line}\n" for line in found.indexes) + (found.text or "")


def _with_own_list(project: Project) -> Project:
    """The project with the list of packages that MLflow wrote beside its model, where nothing else is said."""
    if project.requirements or read_project_file(project.root).paths:
        return project
    lists = [each.path / mlmodel.REQUIREMENTS for each in project.models if (each.path / MLMODEL).is_file()]
    there = [path for path in lists if path.is_file() and path.is_relative_to(project.root)]
    return evolve(project, requirements=there[0]) if len(there) == 1 else project


def shown(path: Path, project: Project) -> str:
    """A path as it is in the project."""
    return Path(os.path.relpath(path, project.root)).as_posix()


def _travelling(project: Project, code: Path) -> tuple[str, ...]:
    """The files of the code that go into the image, relative to its folder: what the step that copies it takes."""
    graph = anyio.run(run_recipe, evolve(project, recipe="extended", requirements=None, apt=()))
    sources = [
        layer.source
        for layer in graph.layers
        if isinstance(layer, Copy) and isinstance(layer.source, Local) and layer.dest == contract.APP_ROOT
    ]
    return tuple(entry.path for source in sources for entry in source.entries if (code / entry.path).is_file())


def _pickles(project: Project, code: Iterable[Path]) -> Iterator[tuple[str, Pickled]]:
    """The pickles among the models, by their first bytes, and among the code, by their names."""
    files = [file for model in project.models for file in model_files(model.path)]
    files += [file for file in code if file.suffix.lower() in PICKLES]
    for file in files:
        found = read_pickle(file)
        if found:
            yield shown(file, project), found


def _unnamed(project: Project, pins: Pins) -> tuple[Requirement, ...]:
    """What a requirements file of the user's does not name; of a lock, which is complete, nothing is said."""
    if not project.requirements or not project.requirements.name.endswith((".txt", ".yml", ".yaml")):
        return ()
    listed = read_requirements(project.requirements, root=project.root, conda=project.conda)
    named = {canonicalize_name(name) for name in listed.names}
    return tuple(each for each in pins.needed if canonicalize_name(each.package) not in named)


def _not_known(project: Project, installed: Installed, models: Mapping[str, Pickled], code: Code) -> Iterator[str]:
    for path, each in models.items():
        if each.unread:
            yield f"{path} is {each.unread}"
        if "__main__" in each.modules:
            yield (
                f"{path} needs a class or function from the script or notebook that saved it (__main__), which "
                "the server will not find: move it to a module next to the entry script, import it from "
                "there, and save the model again"
            )
    yield from (f"{each}; its imports are not known" for each in code.unread)
    of_base = catalog.python(project.base)
    if of_base and installed.python and of_base != installed.python:
        yield (
            f"these versions are for Python {installed.python}, but the base image has Python {of_base}: "
            "pip fails if a version does not exist for it"
        )
    if not project.models and not models:
        yield "no model was found; put it into model/, unless the entry script needs none"
    if not project.request:
        yield (
            "there is no request.json; add one with a sample request, so that `dagger-aml build --smoke` can test "
            "the image"
        )
