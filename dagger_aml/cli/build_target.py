"""What ``build`` is to make of one project, read and checked."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from ..backends.builders import kind_of
from ..building.request import BuildRequest
from ..building.target import BuildTarget
from ..project.model import Project
from .common import read_each
from .console import tell
from .gate import gate
from .progress import Progress


def read_build(
    folder: str, request: BuildRequest, given: dict[str, Any], *, stops: bool = True
) -> tuple[Project, BuildTarget]:
    """A project, and what is asked for with its values put in.

    :param given: the project's flags.
    :param stops: whether what a rule finds that cannot work ends the command.
    :raises DaggerAmlError: the project is not in order; a tag or file that comes of it cannot be.
    """
    project, graphs = read_each(folder, given, stops=stops)
    return project, request.target(folder, project, graphs)


def goes_nowhere(request: BuildRequest, progress: Progress, *, quiet: bool, ways: str) -> bool:
    """Say that an image will go nowhere, before anything is read for it: its build may take minutes.

    :param quiet: whether only a digest is to be printed; not said then where there will be one.
    :param ways: what to add.
    :returns: whether it was said.
    """
    if request.outputs:
        return False
    text, is_written_directly = nowhere(request.layers, ways), request.layers == "direct"
    if not progress.quiet:
        progress.warn(text)
    elif quiet and (is_written_directly or not kind_of(request.builder).capabilities.own_store):
        tell(text)
    else:
        return False
    return True


def nowhere(layers: str, ways: str) -> str:
    """Where an image remains that goes nowhere.

    :param ways: what to add.
    """
    where = "no image is written" if layers == "direct" else "the image stays in the builder"
    return f"no output was requested, so {where}; add {ways}"


def checked(target: BuildTarget, project: Project, request: BuildRequest) -> BuildTarget:
    """The target with its gate and its notes.

    :raises DaggerAmlError: it cannot be made.
    """
    capabilities = kind_of(request.builder).capabilities
    # An index of images that we write is pushed by ourselves, as the builder says once it is open.
    target.check(evolve(capabilities, pushes_index=True) if request.layers == "direct" else capabilities)
    warnings = [warning for graph in target.graphs for warning in graph.warnings]
    check, key = gate(
        project,
        target.graphs[0],
        request.smoke,
        request.no_smoke,
        builder=request.builder,
        push=target.pushes,
        warning=warnings.append,
    )
    return evolve(target, gate=check, gate_key=key, warnings=tuple(dict.fromkeys(warnings)))
