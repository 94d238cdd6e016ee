"""The base image."""

from __future__ import annotations

from attrs import evolve

from ..base import catalog
from ..errors import GraphError
from ..graph.base import From
from ..graph.graph import Graph


async def base(graph: Graph, image: str | From, *, platform: str | None = None) -> Graph:
    """Start from an image. Reads nothing, writes nothing in the image, needs no network.

    :param image: a catalog name (``minimal-py312-inference``), any reference, or a :class:`From`.
    :param platform: of a name or reference; ``linux/amd64`` whatever the host, unless given.
    :raises GraphError: the graph has a base already, or ``image`` is no reference.
    :raises UsageError: an unknown name of a prebuilt image; the nearest are named.
    """
    if graph.base is not None:
        raise GraphError("the graph already has a base", location="base", hint=f"It is {graph.base.pinned}.")
    if isinstance(image, str):
        image = catalog.base(image, platform) if platform else catalog.base(image)
    return evolve(graph, base=image)
