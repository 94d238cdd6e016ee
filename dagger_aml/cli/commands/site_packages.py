"""``dagger-aml site-packages``"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from ...backends.base import Opening
from ...building.plans import probe
from ...errors import ProjectError
from ...fs.atomic import replaced_folder
from ...graph.graph import Graph
from ...project.load import load_project
from ...project.model import Project
from ...project.settings import Options
from ...steps.packages import site_packages
from ..common import check_engine, no_engine, opened
from ..console import tell
from ..options.build import engine_option, settled, with_option
from ..options.call import force_option, quiet_option
from ..options.project import project_options
from ..progress import Progress
from ..sections import Sectioned


@click.command(
    "site-packages", cls=Sectioned, short_help="Make the preinstalled-packages folder inside the base image."
)
@partial(project_options, only=("base", "platform", "requirements", "python", "pip", "no_pip_check"))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(readable=False),
    metavar="FOLDER",
    help="Where to write the folder.",
)
@with_option
@engine_option
@force_option
@quiet_option("Print nothing.")
@settled
def command(
    project: str, output: str, builder: str, engine: str | None, force: bool, quiet: bool, **given: Any
) -> None:
    """Install PROJECT's requirements, complete, into a folder, by the base image's own Python.

    The folder is what AZUREML_EXTRA_PYTHON_LIB_PATH, or PYTHONPATH, is made for.

    \b
    dagger-aml site-packages PROJECT -o libs
    """
    engine = check_engine(engine, no_engine(builder))
    found = load_project(project, Options(**given), preinstalled=False)
    if not found.requirements and not found.pip:
        raise ProjectError("has no requirements to install", location=str(found.root))
    with Progress(quiet=quiet) as progress:
        anyio.run(_make, found, Path(output), builder, engine, force, progress)
    if not quiet:
        tell(f"wrote {output}")


async def _make(
    project: Project, output: Path, name: str, engine: str | None, force: bool, progress: Progress
) -> None:
    built = site_packages(
        Graph(project.base),
        project.requirements,
        more=project.pip,
        root=project.root,
        check=project.pip_check,
        conda=project.conda,
    )
    with replaced_folder(output, force=force) as new:
        async with opened(name, progress, Opening(engine=engine, layers="builder")) as builder:
            await builder.folder(await probe(built.graph, builder), built.path, new)
