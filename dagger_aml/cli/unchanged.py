"""A push that found all in place is kept, with what it told, for the next such call (:mod:`.replay`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from attrs import asdict, evolve, field

from ..backends.base import Opening
from ..backends.result import Result
from ..building.looked_at import HEARD
from ..building.outputs import Registry
from ..building.target import BuildTarget
from ..building.unchanged import Image, Pushed, Ran, document_digest, keep
from ..data import frozen
from ..events import Event, OpDone, RanBefore, Transferred, Warned
from ..finding import FileLocation
from ..fs.cache_folder import cache_folder
from ..graph.graph import Copy
from ..graph.source import Local
from ..graph.stages import bases, walk
from ..oci.content_store import ContentStore
from ..project.model import Project
from ..project.recipe import is_built_in
from .progress import Progress


@frozen
class Made:
    """What one call made of one project.

    :param progress: to which what happened was told.
    :param name: by which that is shown; empty where the call is for this project alone.
    """

    project: Project
    target: BuildTarget
    progress: Progress = field(repr=False)
    result: Result
    name: str = ""


def note(made: Sequence[Made], opening: Opening, progress: Progress, lines: Sequence[str] | None) -> None:
    """Keep a call, if it pushed images of which all was in place, and nothing else was asked for.

    :param made: all of them.
    :param progress: of the call.
    :param lines: that it printed; None for the table of several projects.
    """
    if HEARD.began_ns is None or not _plain(opening, progress) or not all(map(_all_in_place, made)):
        return
    images, folders = [], []
    for each in made:
        image = _image(each)
        if image is None:
            return
        images.append(image)
        folders.append(_folders(each))
    shared = [] if any(each.progress is progress for each in made) else progress.told
    told = {
        "mode": progress.mode,
        "events": _events(shared),
        "projects": [
            {
                "name": each.name,
                "events": _events(each.progress.told),
                "layers": [asdict(layer) for layer in each.result.layers],
                "makings": [asdict(making) for making in each.result.makings],
            }
            for each in made
        ],
        "lines": None if lines is None else list(lines),
    }
    left_out = [str(cache_folder()), *(folder for each in folders for folder in each)]
    keep(Pushed(tuple(images), told, tuple(HEARD.paths(left_out)), tuple(folders)), sys.argv[1:], HEARD)


def _image(made: Made) -> Image | None:
    """What was pushed; None where it cannot be told by files alone whether a build would make the same."""
    (graph,) = made.target.graphs
    found = tuple(dict.fromkeys(bases(graph)))
    if len(found) != 1 or found[0].archive or not is_built_in(made.project.recipe):
        return None
    (base,) = found
    pinned = made.result.base.rpartition("@")[2]
    assert made.result.digest
    return Image(
        base.reference,
        "" if base.digest else pinned,
        tuple(map(str, made.target.tags)),
        made.result.digest,
        _ran(made.progress.told, made.result.runtime_key),
    )


def _folders(made: Made) -> tuple[str, ...]:
    """The project's, and those that its image is made of."""
    (graph,) = made.target.graphs
    sources = {
        op.layer.source.path
        for op in walk(graph.layers)
        if isinstance(op.layer, Copy) and isinstance(op.layer.source, Local)
    }
    return tuple(dict.fromkeys((str(made.project.root), *sorted(sources))))


def _events(told: Sequence[Event]) -> list[Any]:
    return [[type(each).__name__, _fields(each)] for each in told]


def _fields(event: Event) -> dict[str, Any]:
    """An event as JSON has it: a place in a file by its parts, and nothing of what ``check --fix`` would do."""
    if not isinstance(event, Warned):
        return asdict(event)
    finding, place = asdict(evolve(event.finding, fixes=())), event.finding.location
    if isinstance(place, FileLocation):
        finding["location"] = [str(place), str(place.path), place.line, place.quoted]
    return {"finding": finding}


def _plain(opening: Opening, progress: Progress) -> bool:
    """Whether the same would be asked for again, and told in lines."""
    fresh = opening.no_cache or opening.pull or opening.cache_from or opening.cache_to
    return progress.mode in ("quiet", "plain") and opening.layers == "direct" and not fresh


def _all_in_place(made: Made) -> bool:
    """Whether nothing ran and nothing was sent, and only a push was asked for."""
    target, result = made.target, made.result
    only = target.outputs == (Registry(),) and len(target.graphs) == 1
    more = target.gate or target.metadata_file or target.iidfile
    if not only or more or not result.digest:
        return False
    if any(each.way not in ("written", "found") for each in result.makings):
        return False
    for event in made.progress.told:
        if isinstance(event, OpDone) and not event.cached:
            return False
        if isinstance(event, Transferred) and event.kind != "fetched" and (event.kind != "pushed" or event.done):
            return False
        if isinstance(event, RanBefore) and not event.taken:
            return False
    return True


def _ran(told: Sequence[Event], key: str) -> Ran | None:
    """What ran before, if something did."""
    before = next((each for each in told if isinstance(each, RanBefore)), None)
    if before is None:
        return None
    from ..backends.direct.runtime_image import kept_at

    place = str(kept_at(key, ContentStore(cache_folder())))
    return Ran(place, document_digest(place), before.made, before.limit_seconds)
