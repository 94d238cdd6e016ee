"""Whether two ops may change places."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from ..base.facts import BaseFacts, PathFact, prefixes
from ..graph.graph import Built, Copy, LayerOp, Run
from ..graph.wheels import Wheels
from ..graph.writes import written_paths
from .links import followed, overlap


def conflict_of(one: LayerOp, two: LayerOp, facts: BaseFacts, links: Mapping[str, str]) -> str | None:
    """Why two ops may not change places, or None."""
    if isinstance(one, Run) and isinstance(two, Run):
        return "commands keep their order"
    if isinstance(one, Run) or isinstance(two, Run):
        run, copy = (one, two) if isinstance(one, Run) else (two, one)
        assert isinstance(run, Run)
        if run.touches is None:
            return f"{run.name!r} may read or write anything"
        assert isinstance(copy, Copy)
        return f"{run.name!r} may read or write the same path" if _touches(run, copy, facts, links) else None
    assert isinstance(one, Copy) and isinstance(two, Copy)
    shared = _shared_path(one, two, facts)
    return f"both write {shared}" if shared else None


def _shared_path(one: Copy, two: Copy, facts: BaseFacts) -> str | None:
    sets = []
    for copy in (one, two):
        made = {path for path, type_ in written_paths(copy) if not (path == copy.dest and _keeps_root(copy, facts))}
        parents = {p for p in prefixes(posixpath.dirname(copy.dest)) if facts.path(p) is None}
        sets.append((made, parents, f"{copy.dest}/" if isinstance(copy.source, Built | Wheels) else None))
    (made_a, parents_a, beneath_a), (made_b, parents_b, beneath_b) = sets
    shared = (made_a & made_b) | (made_a & parents_b) | (parents_a & made_b)
    if beneath_a and beneath_b and overlap(one.dest, two.dest):
        shared.add(max(one.dest, two.dest))
    for beneath, others in ((beneath_a, made_b | parents_b), (beneath_b, made_a | parents_a)):
        if beneath:
            shared |= {path for path in others if path.startswith(beneath)}
    return min(shared) if shared else None


def _keeps_root(copy: Copy, facts: BaseFacts) -> bool:
    fact: PathFact | None = facts.path(copy.dest)
    return copy.kind == "tree" and copy.root is None and fact is not None and fact.type == "dir"


def _touches(run: Run, copy: Copy, facts: BaseFacts, links: Mapping[str, str]) -> bool:
    """Whether a run may read or write what a copy does: its destination, or a parent that it has to make."""
    touched = touched_by(run, links)
    if touched is None:
        return True
    made = next((prefix for prefix in prefixes(copy.dest) if facts.path(prefix) is None), copy.dest)
    return any(overlap(made, path) for path in touched)


def touched_by(run: Run, links: Mapping[str, str]) -> tuple[str, ...] | None:
    """What a run may read or write, by its name and by where links lead; None if that may be anything.

    Where it runs is read too, save ``/``, which is always there.
    """
    if run.touches is None:
        return None
    named = (*map(str, run.touches), *([run.workdir] if run.workdir != "/" else []))
    ends = [followed(path, links) for path in named]
    return None if any(broken for _, broken in ends) else (*named, *(end for end, _ in ends))
