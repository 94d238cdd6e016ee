"""A command of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from ..graph.graph import Graph, Run
from ..graph.values import Value

if TYPE_CHECKING:
    from ..graph.mount import Mount


async def run(
    graph: Graph,
    argv: Iterable[Value],
    *,
    user: Value = "0:0",
    env: Mapping[str, Value] | None = None,
    workdir: str = "/",
    touches: Iterable[Value] | None = None,
    mounts: Iterable[Mount] = (),
    name: str | None = None,
    ages: bool = False,
) -> Graph:
    """Run a command in the image. Reads and writes what the command does.

    :param argv: no shell; the first word an absolute path. For a script: ``/bin/sh``, ``-euc``, the text.
    :param user: ``UID:GID``, or ``FromBase("environment_owner")``.
    :param env: variables of this command only.
    :param touches: absolute paths that it may read or write, all beneath and where links lead included;
        None means anything, and then nothing is ever moved past it.
    :param mounts: files that it sees and that no layer holds, such as ``secret_mount(graph.access, "mine")``.
    :param name: shown for it; the command's first sixty characters unless given.
    :param ages: whether it may make something newer when it runs later, so that what it made is kept for a few days.
    :raises GraphError: a word that no image can hold, a relative program.
    """
    made = Run(argv, user, env or {}, workdir, touches, tuple(mounts))
    shown = name or "run " + " ".join(str(word).split("\n")[0] for word in made.argv)[:60]
    return graph.add(evolve(made, name=shown, ages=ages))
