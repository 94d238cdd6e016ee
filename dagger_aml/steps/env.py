"""What the image says of itself: variables and labels."""

from __future__ import annotations

from collections.abc import Mapping

from .. import contract
from ..errors import GraphError
from ..graph.graph import Graph
from ..graph.values import Value
from .server_names import code_first


async def env(graph: Graph, variables: Mapping[str, Value]) -> Graph:
    """Set environment variables of the image. Writes no file, needs no network.

    A ``PYTHONPATH`` goes behind the code's place where :func:`~dagger_aml.steps.code` has put that first.

    :raises GraphError: a name that is none, a value with a line break or NUL, an absolute entry script, or two of the
        variables of which the start script takes only the first.
    """
    graph = graph.configure(env=variables)
    graph = code_first(graph)
    check_extras(graph)
    script = graph.config.env.get(contract.ENTRY_SCRIPT, "")
    if isinstance(script, str) and script.startswith("/"):
        raise GraphError(
            f"{contract.ENTRY_SCRIPT} must be relative to {contract.APP_ROOT}: {script}",
            location="env",
            hint="With a leading '/', the start script looks for the extra packages in the wrong place.",
        )
    return graph


async def labels(graph: Graph, labels: Mapping[str, str]) -> Graph:
    """Set labels of the image. Writes no file, makes no layer.

    :raises GraphError: a name that is none, a value with a line break or NUL.
    """
    return graph.configure(labels=labels)


def check_extras(graph: Graph) -> None:
    """Refuse two ways of adding packages at start at once (start script: the first of three wins, silently).

    :raises GraphError: more than one is set.
    """
    asked = [name for name in contract.EXCLUSIVE_EXTRAS if name in graph.config.env]
    if len(asked) > 1:
        raise GraphError(
            f"{' and '.join(asked)} are both set, but the image's start script reads only {asked[0]}",
            location="env",
            hint="Set only one of them. To have both, install the requirements when the image is built "
            "(`extended` recipe).",
        )
