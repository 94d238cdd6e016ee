"""``dagger-aml doctor``"""

from __future__ import annotations

import json
import sys
from functools import partial

import anyio
import click

from ...backends.builders import DEFAULT
from ...backends.dagger.address import untested
from ...doctor import AREAS, Diagnosis, diagnose
from ...text import redact_url
from ..common import check_engine, policy_of_call
from ..console import tell
from ..options.build import engine_option, setting_option, settled
from ..options.call import json_option

_EMPTY = {"proxies": "no variable is set"}


@click.command("doctor", short_help="Show what this machine can build with.")
@json_option()
@engine_option
@setting_option(
    "engine_timeout",
    help="Also download and start an engine in Docker, and wait this long for it. Without this option, nothing is "
    "started.",
    default=None,
    of_call=True,
)
@settled
def command(as_json: bool, engine: str | None, engine_timeout: float | None) -> None:
    """Show what this machine has to build with, and what each missing thing means.

    Looks at the Dagger engine, docker, podman, buildah, buildx, disk, registry logins, proxies and certificates.
    Shows no secret, changes nothing, and gives each check ten seconds.

    Exit code 0 when a builder works, 1 when none does.
    """
    check_engine(engine)
    warning = untested(engine) if engine else None
    if warning:
        tell(f"warning: {warning}")
    found = anyio.run(partial(diagnose, engine=engine, engine_timeout=engine_timeout or 0, policy=policy_of_call()))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        _show(found, engine)
    if not found.working:
        sys.exit(1)


def _show(found: Diagnosis, engine: str | None) -> None:
    said = found.versions
    click.echo(
        f"dagger-aml {said['dagger-aml']}, dagger-io {said['dagger-io']}, Python {said['python']}, {said['platform']}"
    )
    for area in AREAS:
        click.echo(f"\n{area.capitalize()}")
        checks = found.of(area)
        width = max((len(each.name) for each in checks), default=0)
        for each in checks:
            first, *more = each.parts
            click.echo(f"  {each.state:7}  {each.name:{width}}  {first}")
            for line in (*more, *(f"  {line}" for line in (each.hint or "").splitlines())):
                click.echo(f"  {'':7}  {'':{width}}  {line}")
        if not checks:
            click.echo(f"  {_EMPTY[area]}")
    click.echo()
    if not found.working:
        click.echo(
            "No builder works. `build` needs one to run pip, apt and other commands, and for the smoke test; a "
            "project whose packages are copied as files needs none with --no-smoke. "
            "`dagger-aml dockerfile PROJECT -o imagefiles` needs none either."
        )
    elif DEFAULT in found.working:
        taking = f"`build --engine {redact_url(engine)}` uses that engine" if engine else f"`build` uses {DEFAULT}"
        click.echo(f"Working: {', '.join(found.working)}. {taking}; --with selects another builder.")
    else:
        click.echo(f"Working: {', '.join(found.working)}. Select one: dagger-aml build --with {found.working[0]}")
