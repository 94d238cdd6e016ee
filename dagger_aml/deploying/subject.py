"""What a deployment is to be of: a project, or a deployment file alone."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from ..data import frozen
from ..errors import UsageError
from ..project.deployment.model import Deployment
from ..project.deployment.place import folder_of, is_project_file
from ..project.deployment.use import deployment_file
from ..project.file import read_project_file
from ..project.load import load_project
from ..project.merge import Reading, truth
from ..project.model import Project, plain_name
from ..project.parts import check_packages_alone
from ..project.settings import Options


@frozen
class Subject:
    """What a deployment is to be of.

    :param name: the project's.
    :param environment_only: whether its image has packages alone.
    :param deployment: the deployment file that counts; None without.
    :param project: None where PROJECT is a deployment file, or a folder that uses one and lacks what that names: it
        need not be here, as it is in the image.
    """

    name: str
    environment_only: bool
    deployment: Deployment | None
    project: Project | None


def subject(text: str, options: Options) -> Subject:
    """What PROJECT names.

    :raises ProjectError, UsageError: as :func:`~..project.load.load_project`, or as
        :func:`~..project.deployment.use.deployment_file`.
    """
    path = Path(text)
    if is_project_file(path):
        found = _alone(path, options)
        assert found is not None
        return found
    try:
        return subject_of(load_project(path, options))
    except UsageError:
        # What is in the image need not be here, as where its deployment file is PROJECT.
        found = _alone(path, options) if path.is_dir() else None
        if found is None:
            raise
        return found


def _alone(path: Path, options: Options) -> Subject | None:
    """What a deployment file says of itself: the one that PROJECT is, or that its folder uses; None without one."""
    root = folder_of(path).resolve()
    reading = Reading(root, options, read_project_file(root))
    file = deployment_file(reading, path.absolute() if is_project_file(path) else None)
    if file is None:
        return None
    name = plain_name(reading.file.tables.name or file.name)
    reading = evolve(reading, deployment=file)
    if alone := truth(reading, "environment_only"):
        check_packages_alone(reading, str(reading.origins["environment_only"]))
    return Subject(name, alone, file.deployment, None)


def subject_of(project: Project) -> Subject:
    """A project that was read."""
    file = project.deployment.deployment if project.deployment else None
    return Subject(project.name, project.environment_only, file, project)
