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
from .table import table


def replay(pushed: Pushed) -> None:
    """Tell what a call told that was kept."""
    told = pushed.told
    progress = Progress(told["mode"])
    for each in told["events"]:
        progress.on_event(_event(*each))
    names = [said["name"] for said in told["projects"] if said["name"]]
    if names:
        progress.expect(names)
    shown = [progress.of(name) for name in names] or [progress]  # All were pushed at once.
    for image, said, own in zip(pushed.images, told["projects"], shown, strict=True):
        for each in said["events"]:
            own.on_event(_event(*each))
        layers = tuple(Layer(**each) for each in said["layers"])
        own.finish(Result(image.digest, layers=layers, makings=tuple(Making(**each) for each in said["makings"])))
    lines = told["lines"]
    if lines is None:
        # Nothing was built, which takes no time.
        lines = table([(name, "ok", 0.0, image.digest) for name, image in zip(names, pushed.images, strict=True)])
    for line in lines:
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
