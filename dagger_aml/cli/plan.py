"""``dagger-aml plan``"""

from __future__ import annotations

import json
from typing import Any

import anyio
import click

from ..api import make_plan
from ..plan_view import plan_json, plan_text
from .common import project_options, read


@click.command("plan", short_help="Show what would be done, in what order and why.")
@project_options
@click.option("--json", "as_json", is_flag=True, help="As JSON, with digests of everything local.")
@click.option("--why", is_flag=True, help="Add why each step stands where it does, and where each value is from.")
@click.option("--pin", is_flag=True, help="Ask the registry for the base's digest.")
def command(project: str, as_json: bool, why: bool, pin: bool, **given: Any) -> None:
    """Show what PROJECT's recipe would do: the steps in their order, and what the image will say.

    Needs neither engine nor network, and builds nothing.

    \b
    dagger-aml plan examples/diabetes --why
    dagger-aml plan examples/diabetes --json
    """
    found, graph = read(project, given)
    if pin:
        from .dockerfile import pinned

        graph = anyio.run(pinned, graph)
    made = make_plan(graph)
    text = json.dumps(plan_json(made, found), indent=2) + "\n" if as_json else plan_text(made, found, why=why)
    click.echo(text, nl=False)
