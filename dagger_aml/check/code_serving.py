"""Rules about projects of which nothing can be served."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..base import catalog
from ..contract import ENTRY_SCRIPT
from ..errors import DaggerAmlError
from ..finding import Finding
from ..fs.tree import ALWAYS_LEFT_OUT
from ..project import discover
from ..project.file import FILE_NAME
from ..project.model import Project
from ..project.recipe import recipe_names
from ..pysource import entry_script
from ..pysource.batch import batch_sign
from ..pysource.pythons import Python
from ..pysource.source import Source
from ..pysource.versions import version_of
from ..text import named
from .facts import Script
from .rule import rule

_DEEPEST = 6
"""Folders below the project in which an entry script is looked for."""

_NAMED = 3
"""Folders that are named as projects."""


def _packages_only() -> str:
    return f"For an image of packages alone, to which Azure ML mounts code and model: {named('environment_only')}"


@rule("AML520", "error")
def nothing_serves(project: Project) -> Iterator[Finding]:
    """Nothing in the project can be served.

    There is no entry script, so the image would be its base image, perhaps with packages and a model, under a name
    of yours, and its container would end at once. A single [MLflow model](mlflow.md) needs none.

    Bad `folder`:

        iris-model/MLmodel  train.ipynb  deploy/online/score.py

    Good `dagger-aml.toml`:

        [code]
        path = "deploy/online"

    Silent: `--environment-only`; a folder with nothing but lists of packages; models that `[[models]]` names;
    recipes of your own; an image whose `[env]` names an entry script; a deployment file, which says what there is.
    """
    if project.code or project.environment_only or project.recipe not in recipe_names() or project.deployment:
        return
    if ENTRY_SCRIPT in project.env or ("models" in project.origins and project.origins["models"] != "found"):
        return
    own = project.mlflow.path if project.mlflow else None
    file = project.notes.above
    above = f"If the project above is meant ({project.at(file)}): {_build(file)}\n" if file else ""
    below = _scripts_below(project.root, version_of(catalog.python(project.base)))
    deeper = [project.at(path) for path in below if own is None or not path.is_relative_to(own)]
    if deeper:
        folder = Path(deeper[0]).parent.as_posix()
        yield Finding(
            f"no entry script was found where one is looked for, but there is {' and '.join(deeper[:3])}",
            location=deeper[0],
            hint=above
            + f'Name its folder: `path = "{folder}"` under [code] in {FILE_NAME}.\n'
            + _several(project, deeper)
            + (
                f"To serve {project.at(own)} without it: {named('ignore', 'AML520')}."
                if own
                else f"{_packages_only()}."
            ),
        )
        return
    what, refused = _what_there_is(project), project.notes.mlflow_refused
    if what is not None and own is None:
        yield Finding(
            f"there is {f'{what}, but ' if what else ''}no entry script: nothing would be served",
            hint=above
            + (f"This model is not served without one: {refused}.\n" if refused else "")
            + "Write score.py with init() and run(data) (`dagger-aml init` shows one), or name yours: "
            f"{named('entry_script')}.\n{_packages_only()}.",
        )


def _several(project: Project, scripts: Sequence[str]) -> str:
    """How the folders of a project with a script each are built as projects of their own, a line; empty for one."""
    tops = dict.fromkeys(Path(each).parts[0] for each in scripts)
    if len(tops) < 2:
        return ""
    named = [shlex.quote(os.path.relpath(project.root / each)) for each in [*tops][:_NAMED]]
    more = " …" if len(tops) > _NAMED else ""
    return f"If each folder is a project of its own, name them: dagger-aml build {' '.join(named)}{more}\n"


@rule("AML521", "warning")
def for_batch(script: Script, entry: Source) -> Iterator[Finding]:
    """The entry script is for batch runs, and cannot be served.

    In a batch run `run(mini_batch)` gets a list of files or a data frame. The inference server gives it the body of
    a request, which is a text. Batch deployments bring code and model themselves and need an image of packages alone.

    Bad `score.py`:

        def run(mini_batch):
            return [predict(path) for path in mini_batch]

    Good `dagger-aml.toml`:

        environment-only = true

    Silent: a `run` that is decorated, such as with `@input_schema`, or that does not use its `mini_batch` as a
    list or a data frame.
    """
    sign = batch_sign(entry.data)
    if sign:
        yield Finding(
            f"the entry script {sign.what}; the inference server gives run() the text of one request",
            location=script.at(script.name, sign.line),
            hint=f"A batch deployment takes an image of packages alone: {named('environment_only')}.",
        )


@rule("AML522", "info")
def deployment_files(project: Project) -> Iterator[Finding]:
    """Deployment files of Azure ML lie in the folder, and none is used.

    Several may be meant, such as one for blue and one for green. The project is taken as its folder has it, and so
    may be another one than they say. An only one is used, and refused where it cannot be read.

    Bad `folder`:

        score.py  blue-deployment.yml  green-deployment.yml

    Good `dagger-aml.toml`:

        deployment = "blue-deployment.yml"

    Silent: where one is used, and where there is a project file; files of endpoints, batch deployments and others.
    """
    there = project.notes.deployments
    if there:
        from ..project.deployment.use import commands

        names = ", ".join(project.at(each) for each in there)
        yield Finding(f"several deployment files, and none of them is used: {names}", hint=commands(there))


def _build(file: Path) -> str:
    """The command that builds the project of a file."""
    return f"dagger-aml build {shlex.quote(os.path.relpath(file.parent))}"


@rule("AML523", "warning")
def code_of_a_project_above(project: Project) -> Iterator[Finding]:
    """The folder is the code of a project above it.

    git and cargo look for a project in the folders above; here a folder is taken as a project of its own. So the
    image has no model, no packages, and no settings of the project above.

    Bad `shell`:

        cd shop/src && dagger-aml build      # shop/dagger-aml.toml has path = "src" below [code]

    Good `shell`:

        dagger-aml build shop

    Silent: a folder with a `dagger-aml.toml` of its own, be it empty, or with a deployment file; one that is a git
    repository of its own; projects that lie below another without being its code.
    """
    above = project.notes.above
    if above and project.code:
        yield Finding(
            f"the folder {project.root.name} is the code of the project above it, of which nothing else is used: no "
            "settings, packages or model",
            location=project.at(above),
            hint=f"Name that project's folder: {_build(above)}\nIf this is a project of its own, give it a "
            f"{FILE_NAME}, which may be empty.",
        )


def _what_there_is(project: Project) -> str | None:
    """What in the project somebody may have expected to be served; empty for nothing, None for lists of packages."""
    models = [each.path for each in project.models if not _is_code(each.path)]
    if models:
        path = models[0]
        kind = discover.model_kind(path) if path.is_dir() else None
        return f"{kind or 'a model'} ({project.at(path)})"
    places = [project.root, *discover.folders(project.root)]
    for suffix, what in ((".py", "Python code"), (".ipynb", "a notebook")):
        for place in places:
            for path in sorted(place.glob(f"*{suffix}")):
                if suffix == ".ipynb" or not discover.matches(path.name, discover.NOT_CODE):
                    return f"{what} ({project.at(path)})"
    lists = (project.requirements, project.pip, project.apt, project.preinstalled)
    return None if any(lists) else ""


def _is_code(folder: Path) -> bool:
    """Whether a folder that is taken for a model has Python code at its top and nothing that looks like a model."""
    if not folder.is_dir() or discover.model_kind(folder) or not any(folder.glob("*.py")):
        return False
    return not any(path.suffix.lower() in discover.MODEL_SUFFIXES for path in folder.rglob("*"))


def _scripts_below(root: Path, python: Python | None) -> Iterator[Path]:
    """The entry scripts deeper in the project than one is looked for, or in folders that are passed over."""
    for folder, names, files in os.walk(root):
        here = Path(folder)
        names[:] = sorted(name for name in names if _may_hold_code(here / name))
        if len(here.relative_to(root).parts) >= _DEEPEST:
            names.clear()
        if here != root and any(name.endswith(".py") for name in files):
            named = discover.SCRIPT in files and _may_serve(here, python)
            yield from (here / name for name in ([discover.SCRIPT] if named else entry_script.find(here, python)))


def _may_serve(folder: Path, python: Python | None) -> bool:
    """Whether the folder's score.py is an entry script, as far as its text tells; many are called so and are none."""
    try:
        entry_script.check(folder, discover.SCRIPT, python)
    except DaggerAmlError:
        return False
    return True


def _may_hold_code(folder: Path) -> bool:
    if folder.name in ALWAYS_LEFT_OUT or discover.matches(folder.name, discover.NOT_CODE, folder=True):
        return False
    return not (folder / "pyvenv.cfg").is_file()
