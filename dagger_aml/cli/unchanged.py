"""A push that found all in place is kept, with what it told, for the next such call (:mod:`.replay`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from attrs import asdict, evolve

from ..backends.base import Opening
from ..backends.direct.runtime_image import kept_at
from ..backends.result import Result
from ..building.looked_at import HEARD
from ..building.outputs import Registry
from ..building.target import BuildTarget
from ..building.unchanged import Pushed, Ran, document_digest, keep
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


def note(
    project: Project, target: BuildTarget, opening: Opening, progress: Progress, result: Result, lines: Sequence[str]
) -> None:
    """Keep a call, if it pushed an image of which all was in place, and nothing else was asked for.

    :param lines: that it printed.
    """
    if HEARD.began_ns is None or not _all_in_place(target, opening, progress, result):
        return
    (graph,) = target.graphs
    found = tuple(dict.fromkeys(bases(graph)))
    if len(found) != 1 or found[0].archive or not is_built_in(project.recipe):
        return
    (base,) = found
    pinned = result.base.rpartition("@")[2]
    store = cache_folder()
    sources = {
        op.layer.source.path
        for op in walk(graph.layers)
        if isinstance(op.layer, Copy) and isinstance(op.layer.source, Local)
    }
    folders = tuple(dict.fromkeys((str(project.root), *sorted(sources))))
    told = {
        "mode": progress.mode,
        "events": [[type(each).__name__, _fields(each)] for each in progress.told],
        "layers": [asdict(each) for each in result.layers],
        "makings": [asdict(each) for each in result.makings],
        "lines": list(lines),
    }
    assert result.digest
    pushed = Pushed(
        base.reference,
        "" if base.digest else pinned,
        tuple(map(str, target.tags)),
        result.digest,
        told,
        tuple(HEARD.paths([str(store), *folders])),
        folders,
        _ran(progress.told, result.runtime_key),
    )
    keep(pushed, sys.argv[1:], HEARD)


def _fields(event: Event) -> dict[str, Any]:
    """An event as JSON has it: a place in a file by its parts, and nothing of what ``check --fix`` would do."""
    if not isinstance(event, Warned):
        return asdict(event)
    finding, place = asdict(evolve(event.finding, fix=None)), event.finding.location
    if isinstance(place, FileLocation):
        finding["location"] = [str(place), str(place.path), place.line, place.quoted]
    return {"finding": finding}


def _all_in_place(target: BuildTarget, opening: Opening, progress: Progress, result: Result) -> bool:
    """Whether nothing ran and nothing was sent, and the same would be asked for again."""
    plain = progress.mode in ("quiet", "plain") and opening.layers == "direct"
    fresh = opening.no_cache or opening.pull or opening.cache_from or opening.cache_to
    only = target.outputs == (Registry(),) and len(target.graphs) == 1
    more = target.gate or target.metadata_file or target.iidfile
    if not plain or fresh or not only or more or not result.digest:
        return False
    if any(each.way not in ("written", "found") for each in result.makings):
        return False
    for event in progress.told:
        if isinstance(event, OpDone) and not event.cached:
            return False
        if isinstance(event, Transferred) and (event.kind != "pushed" or event.done):
            return False
        if isinstance(event, RanBefore) and not event.taken:
            return False
    return True


def _ran(told: Sequence[Event], key: str) -> Ran | None:
    """What ran before, if something did."""
    before = next((each for each in told if isinstance(each, RanBefore)), None)
    if before is None:
        return None
    place = str(kept_at(key, ContentStore(cache_folder())))
    return Ran(place, document_digest(place), before.made, before.limit_seconds)
