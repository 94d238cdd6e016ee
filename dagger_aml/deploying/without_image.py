"""A deployment for which no image is built: Azure's own image, and a code folder that carries packages.

What Microsoft's page "Python package extensibility for prebuilt Docker images" describes. It is made of a plan in
which nothing runs: what the plan copies beside the entry script goes into the code folder, which Azure ML mounts.
"""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import contract
from ..backends.dockerfile.context import fill
from ..data import frozen
from ..errors import ProjectError, UsageError
from ..fs.atomic import make_folder
from ..graph.graph import Built, Copy
from ..graph.source import Local
from ..plan.model import Plan
from ..project.model import Project
from ..text import named
from .azureml import Said, begun, moved, relative, with_environment
from .subject import subject_of

CODE = "code"
"""Name of the code folder beside the deployment file."""

_NOT_ELSEWHERE = (contract.SOURCE_DIRECTORY, "PYTHONPATH")
"""Variables whose values name a place in the image that is another where Azure ML mounts the code."""


@frozen
class Unbuilt:
    """A deployment without an image.

    :param document: the deployment file's.
    :param copies: what the code folder is made of.
    :param warnings: what is other than in a built image.
    """

    document: Mapping[str, Any]
    copies: tuple[Copy, ...]
    warnings: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Fill a new, empty code folder.

        :raises ProjectError: a source vanished or cannot be read.
        """
        for number, copy in enumerate(self.copies):
            made = folder.parent / f"copy-{number}"
            make_folder(made)
            fill(made, copy)
            place = posixpath.dirname(copy.dest) if copy.kind == "file" else copy.dest
            inside = place.removeprefix(contract.APP_ROOT).strip("/")
            shutil.copytree(made / "k", folder / inside, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(made)


def without_image(project: Project, plan: Plan, said: Said, folder: Path) -> Unbuilt:
    """What Azure ML needs where no image is built.

    :param folder: in which the deployment file will lie.
    :raises UsageError: the plan runs something, or sets what would not hold where Azure ML mounts the code.
    :raises ProjectError: the project has no code, or several models.
    """
    if project.code is None:
        raise ProjectError("has no code to mount", location=str(project.root))
    copies = _copies(project, plan)
    _keep_sources(copies, folder / CODE)
    variables = _variables(plan)
    read = subject_of(project).deployment
    document = begun(said, read)
    model, warnings = _model(project, folder)
    if read and read.model:
        model, warnings = moved(document, read, folder)["model"], ()
    # A script in a folder may start in it, which Azure ML sees to of itself.
    start = variables.pop(contract.APP, contract.APP_ROOT)
    script = posixpath.relpath(posixpath.join(start, _entry_script(project, variables)), contract.APP_ROOT)
    first = {key: document.pop(key) for key in _FIRST if key in document}
    first |= {"model": model} if model else {}
    first["code_configuration"] = {"code": f"./{CODE}", "scoring_script": script}
    rest = {key: value for key, value in document.items() if key not in first}
    if variables:
        rest["environment_variables"] = {**variables, **(rest.get("environment_variables") or {})}
    return Unbuilt(with_environment({**first, **rest}, {"image": plan.base.pinned}, said), copies, warnings)


_FIRST = ("$schema", "name", "endpoint_name", "type")


def _entry_script(project: Project, variables: dict[str, str]) -> str:
    """The entry script, taken out of the variables of the image that is not built.

    :raises UsageError: the recipe names none.
    """
    found = variables.pop(contract.ENTRY_SCRIPT, None)
    if found is None:
        raise UsageError(
            f"the recipe {project.recipe} names no entry script: it does not set {contract.ENTRY_SCRIPT}",
            location=named("without_image"),
            hint="Let it use the step `code`, or build an image.",
        )
    return found


def _variables(plan: Plan) -> dict[str, str]:
    """Those of the image that is not built, but for what Azure ML itself sets; the entry script's among them."""
    found = {name: str(value) for name, value in plan.config.env.items() if name != contract.MODEL_DIR}
    for name in _NOT_ELSEWHERE:
        if name in found:
            raise UsageError(
                f"the image would have {name}={found[name]}, and that is not where Azure ML mounts the code",
                location=named("without_image"),
                hint=f"Use the recipe dynamic, or preinstalled with {named('via', 'start-script')}; rename modules "
                "that have the names of the server's own. Or build an image.",
            )
    return found


def _model(project: Project, folder: Path) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The project's model as a deployment file says it, and how it will lie otherwise than in an image."""
    if len(project.models) > 1:
        names = ", ".join(each.name for each in project.models)
        raise ProjectError(
            f"has several models ({names}), and a deployment mounts one",
            location=str(project.root),
            hint="Put them into one folder, or build an image, which takes them all.",
        )
    for model in project.models:
        if model.also:
            raise ProjectError(
                f"the model is several files ({model.path.name} and others), and Azure ML mounts one file or folder",
                location=str(model.path),
                hint="Put them into a folder, or build an image.",
            )
        said = {"name": model.name, "version": model.version, "path": relative(model.path, folder)}
        if not model.flat and (model.path.is_file() or model.keep_folder):
            return said, ()
        where = f"${contract.MODEL_DIR}/{model.path.name}"
        return said, (
            f"Azure ML mounts the model as {where}; an image that is built of this project has "
            f"{'it in' if model.flat and model.path.is_file() else 'its contents in'} ${contract.MODEL_DIR} itself",
        )
    return None, ()


def _keep_sources(copies: tuple[Copy, ...], code: Path) -> None:
    """Refuse to replace a folder that holds what is to be copied."""
    for copy in copies:
        if isinstance(copy.source, Local) and Path(copy.source.path).is_relative_to(code.resolve()):
            raise UsageError(
                f"contains {copy.source.path}, which is copied",
                location=str(code),
                hint="Choose another output folder.",
            )


def _copies(project: Project, plan: Plan) -> tuple[Copy, ...]:
    """What goes beside the entry script.

    :raises UsageError: something runs, or goes elsewhere.
    """
    for layer in plan.layers:
        if not isinstance(layer, Copy) or isinstance(layer.source, Built):
            raise UsageError(
                f"the recipe {project.recipe} runs commands ({layer.name}), for which an image must be built",
                location=named("without_image"),
                hint=_preinstalled(project)
                if project.recipe == "preinstalled"
                else f"Use {named('recipe', 'dynamic')}, or {named('recipe', 'preinstalled')} with a folder of "
                "packages that exists.",
            )
    found = []
    for layer in plan.layers:
        assert isinstance(layer, Copy)
        if layer.dest == project.models_root or layer.dest.startswith(project.models_root + "/"):
            continue
        if layer.dest != contract.APP_ROOT and not layer.dest.startswith(contract.APP_ROOT + "/"):
            raise UsageError(
                f"{layer.name} goes to {layer.dest}, where Azure ML mounts nothing",
                location=named("without_image"),
                hint="Build an image.",
            )
        found.append(layer)
    return tuple(found)


def _preinstalled(project: Project) -> str:
    return (
        "Make the folder of packages first, inside the base image: "
        f"dagger-aml site-packages {project.root.name} -o {project.root.name}/libs\n"
        'Then name it in dagger-aml.toml: [preinstalled] path = "libs"'
    )
