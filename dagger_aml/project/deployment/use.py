"""Which deployment file a project uses, and what its environment means for the base."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from ...base.training import is_training
from ...contract import BRING_SERVER, SERVER
from ...errors import ProjectError, UsageError, unreadable
from ...finding import FileLocation
from ...fs.drafts import read_bytes
from ...text import named
from ..file import FILE_NAME
from ..merge import Reading, stated, truth
from ..origin import DEFAULT, FOUND, Origin, Rank, Stated
from ..parts import inside
from .bases import beside, instead_of, registered_base, to_be_built, why_instead
from .model import Deployment, RegisteredEnvironment
from .place import deployment_files, shown, yaml_files
from .taken import DeploymentFile

if TYPE_CHECKING:
    from ...requirements.conda_outline import Outline


_MAKES = re.compile(rb"""^["']?(?:code_configuration|model)["']?[ \t]*:""", re.MULTILINE)
"""A key of which one is in every file that says of what an image is to be made."""


def with_deployment(reading: Reading, given: Path | None) -> Reading:
    """What is read, with the deployment file that counts, if there is one.

    :param given: the file, where PROJECT is one.
    :raises ProjectError: it does not exist, or is no deployment file that can be an image.
    :raises UsageError: its environment does not tell the base, and nothing else says it; two files are named.
    """
    file = deployment_file(reading, given)
    if file is None:
        return reading
    from .environment import check_routes

    said = file.deployment
    if said.code is None and said.model is None and said.environment is None:
        raise ProjectError(
            "names neither code, model nor environment, so there is nothing to make an image of",
            location=file.at(None).location,
            hint="What `az ml online-deployment create --set model=…` adds must stand in the file.",
        )
    if file.mount_path and not file.mount_path.startswith("/"):
        raise ProjectError(
            f"not an absolute path: {said.model_mount_path!r}",
            location=file.origin("model_mount_path").location,
            hint="Models are put into a folder of the image, such as /models.",
        )
    if (environment := file.environment) is not None:
        with _seen_from(reading.root):
            check_routes(environment)
    if not stated(reading, "base").is_said:
        file = _with_base(reading, file)
    return evolve(reading, deployment=file)


def deployment_file(reading: Reading, given: Path | None) -> DeploymentFile | None:
    """The deployment file that counts, with nothing of what it names looked at; None without one.

    :param given: the file, where PROJECT is one.
    :raises ProjectError: it does not exist, or cannot be read. :raises UsageError: two files are named.
    """
    named = _named(reading, given)
    if named is None:
        return None if reading.file.files else _found(reading)
    path, reading.origins["deployment"] = named
    return DeploymentFile(_read(path, reading.root), reading.root)


def check_something_serves(reading: Reading) -> None:
    """Say of a folder without code why its deployment files are not used.

    :raises ProjectError: there are such.
    """
    if there := reading.notes.deployments:
        raise ProjectError(
            f"several deployment files, and none of them is used: {', '.join(each.name for each in there)}",
            location=str(reading.root),
            hint=commands(there),
        )


def commands(files: Sequence[Path]) -> str:
    """How each of several deployment files is named, a line each."""
    return "\n".join(["Name one:", *(f"dagger-aml plan {shlex.quote(os.path.relpath(each))}" for each in files)])


def _named(reading: Reading, given: Path | None) -> tuple[Path, Origin] | None:
    said = stated(reading, "deployment")
    if given is not None:
        if said.origin.rank is Rank.FLAG:
            raise UsageError(
                "two deployment files are named",
                location=named("deployment"),
                hint=f"Remove it, or give {given.parent}.",
            )
        return given, Origin(Rank.FLAG, file=given.name)
    if not said.is_said:
        return None
    folder = Path.cwd() if said.is_typed else reading.root
    return inside(evolve(reading, root=folder), said.value, said.origin).absolute(), said.origin


def _found(reading: Reading) -> DeploymentFile | None:
    """The only deployment file of a folder, if it has one that says of what an image is to be made.

    :raises ProjectError: it cannot be read. Without it the image would be another than it says.
    """
    for each in yaml_files(reading.root):
        if "deploy" in each.stem.lower() and not os.access(each, os.R_OK):
            error = unreadable(PermissionError(), each)
            raise ProjectError(error.message, location=shown(each, reading.root), hint=f"{error.hint}\n{_WITHOUT}")
    # Others run an image that is finished, such as one that was made of this very folder.
    there = tuple(each for each in deployment_files(reading.root) if _MAKES.search(read_bytes(each)))
    if len(there) != 1:
        reading.notes.deployments = there
        return None
    try:
        found = _read(there[0], reading.root)
    except ProjectError as error:
        error.hint = "\n".join(filter(None, (error.hint, _WITHOUT)))
        raise
    reading.origins["deployment"] = FOUND
    return DeploymentFile(found, reading.root, found=True)


_WITHOUT = (
    f"The folder's image is made as this file says. To make it without the file, put an empty {FILE_NAME} beside it."
)


def _read(path: Path, root: Path) -> Deployment:
    from .read import read_deployment

    with _seen_from(root):
        return read_deployment(path)


@contextmanager
def _seen_from(root: Path) -> Iterator[None]:
    """Give the place of an error in a file as people read it, relative to the project."""
    try:
        yield
    except ProjectError as error:
        if isinstance(place := error.location, FileLocation):
            error.location = place.named(shown(place.path, root))
        raise


def _with_base(reading: Reading, file: DeploymentFile) -> DeploymentFile:
    """The file with what it means for the base."""
    found = file.deployment.environment
    if found is None:
        return file
    if isinstance(found, RegisteredEnvironment):
        origin = file.of_environment("environment")
        reference, why = registered_base(found, origin)
        return evolve(file, base=Stated(reference, origin), why_base=why)
    if found.image is None:
        if found.build is None:
            return file
        raise to_be_built(found, reading.root, file.of_environment("build"))
    origin = file.of_environment("image")
    if not is_training(found.image):
        return evolve(file, base=Stated(found.image, origin))
    keep = truth(reading, "keep_base")
    if reading.origins["keep_base"] is DEFAULT:
        del reading.origins["keep_base"]  # Of no concern where nothing says it.
    if keep:
        return evolve(
            file, base=Stated(found.image, origin), adds=() if BRING_SERVER & _outline(file).names else (SERVER,)
        )
    versions = _outline(file).python
    taken = instead_of(found.image, versions)
    reference = beside(found.image, taken)
    return evolve(file, base=Stated(reference, origin), why_base=why_instead(found.image, taken, versions))


def _outline(file: DeploymentFile) -> Outline:
    from ...requirements.conda_outline import Outline, outline

    return outline(file.packages[0]) if file.packages else Outline()
