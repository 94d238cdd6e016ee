"""``dagger-aml inspect``"""

from __future__ import annotations

import json
from functools import partial

import anyio
import click

from ...backends.builders import BUILDERS, kind_of
from ...graph.base import DEFAULT_PLATFORM
from ..common import policy_of_call
from ..options.call import json_option
from ..options.project import project_options
from ..options.types import Given
from ..target import say
from ..waits import told_of_waits

_STORES = [name for name in BUILDERS if kind_of(name).capabilities.own_store]


@click.command("inspect", short_help="Show what an image is and holds, without pulling its large layers.")
@click.argument("image", metavar="IMAGE", type=Given())
@click.option(
    "--with",
    "store",
    type=click.Choice(_STORES),
    help="Look into this builder's store. By default, an image is read from its registry or, where its name has no "
    "host, from the first local store that has it.",
)
@partial(project_options, only=("platform",), argument=False)
@json_option()
def command(image: str, store: str | None, platform: str | None, as_json: bool) -> None:
    """Show an image's recipe, versions, base, models, packages, variables and layers. IMAGE is a name, an ID, a tar,
    an OCI layout (oci:FOLDER), or image:NAME, of which only the registry is asked.

    Of an image in a registry, layers larger than 64 MiB are not fetched; what they hold is then not told, and the
    last line says so. It need not be an image that dagger-aml made.

    \b
    dagger-aml inspect registry.example/diabetes:1
    dagger-aml inspect diabetes.tar --json
    """
    from ...inspection.render import text
    from ...inspection.sources import inspect

    one = str(platform or DEFAULT_PLATFORM).partition(",")[0].strip()
    ask = partial(inspect, image, platform=one, store=store, on_event=told_of_waits(), policy=policy_of_call())
    told = anyio.run(ask)
    if as_json:
        click.echo(json.dumps(told.as_json(), indent=2))
    else:
        say(text(told).rstrip("\n"))
