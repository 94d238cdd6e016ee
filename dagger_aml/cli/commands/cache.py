"""``dagger-aml cache``"""

from __future__ import annotations

import json
import re
import time

import click

from ...errors import UsageError
from ...fs.cache_folder import cache_folder
from ...oci.content_store import ContentStore
from ...text import human_size
from ..options.call import json_option

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@click.command("cache", short_help="Show or empty the cache of this machine.")
@click.argument("action", type=click.Choice(["ls", "prune"]))
@click.option("--keep", metavar="SIZE", help="With prune: keep the latest used blobs, up to so much, such as 5GB.")
@json_option()
def command(action: str, keep: str | None, as_json: bool) -> None:
    """List what builds keep on this machine, or remove it. All of it can be made or fetched again.

    \b
    dagger-aml cache ls
    dagger-aml cache prune --keep 5GB
    """
    if keep is not None and action == "ls":
        raise UsageError(
            "--keep works only with prune", location="--keep", hint="Write: dagger-aml cache prune --keep SIZE"
        )
    store = ContentStore(cache_folder())
    if action == "prune":
        gone = store.prune(_bytes(keep) if keep is not None else 0)
        if keep is None:
            store.forget()
        freed = sum(each.size for each in gone)
        if as_json:
            click.echo(json.dumps({"folder": str(store.root), "removed": len(gone), "freed": freed}))
        else:
            click.echo(f"removed {len(gone)} blobs, {human_size(freed)}, from {store.root}")
        return
    blobs = store.blobs()
    if as_json:
        rows = [{"digest": each.name, "size": each.size, "used": each.used} for each in blobs]
        click.echo(json.dumps({"folder": str(store.root), "limit": store.limit, "blobs": rows}, indent=2))
        return
    for each in reversed(blobs):
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.used))
        click.echo(f"{each.name}  {human_size(each.size):>9}  last used {used}")
    total = human_size(sum(each.size for each in blobs))
    click.echo(f"{len(blobs)} blobs, {total} of at most {human_size(store.limit)}, in {store.root}")


def _bytes(text: str) -> int:
    """A size such as ``5GB``, in bytes.

    :raises UsageError: it is none.
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?", text.strip(), re.I)
    if not found:
        raise UsageError(
            f"not a size: {text!r}", location="--keep", hint="Write a number and a unit, such as 500MB or 5GB."
        )
    return int(float(found[1]) * _UNITS[found[2].lower()])
