"""``dagger-aml cache``"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable

import click

from ...errors import UsageError
from ...fs.cache_folder import cache_folder
from ...fs.disk_space import not_removed
from ...oci.content_store import ContentStore, Kept
from ...text import human_size
from ...wheels.cache import WheelCache
from ..options.call import json_option

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@click.command("cache", short_help="Show or empty the cache of this machine.")
@click.argument("action", type=click.Choice(["ls", "prune"]))
@click.option("--keep", metavar="SIZE", help="With prune: keep the latest used, up to so much, such as 5GB.")
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
    wheels = WheelCache.of_user()
    if action == "prune":
        most = 0 if keep is None else _bytes(keep)
        try:
            _prune(store, wheels, most, as_json=as_json)
        except OSError as error:
            raise (not_removed(error, store.root) or error) from None
    else:
        _list(store, wheels, as_json=as_json)


def _list(store: ContentStore, wheels: WheelCache, *, as_json: bool) -> None:
    blobs, others = store.blobs(), wheels.kept()
    if as_json:
        rows = [{"digest": each.name, "size": each.size, "used": each.used} for each in blobs]
        more = [{"name": each.name, "size": each.size, "used": each.used} for each in others]
        found = {"folder": str(store.root), "limit": store.limit, "blobs": rows, "wheels": more}
        click.echo(json.dumps(found, indent=2))
        return
    for each in (*reversed(others), *reversed(blobs)):
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.used))
        click.echo(f"{each.name}  {human_size(each.size):>9}  last used {used}")
    if others:
        click.echo(f"{len(others)} wheels and unpacked wheels, {_total(others)}, in {wheels.root}")
    click.echo(f"{len(blobs)} blobs, {_total(blobs)} of at most {human_size(store.limit)}, in {store.root}")


def _prune(store: ContentStore, wheels: WheelCache, keep: int, *, as_json: bool) -> None:
    """Remove the longest unused, blobs and wheels alike; with nothing to keep, what was noted of them too."""
    kept = [(each, store.remove) for each in store.blobs()]
    kept += [(each, wheels.remove) for each in wheels.kept()]
    kept.sort(key=lambda one: one[0].used)
    over, gone = sum(each.size for each, _ in kept) - keep, []
    for each, remove in kept:
        if over <= 0 and keep:
            break
        remove(each)
        gone.append(each)
        over -= each.size
    if not keep:
        store.forget()
    if as_json:
        freed = sum(each.size for each in gone)
        click.echo(json.dumps({"folder": str(store.root), "removed": len(gone), "freed": freed}))
        return
    blobs = sum(each.name.startswith("sha256:") for each in gone)
    more = f" and {len(gone) - blobs} wheels" if len(gone) > blobs else ""
    click.echo(f"removed {blobs} blobs{more}, {_total(gone)}, from {store.root}")


def _total(kept: Iterable[Kept]) -> str:
    return human_size(sum(each.size for each in kept))


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
