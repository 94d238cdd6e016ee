"""``dagger-aml dockerfile``"""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ...backends.base import Opening
from ...backends.dockerfile.acr import TASK_FILE, build_command, not_sent, repository_name, run_command, task_text
from ...backends.dockerfile.context import Dockerfile
from ...backends.dockerfile.render import render
from ...building.plans import with_files
from ...errors import UsageError
from ...finding import Finding
from ..common import policy_of_call, read
from ..console import tell
from ..options.build import setting_option, settled, value_of
from ..options.call import force_option, no_check_option
from ..options.project import project_options
from ..probing import planned, probe_options
from ..progress import Progress
from ..sections import Sectioned


@click.command(
    "dockerfile",
    cls=Sectioned,
    short_help="Write a Dockerfile and its context: no engine, no network.",
    epilog="Build what it writes with: docker build -t NAME FOLDER",
)
@project_options
@click.option(
    "-o",
    "--output",
    type=click.Path(readable=False),
    metavar="FOLDER",
    help="Write the Dockerfile and its context to FOLDER. Without this option, print the Dockerfile.",
)
@setting_option("format", help="classic works with every builder, including ACR tasks.", default="classic")
@click.option(
    "--acr", is_flag=True, help=f"Write {TASK_FILE} into FOLDER too, by which Azure Container Registry builds it."
)
@probe_options
@no_check_option
@force_option
@settled
def command(
    project: str,
    output: str | None,
    form: str,
    acr: bool,
    pin: bool,
    probe: bool,
    builder: str | None,
    engine: str | None,
    no_check: bool,
    force: bool,
    **given: Any,
) -> None:
    """Write PROJECT as a Dockerfile and a context folder for any builder.

    Needs neither engine nor network unless --pin or --probe is said; what it takes for true of the base stands in the
    file's head.

    \b
    dagger-aml dockerfile examples/diabetes
    dagger-aml dockerfile examples/diabetes -o imagefiles
    """
    if acr and output is None:
        raise UsageError("the task file lies beside a context", location="--acr", hint="Add -o FOLDER.")
    if acr and form == "buildkit":
        raise UsageError("ACR's tasks build the classic form", location="--acr", hint="Remove --format buildkit.")
    found, graph = read(project, given, stops=not no_check)
    opening = Opening(layers=value_of("layers", project))
    plan = planned(graph, pin=pin, probe=probe, builder=builder, engine=engine, opening=opening).plan
    if output is not None and (pin or probe):
        with Progress() as progress:
            plan = with_files(plan, fetch=True, on_event=progress.on_event, policy=policy_of_call())
    elif output is not None:
        plan = with_files(plan)
    made = render(plan, format="buildkit" if form == "buildkit" else "classic", title=found.name)
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as every builder reads it, whatever the locale
        click.echo(made.text, nl=False)
    else:
        name = repository_name(found.name)
        folder = made.save(output, force=force, beside={TASK_FILE: task_text(name)} if acr else None)
        words = shlex.quote(str(folder))
        tell(f"wrote {folder / 'Dockerfile'} and its context; build it with: docker build -t {name} {words}")
        if form == "classic":
            _tell_of_acr(made, name, folder, task=acr)
    for warning in plan.warnings:
        tell(warning.titled)


def _tell_of_acr(made: Dockerfile, name: str, folder: Path, *, task: bool) -> None:
    """How Azure Container Registry builds it, unless something would be missing from the image then."""
    lost = not_sent(made)
    if not lost:
        tell(f"or in Azure: {run_command(folder) if task else build_command(name, folder)}")
    elif task:
        hint = f"Build it with docker, or rename them.\nTo build it all the same: {run_command(folder)}"
        tell(
            Finding(f"az does not send files of these names, so the image lacks {', '.join(lost)}", hint=hint).titled
        )
