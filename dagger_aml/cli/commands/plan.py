"""``dagger-aml plan``"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import click

from ...backends.base import Layers
from ...backends.builders import BUILDERS, kind_of
from ...plan.model import Plan
from ...plan.render import plan_json, plan_text
from ..common import by_flag, read
from ..options.build import layers_option, settled
from ..options.call import json_option
from ..options.project import project_options
from ..probing import planned, probe_options

if TYPE_CHECKING:
    from ...plan.compare import Comparison


@click.command("plan", short_help="Show what would be done, in what order and why.")
@project_options
@json_option("Print the plan as JSON, with digests of all local files.")
@click.option(
    "--why", is_flag=True, help="Also show the reason for each step's position, and where each value comes from."
)
@click.option(
    "--against",
    metavar="FILE|IMAGE",
    help="Compare with an earlier build: show which steps would run again and which layers would be new, and why. "
    "The earlier build is a file from plan --json, a tar, oci:FOLDER, or an image in a registry (without a host in "
    "its name: in a local store, if one has it; with --with: in that builder's store).",
)
@probe_options
@layers_option
@settled
def command(
    project: str,
    as_json: bool,
    why: bool,
    against: str | None,
    pin: bool,
    probe: bool,
    builder: str | None,
    engine: str | None,
    layers: Layers,
    **given: Any,
) -> None:
    """Show what PROJECT's recipe would do: the steps in their order, and what the image will say.

    Needs neither engine nor network unless --pin, --probe or --against IMAGE is said, and builds nothing.

    \b
    dagger-aml plan examples/diabetes --why
    dagger-aml plan examples/diabetes --json
    dagger-aml plan examples/diabetes --probe
    dagger-aml plan examples/diabetes --against registry.example/diabetes:1
    """
    found, graph = read(project, given)
    asks = builder if probe or not against else None
    made = planned(graph, pin=pin, probe=probe, builder=asks, engine=engine, layers=layers)
    held = _held(made, against, builder if by_flag("builder") else None) if against else None
    if as_json:
        data = plan_json(made, found) | ({"against": held.as_json()} if held else {})
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo(
            plan_text(made, found, why=why) + (f"\n{held.text(_with_dockerfiles())}" if held else ""), nl=False
        )


def _with_dockerfiles() -> str:
    """The builders that take a Dockerfile, as they are called."""
    return ", ".join(name for name in BUILDERS if kind_of(name).capabilities.forms)


def _held(made: Plan, earlier: str, builder: str | None) -> Comparison:
    from ...building.earlier import read_earlier
    from ...plan.compare import against

    store = builder if builder and kind_of(builder).capabilities.own_store else None
    return against(made, anyio.run(read_earlier, earlier, made.base.platform, store))
