"""``dagger-aml images``"""

from __future__ import annotations

import json

import click

from ...base import catalog
from ..options.call import json_option

_HONOURS = {True: "yes", False: "no", None: "unknown"}


_MARKS = {"yes": "", "unknown": "?", "pythonpath": "*"}


@click.command("images", short_help="List the prebuilt images that are known.")
@json_option()
def command(as_json: bool) -> None:
    """List the prebuilt images that --base knows by name, and what is assumed of each.

    EXTRAS says whether the start script supports AZUREML_EXTRA_*, which the recipes dynamic and preinstalled need;
    SUPPORTED what Microsoft's page says; ENDS when the support of its Python ends, since that page names no dates.
    """
    if as_json:
        rows = [
            {
                "name": image.name,
                "reference": image.reference,
                "python": image.python,
                "gpu": image.gpu,
                "supported": image.supported,
                "python_ends": image.until,
                "honours_extras": image.facts.extras,
                "recipes": image.recipes,
                "environment": image.facts.environment,
                "facts_of": catalog.FACTS_DATE,
            }
            for image in catalog.IMAGES
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(image.name) for image in catalog.IMAGES)
    click.echo(f"{'NAME':{width}}  PYTHON  ENDS     FOR  SUPPORTED  EXTRAS   RECIPES")
    for image in catalog.IMAGES:
        recipes = " ".join(name + _MARKS[how] for name, how in image.recipes.items() if how != "no")
        click.echo(
            f"{image.name:{width}}  {image.python:6}  {image.until}  {'GPU' if image.gpu else 'CPU'}  "
            f"{'yes' if image.supported else 'no longer':9}  {_HONOURS[image.facts.extras]:7}  {recipes}"
        )
    click.echo(
        f"\nData of {catalog.FACTS_DATE}. The default is {catalog.DEFAULT.name}. Any other image reference works.\n"
        "?  if its start script supports AZUREML_EXTRA_*: `dagger-aml plan --probe` finds out\n"
        "*  with --via pythonpath"
    )
