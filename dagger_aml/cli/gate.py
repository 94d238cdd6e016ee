"""``--smoke``, ``--smoke=restricted``, ``--smoke=import``, ``--smoke=always`` and ``--no-smoke`` of ``build``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

import click

from ..backends.builders import kind_of
from ..building.target import Gate
from ..errors import UsageError
from ..finding import Finding
from ..graph.graph import Graph
from ..project.model import Project
from .common import MayStandAlone

_MODES = ["score", "restricted", "import", "always"]


class Gated(MayStandAlone):
    """A command whose ``--smoke`` may stand alone."""

    alone: ClassVar[Mapping[str, str]] = {"--smoke": _MODES[0]}


def smoke_options(function: Any) -> Any:
    """Add the flags."""
    function = click.option("--no-smoke", is_flag=True, help="Publish without the smoke test.")(function)
    return click.option(
        "--smoke",
        type=click.Choice(_MODES),
        metavar="[=restricted|=import|=always]",
        help="Test the image before it is published: the server must start, score the sample request, return "
        "answer.json, and not run as root. Default with --push if there is a sample request. =restricted starts it "
        "as a cluster's restricted pods are started (docker and podman). =import only imports the entry script. "
        "=always tests it again though every tag names this very image, or it is known to have passed.",
    )(function)


def check_restricts(builder: str, flag: str) -> None:
    """Refuse a builder that cannot start an image within the limits of a restricted pod.

    :raises UsageError: it is an engine.
    """
    if not kind_of(builder).capabilities.leaves_containers:
        from ..backends.runtime import cannot_restrict

        raise cannot_restrict(flag)


def gate(
    project: Project,
    graph: Graph,
    smoke: str | None,
    no_smoke: bool,
    *,
    builder: str,
    push: bool,
    warning: Callable[[Finding], None],
) -> tuple[Gate | None, Callable[[], str] | None]:
    """What ``build`` asks of the image before it goes anywhere, and what gives the key of that; or None.

    :param warning: told why there is none, or less than was to be expected.

    :raises UsageError: flags that contradict each other; a gate is asked for, and nothing can start the image.
    """
    if smoke and no_smoke:
        raise UsageError("--smoke and --no-smoke contradict each other", hint="Remove one of them.")
    if not (smoke or push) or no_smoke:
        return None, None
    from ..serving.smoke import Mode, default_smoke

    always = smoke == "always"
    mode = cast("Mode | None", "score" if always else smoke)
    found, why = default_smoke(project, graph, mode, push=push)
    if found:
        kind_of(builder).check_serves()
        if smoke == "restricted":
            check_restricts(builder, "--smoke=restricted")
    if why:
        warning(Finding(why))
    return (found.check, None if always else found.key) if found else (None, None)
