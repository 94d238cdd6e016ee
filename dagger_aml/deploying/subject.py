"""What a deployment is to be of: a project, or a deployment file alone."""

from __future__ import annotations

from pathlib import Path

from ..data import frozen
from ..project.deployment.model import Deployment
from ..project.deployment.place import folder_of, is_project_file
from ..project.deployment.read import read_deployment
from ..project.deployment.taken import DeploymentFile
from ..project.file import read_project_file
from ..project.load import load_project
from ..project.merge import Reading, truth
from ..project.model import Project, plain_name
from ..project.settings import Options


@frozen
class Subject:
    """What a deployment is to be of.

    :param name: the project's.
    :param environment_only: whether its image has packages alone.
    :param deployment: the deployment file that counts; None without.
    :param project: None where PROJECT is a deployment file: what that names need not be here, as it is in the image.
    """

    name: str
    environment_only: bool
    deployment: Deployment | None
    project: Project | None


def subject(text: str, options: Options) -> Subject:
    """What PROJECT names.

    :raises ProjectError, UsageError: as :func:`~..project.load.load_project`, or as
        :func:`~..project.deployment.read.read_deployment`.
    """
    path = Path(text)
    if not is_project_file(path):
        project = load_project(path, options)
        return subject_of(project)
    root = folder_of(path).resolve()
    file = DeploymentFile(read_deployment(path.absolute()), root)
    reading = Reading(root, options, read_project_file(root), file)
    name = plain_name(reading.file.tables.name or file.name)
    return Subject(name, truth(reading, "environment_only"), file.deployment, None)


def subject_of(project: Project) -> Subject:
    """A project that was read."""
    file = project.deployment.deployment if project.deployment else None
    return Subject(project.name, project.environment_only, file, project)
