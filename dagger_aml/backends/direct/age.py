"""How old what ran may be."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...graph.graph import Built, LayerOp, Run

DAY_SECONDS = 86400.0

USUAL_DAYS = 7.0
"""For which what ran is taken where it may get newer: apt's packages, and those of a list without hashes."""


def most_seconds(said_days: float | None, layers: Iterable[LayerOp]) -> float:
    """How long what some ops made is taken; without end where nothing in them may get newer.

    :param said_days: by the user; None for what is usual.
    """
    if said_days is not None:
        return said_days * DAY_SECONDS
    return USUAL_DAYS * DAY_SECONDS if _ages(layers) else math.inf


def _ages(layers: Iterable[LayerOp]) -> bool:
    for layer in layers:
        if isinstance(layer, Run):
            if layer.ages:
                return True
        elif isinstance(layer.source, Built) and _ages(layer.source.graph.layers):
            return True
    return False
