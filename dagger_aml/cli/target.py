"""What ``run`` and ``score`` take: a project, an image, a tar or a URL."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from ..backends.base import Builder, Opening
from ..backends.builders import BUILDERS, kind_of
from ..data import frozen
from ..errors import ProjectError, UsageError
from ..graph.graph import Graph
from ..oci.reference import Reference, is_image_id, is_written_as_path
from ..project.deployment.place import is_project_file
from ..project.model import Project
from .common import opened, read
from .console import printable
from .options.build import Decorator, setting_option
from .progress import Progress

RUNTIMES = [name for name in BUILDERS if kind_of(name).capabilities.serves]

with_option: Decorator = setting_option(
    "builder",
    choices=RUNTIMES,
    help="Builder that builds and serves. dagger-aml never switches to another one silently.",
)


@frozen
class Target:
    """What is served or asked.

    :param image: a reference, or a tar's path.
    :param graph: of the project.
    :param url: of a server that runs already.
    """

    project: Project | None = None
    graph: Graph | None = None
    image: str | Path | None = None
    url: str = ""


def read_target(text: str, given: dict[str, Any], *, url: bool = False) -> Target:
    """A folder or a deployment file is a project, another file a tar, ``http…`` a URL, anything else an image.

    :raises UsageError: none of these; or a flag that is for projects is given with something else.
    """
    if url and re.match(r"https?://", text):
        return _alone(Target(url=text), given)
    path = Path(text)
    if path.is_dir() or is_project_file(path):
        project, graph = read(text, given)
        if project.environment_only:
            raise ProjectError(
                "an image of packages alone has nothing to serve",
                location=project.origins["environment_only"],
                hint="Test it with: dagger-aml build --smoke",
            )
        if not project.serves:
            raise ProjectError(
                "has no code to serve",
                location=str(project.root),
                hint="Name a project's folder, or put the entry script into this one as code/score.py.",
            )
        return Target(project, graph)
    if path.is_file():
        return _alone(Target(image=path), given)
    if is_written_as_path(text):
        raise UsageError("there is no such folder or file", location=text)
    if not is_image_id(text):
        Reference.parse(text, "the image")
    return _alone(Target(image=text), given)


def _alone(target: Target, given: dict[str, Any]) -> Target:
    said = [name for name, value in given.items() if value]
    if said:
        raise UsageError(f"--{said[0].replace('_', '-')} works only with a project", hint="Name a project's folder.")
    return target


@asynccontextmanager
async def connected(name: str, progress: Progress, target: Target, opening: Opening) -> AsyncIterator[Builder | str]:
    """The builder behind ``--with``; a local one by its name where nothing is to be built."""
    if target.image and not kind_of(name).capabilities.connects_to_engine:
        yield name
        return
    async with opened(name, progress, opening) as builder:
        yield builder


def say(text: str) -> None:
    """Print to standard output; a character that the terminal cannot show is escaped."""
    click.echo(printable(text, sys.stdout))
