"""Links of the base and of copied folders, followed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from ..base.facts import BaseFacts, prefixes
from ..graph.graph import Copy, LayerOp
from ..graph.source import Local

MOST_LINKS = 40
"""As many as Linux follows."""


def loops(path: str, ends: Mapping[str, str]) -> bool:
    """Whether a link leads to itself, at last."""
    hops = 0
    while path in ends and hops <= MOST_LINKS:
        path, hops = ends[path], hops + 1
    return hops > MOST_LINKS


def link_ends(copy: Copy) -> dict[str, str]:
    """Where the links of a copied folder lead; none leads out of it."""
    if not isinstance(copy.source, Local) or copy.kind == "file":
        return {}
    links = {posixpath.join(copy.dest, each.path): each.target for each in copy.source.entries if each.type == "link"}
    return {path: posixpath.normpath(posixpath.join(posixpath.dirname(path), end)) for path, end in links.items()}


def links_of(layers: Iterable[LayerOp], facts: BaseFacts) -> dict[str, str]:
    """The links of the base and of copied folders, and where they lead; nowhere if that is not known."""
    found = {path: fact.target for path, fact in facts.paths.items() if fact.type == "link"}
    for layer in layers:
        if isinstance(layer, Copy):
            found |= link_ends(layer)
    return found


def followed(path: str, links: Mapping[str, str]) -> tuple[str, str | None]:
    """A path freed of links, and the link at which that came to nothing or to a circle."""
    hops = 0
    while via := next((prefix for prefix in prefixes(path) if prefix in links), None):
        if not links[via] or hops > MOST_LINKS:
            return path, via
        path, hops = links[via].rstrip("/") + path[len(via) :] or "/", hops + 1
    return path, None


def overlap(one: str, two: str) -> bool:
    """Whether two paths are the same, or one lies beneath the other."""
    one, two = one.rstrip("/") + "/", two.rstrip("/") + "/"
    return one.startswith(two) or two.startswith(one)
