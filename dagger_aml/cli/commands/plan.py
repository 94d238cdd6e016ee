"""``dagger-aml plan``"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import click

from ...backends.base import Layers, Opening
from ...backends.builders import BUILDERS, kind_of
from ...plan.making import Making, makings
from ...plan.model import Plan
from ...plan.render import plan_json, plan_text
from ..common import by_flag, read
from ..options.build import layers_option, settled, value_of
from ..options.call import json_option
from ..options.project import project_options
from ..probing import planned, probe_options

if TYPE_CHECKING:
    from ...plan.compare import Comparison, Earlier


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
    opening = _opening(project, layers, looks=probe or against is not None)
    asked = planned(graph, pin=pin, probe=probe, builder=asks, engine=engine, opening=opening, image=against)
    made = asked.plan
    earlier = _earlier(made, against, builder if by_flag("builder") else None) if against else None
    held = _held(made, earlier) if earlier else None
    how = asked.makings or _makings(made, earlier, opening)
    if as_json:
        data = plan_json(made, found, how) | ({"against": held.as_json()} if held else {})
        click.echo(json.dumps(data, indent=2))
    else:
        text = plan_text(made, found, why=why, how=how)
        click.echo(text + (f"\n{held.text(_with_dockerfiles())}" if held else ""), nl=False)


def _opening(folder: str, layers: Layers, *, looks: bool) -> Opening:
    """How what is asked is opened.

    :param looks: whether it is looked for what ran.
    """
    if not looks:
        return Opening(layers=layers)
    place = value_of("cache_from", folder) or value_of("cache_repo", folder)
    return Opening(layers=layers, cache_from=place, max_age_days=value_of("max_age", folder))


def _with_dockerfiles() -> str:
    """The builders that take a Dockerfile, as they are called."""
    return ", ".join(name for name in BUILDERS if kind_of(name).capabilities.forms)


def _earlier(made: Plan, text: str, builder: str | None) -> Earlier:
    from ...building.earlier import read_earlier

    store = builder if builder and kind_of(builder).capabilities.own_store else None
    return anyio.run(read_earlier, text, made.base.platform, store)


def _held(made: Plan, earlier: Earlier) -> Comparison:
    from ...plan.compare import against

    return against(made, earlier)


def _makings(made: Plan, earlier: Earlier | None, opening: Opening) -> tuple[Making, ...]:
    """How the layers would be made, as far as is known without asking a base."""
    if opening.layers == "builder":
        return makings(made, "builder")
    if earlier is None or not earlier.labels:
        return makings(made)
    from ...building.earlier import makings_after

    how = makings_after(made, earlier, opening.max_age_days)
    # It may be in a repository for what ran, which is not asked.
    return makings(made) if opening.cache_from and any(each.way == "runs" for each in how) else how
