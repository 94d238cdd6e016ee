"""``dagger-aml plan``"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ...backends.base import Layers
from ...backends.builders import kind_of
from ...building.plans import make_plan
from ...errors import UsageError
from ...plan.inputs import input_digest_of
from ...plan.making import makings
from ...plan.render import plan_json, plan_text
from ..common import by_flag, read, read_others
from ..options.build import layers_option, opening_of, settled
from ..options.call import json_option
from ..options.project import project_options
from ..options.types import Given
from ..probing import Asks, planned, probe_options
from ..sections import Sectioned

if TYPE_CHECKING:
    from ..drawing import Form


@click.command("plan", cls=Sectioned, short_help="Show what would be done, in what order and why.")
@click.argument("projects", metavar="[PROJECT]...", nargs=-1, type=Given())
@partial(project_options, argument=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "mermaid", "dot"]),
    default="text",
    show_default=True,
    help="json is the plan for programs, with digests of all local files; mermaid and dot are pictures of it, for "
    "Markdown on GitHub and GitLab and for Graphviz.",
)
@json_option("The same as --format json.")
@click.option(
    "--why", is_flag=True, help="Also show the reason for each step's position, and where each value comes from."
)
@click.option(
    "--against",
    metavar="FILE|IMAGE",
    help="Compare with an earlier build: show which steps would run again and which layers would be new, and why. "
    "The earlier build is a file from plan --json, a tar, oci:FOLDER, or an image in a registry (without a host in "
    "its name: in a local store, if one has it; with --with: in that builder's store). {name} and {version} are "
    "replaced by the project's values.",
)
@click.option(
    "--changed", is_flag=True, help="With --against: print only the projects that need to be built, one a line."
)
@click.option("--exit-code", is_flag=True, help="With --against: exit with 3 if a project needs to be built.")
@click.option("--offline", is_flag=True, help="With --against: ask no registry, not even for the base image.")
@probe_options
@layers_option
@settled
def command(
    projects: tuple[str, ...],
    form: Form,
    as_json: bool,
    why: bool,
    against: str | None,
    changed: bool,
    exit_code: bool,
    offline: bool,
    pin: bool,
    probe: bool,
    builder: str | None,
    engine: str | None,
    layers: Layers,
    **given: Any,
) -> None:
    """Show what PROJECT's recipe would do: the steps in their order, and what the image will say. Or of several
    projects, whether they need to be built.

    Needs neither engine nor network unless --pin, --probe or --against IMAGE is said, and builds nothing.

    \b
    dagger-aml plan examples/diabetes --why
    dagger-aml plan examples/diabetes --json
    dagger-aml plan examples/diabetes --format mermaid
    dagger-aml plan examples/diabetes --probe
    dagger-aml plan examples/diabetes --against registry.example/diabetes:1
    dagger-aml plan models/* --changed --against 'registry.example/{name}:main'
    """
    for flag, is_said in (("--changed", changed), ("--exit-code", exit_code), ("--offline", offline)):
        if is_said and against is None:
            raise UsageError(f"{flag} works only with --against", hint="Add --against FILE|IMAGE.")
    if as_json:
        if by_flag("form") and form != "json":
            raise UsageError(f"--json and --format {form} contradict each other", hint="Leave one of them out.")
        form = "json"
    how = Asks(pin, probe, builder if probe or not against else None, engine, layers)
    if len(projects) <= 1 and not changed and against is None:
        _plain(projects[0] if projects else ".", given, how, form, why=why)
        return
    from ..plans import Asked, plan_against, plan_several

    store = builder if builder and by_flag("builder") and kind_of(builder).capabilities.own_store else None
    asked = Asked(against, changed, exit_code, offline, store, form, why, layers)
    if len(projects) > 1 or changed:
        for flag, is_said in (("--pin", pin), ("--probe", probe)):
            if is_said:
                raise UsageError(
                    f"{flag} works only with one project and without --changed",
                    location=flag,
                    hint="--against IMAGE asks the base's registry anyway.",
                )
        plan_several(projects or (".",), given, asked)
        return
    plan_against(projects[0] if projects else ".", given, asked, how)


def _plain(project: str, given: dict[str, Any], how: Asks, form: Form, *, why: bool) -> None:
    """Show the plan of one project, held against nothing."""
    found, graph = read(project, given)
    opening = opening_of(project, how.layers, looks=how.probe)
    asked = planned(
        graph, pin=how.pin, probe=how.probe, builder=how.builder, engine=how.engine, opening=opening, image=None
    )
    ways = asked.makings or makings(asked.plan, "builder" if how.layers == "builder" else "runs or found")
    if form in ("mermaid", "dot"):
        from ...plan.picture import Drawn
        from ..console import printable
        from ..drawing import drawing

        drawn = drawing([Drawn(found.name, asked.plan, ways, why=why)], form)
        click.echo(printable(drawn, sys.stdout), nl=False)
        return
    if form == "text":
        click.echo(plan_text(asked.plan, found, why=why, how=ways), nl=False)
        return
    from ...oci.file_digests import FileDigests

    with FileDigests.kept() as kept:
        inputs = None
        if not how.pin and not how.probe:
            plans = (asked.plan, *map(make_plan, read_others(project, given, found)))
            inputs = input_digest_of(plans, kept)
        click.echo(json.dumps(plan_json(asked.plan, found, ways, kept, inputs), indent=2))
