"""``dagger-aml dockerfile``"""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from ...backends.base import Opening
from ...backends.dockerfile.render import render
from ...building.plans import with_files
from ..common import policy_of_call, read
from ..console import tell
from ..options.build import setting_option, settled, value_of
from ..options.call import force_option, no_check_option
from ..options.project import project_options
from ..probing import planned, probe_options
from ..progress import Progress


@click.command(
    "dockerfile",
    short_help="Write a Dockerfile and its context: no engine, no network.",
    epilog="Build what it writes with: docker build -t NAME FOLDER",
)
@project_options
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    help="Write the Dockerfile and its context to FOLDER. Without this option, print the Dockerfile.",
)
@setting_option("format", help="classic works with every builder, including ACR tasks.", default="classic")
@probe_options
@no_check_option
@force_option
@settled
def command(
    project: str,
    output: str | None,
    form: str,
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
        folder = made.save(output, force=force)
        tell(f"wrote {folder / 'Dockerfile'} and its context; build it with: docker build -t {found.name} {folder}")
    for warning in plan.warnings:
        tell(warning.titled)
