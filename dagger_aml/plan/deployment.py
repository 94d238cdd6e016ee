"""What a deployment file gave, as the head of a plan shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..project.deployment.model import OF_THE_IMAGE
from ..project.deployment.place import shown
from ..project.model import Project

if TYPE_CHECKING:
    from ..project.deployment.taken import DeploymentFile


def deployment_title(file: DeploymentFile) -> str:
    """The end of a plan's first line."""
    return f", as {file.shown}, found in the folder, says" if file.found else f", as {file.shown} says"


def deployment_text(project: Project, file: DeploymentFile) -> Iterator[str]:
    """A section of the plan: each thing that the deployment file gave."""
    deployment = file.deployment
    yield ""
    yield f"{file.shown} (deployment {deployment.name}, {deployment.kind}) gives:"
    for each in _given(project, file):
        location = f"  ({each['location']})" if each["location"] else ""
        yield f"  {each['what']} {each['value']}{location}" + (f": {each['why']}" if each["why"] else "")
    if left := _left(file):
        yield f"  of no meaning for an image: {', '.join(left)}"
    if fill := deployment.placeholders:
        said = (f"{each.key} {each.text} ({file.at(each.place)})" for each in fill)
        yield f"  to be filled in: {', '.join(said)}"


def deployment_json(project: Project, file: DeploymentFile) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "file": file.shown,
        "found": file.found,
        "name": file.deployment.name,
        "endpoint": file.deployment.endpoint_name,
        "kind": file.deployment.kind,
        "gives": list(_given(project, file)),
        "left": _left(file),
        "to_fill_in": [
            {"key": each.key, "value": each.text, "location": str(file.at(each.place))}
            for each in file.deployment.placeholders
        ],
    }


def _given(project: Project, file: DeploymentFile) -> Iterator[dict[str, str]]:
    """What counts of the file; what a flag, a variable or the project's file says instead is not among it."""
    from ..project.deployment.model import LocalModel

    origins = project.origins
    if file.base:
        yield _line("base", project.base.reference, str(file.base.origin), file.why_base)
    elif file.deployment.environment:
        yield _line("base", project.base.reference, origins.get("base", ""), "in place of what the file says")
    for name in file.adds:
        yield _line("package", name, "", "nothing listed brings the inference server")
    if project.requirements and file.packages and project.requirements == file.packages[0]:
        yield _line("packages", f"of {_path(project.requirements, project)}", str(file.packages[1]))
    if project.code and origins.get("code") == str(file.origin("code_configuration")):
        where = _path(project.code_of or project.code, project)
        script = (project.code / project.entry_script).relative_to(project.code_of or project.code).as_posix()
        starts = "the server starts in the script's folder" if project.code_of else ""
        yield _line("code", f"{where}, entry script {script}", origins["code"], starts)
    for model in project.models if file.deployment.model else ():
        said = file.deployment.model
        unnamed = isinstance(said, LocalModel) and said.name is None
        value = f"{_path(model.path, project)} as {model.name}, version {model.version}"
        yield _line("model", value, origins.get("models", ""), "named after its path" if unnamed else "")
    if file.mount_path:
        yield _line("folder of models", file.mount_path, str(file.origin("model_mount_path")))
    for name in file.deployment.variables:
        if origins.get(f"env.{name}") == str(file.variable(name)):
            yield _line("variable", name, origins[f"env.{name}"])


def _line(what: str, value: str, location: str, why: str = "") -> dict[str, str]:
    return {"what": what, "value": value, "location": location, "why": why}


def _left(file: DeploymentFile) -> list[str]:
    return sorted(str(key) for key in file.deployment.document if key not in OF_THE_IMAGE)


def _path(path: Path, project: Project) -> str:
    return shown(path, project.root)
