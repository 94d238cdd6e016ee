"""``dagger-aml images``"""

from __future__ import annotations

import json

import click

from .. import catalog

_HONOURS = {True: "yes", False: "no", None: "unknown"}


@click.command("images", short_help="List the prebuilt images that are known.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """List the prebuilt images that --base knows by name, and what is assumed of each.

    EXTRAS says whether the start script honours AZUREML_EXTRA_*, which the recipes dynamic and preinstalled need.
    """
    if as_json:
        rows = [
            {
                "name": image.name,
                "reference": image.reference,
                "python": image.python,
                "gpu": image.gpu,
                "supported": image.supported,
                "honours_extras": image.facts.extras,
                "environment": image.facts.environment,
                "facts_of": catalog.FACTS_DATE,
            }
            for image in catalog.IMAGES
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(image.name) for image in catalog.IMAGES)
    click.echo(f"{'NAME':{width}}  PYTHON  {'FOR':3}  {'EXTRAS':7}  SUPPORTED")
    for image in catalog.IMAGES:
        click.echo(
            f"{image.name:{width}}  {image.python:6}  {'GPU' if image.gpu else 'CPU'}  "
            f"{_HONOURS[image.facts.extras]:7}  {'yes' if image.supported else 'no longer'}"
        )
    click.echo(f"\nFacts of {catalog.FACTS_DATE}; the default is {catalog.DEFAULT.name}. Any reference works too.")
