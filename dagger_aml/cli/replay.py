"""A call that was kept is told once more, as :mod:`.unchanged` kept it; only ages are of today."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click
from attrs import evolve

from .. import events
from ..backends.result import Result
from ..building.unchanged import Pushed
from ..events import Event, RanBefore, Warned
from ..finding import FileLocation, Finding
from ..oci.model import Layer
from ..plan.making import Making
from .progress import Progress


def replay(pushed: Pushed) -> None:
    """Tell what a call told that was kept."""
    told = pushed.told
    progress = Progress(told["mode"])
    for name, fields in told["events"]:
        progress.on_event(_event(name, fields))
    layers = tuple(Layer(**each) for each in told["layers"])
    progress.finish(Result(pushed.digest, layers=layers, makings=tuple(Making(**each) for each in told["makings"])))
    for line in told["lines"]:
        click.echo(line)
    sys.stdout.flush()


def _event(name: str, fields: dict[str, Any]) -> Event:
    if name == Warned.__name__:
        finding = fields["finding"]
        return Warned(Finding(**{**finding, "location": _place(finding["location"])}))
    event: Event = getattr(events, name)(**fields)
    return evolve(event, age_seconds=max(time.time() - event.made, 0)) if isinstance(event, RanBefore) else event


def _place(kept: list[Any] | str | None) -> str | None:
    """Where something was found, with the parts of a place in a file."""
    if not isinstance(kept, list):
        return kept
    place = FileLocation(kept[0], Path(kept[1]))
    place.line, place.quoted = kept[2:]
    return place
