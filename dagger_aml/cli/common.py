"""What several commands share: opening a builder, reading a project, running its recipe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click
from attrs import evolve, fields_dict
from click.core import ParameterSource

from ..backends.builders import kind_of
from ..backends.builders import opened as opened_builder
from ..backends.dagger.address import check_address, untested
from ..building.graphs import lay_out_each, lay_out_first
from ..errors import UsageError
from ..graph.graph import Graph
from ..project.load import load_project
from ..project.model import Project
from ..project.recipe import is_built_in
from ..project.settings import Options
from .sections import Sectioned

if TYPE_CHECKING:
    from ..backends.base import Builder, Opening
    from ..building.examine import Report
    from ..policy import Policy
    from .progress import Progress

T = TypeVar("T")

BEATEN = "dagger_aml.beaten"
"""Where a call keeps the settings of a build of which a variable holds in place of a file."""


def check_engine(engine: str | None, unused: str | None = None) -> str | None:
    """The engine's address if there is one and something here connects to it.

    :param unused: why nothing does; refused for a flag, while a variable may speak for other commands.
    :raises UsageError: it is no address, or a flag that means nothing here.
    """
    if engine is None:
        return None
    if unused:
        if by_flag("engine"):
            raise UsageError(unused, location="--engine", hint="Remove it.")
        return None
    check_address(engine)
    return engine


def by_flag(parameter: str) -> bool:
    """Whether the value of a command's parameter was typed for this very call."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source is ParameterSource.COMMANDLINE


def no_engine(*builders: str) -> str | None:
    """Why ``--engine`` means nothing to what ``--with`` names, or None."""
    if any(kind_of(name).capabilities.connects_to_engine for name in builders):
        return None
    return f"--with {','.join(builders)} does not use a Dagger engine"


class MayStandAlone(Sectioned):
    """A command with options that may stand without their values, which click's may not before an argument.

    A class of its own says which, and what each then means.
    """

    alone: ClassVar[Mapping[str, str]] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command's words."""
        end = args.index("--") if "--" in args else len(args)
        args = [f"{word}={self.alone[word]}" if word in self.alone else word for word in args[:end]] + args[end:]
        return super().parse_args(ctx, args)


def policy_of_call() -> Policy:
    """How long everything is waited for in this call of the command line."""
    from ..policy import DEFAULT, Policy

    return click.get_current_context().find_object(Policy) or DEFAULT


@asynccontextmanager
async def opened(name: str, progress: Progress, opening: Opening) -> AsyncIterator[Builder]:
    """The builder that ``--with`` names; an engine's session ends with the block."""
    warning = untested(opening.engine) if opening.engine else None
    if warning:
        progress.warn(warning)
    opening = evolve(opening, quiet=progress.quiet, policy=policy_of_call())
    async with opened_builder(name, opening, progress.on_event) as builder:
        yield builder


def read(folder: str, given: dict[str, Any], *, stops: bool = True) -> tuple[Project, Graph]:
    """The project, and the graph that its recipe lays out for the first of its platforms.

    :param stops: whether what a rule finds that cannot work ends the command.
    """
    project = project_of(folder, given)
    return project, laid_out(project, stops=stops)


def laid_out(project: Project, *, stops: bool = True) -> Graph:
    """The graph of a project that was read, as :func:`read` has it."""
    return _laid_out(partial(lay_out_first, stops=stops), project)


def read_each(folder: str, given: dict[str, Any], *, stops: bool = True) -> tuple[Project, tuple[Graph, ...]]:
    """The project, and the graphs that its recipe lays out, one for each platform.

    :param stops: as of :func:`read`.
    """
    project = project_of(folder, given)
    return project, _laid_out(partial(lay_out_each, stops=stops), project)


def read_others(folder: str, given: dict[str, Any], project: Project) -> tuple[Graph, ...]:
    """The graphs for the platforms of a project but the first, of which :func:`read` gave one."""
    return read_each(folder, given)[1][1:] if len(project.platforms) > 1 else ()


def examined(folder: str, given: dict[str, Any]) -> tuple[Project, Report]:
    """The project, and what every rule says of it."""
    from ..building.examine import examine

    project = project_of(folder, given)
    return project, _laid_out(examine, project)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What comes of work that waits for nothing; an event loop takes 30 ms to load."""
    found = _unwaited(work)
    assert found, "it waited"
    return found[0]


def _unwaited(work: Coroutine[Any, Any, T]) -> tuple[T] | None:
    """What comes of work; None where it waits, which ends it."""
    try:
        work.send(None)
    except StopIteration as done:
        return (done.value,)
    work.close()
    return None


def options_of(given: Mapping[str, Any]) -> Options:
    """The flags of a project's settings, of all that a command is given."""
    return Options(**{name: given[name] for name in fields_dict(Options)})


def _laid_out(work: Callable[[Project], Coroutine[Any, Any, T]], project: Project) -> T:
    """What comes of a recipe. The built-in ones wait for nothing, and an event loop takes 30 ms to load."""
    if is_built_in(project.recipe) and (found := _unwaited(work(project))):
        return found[0]
    import anyio

    return anyio.run(work, project)


def project_of(folder: str, given: dict[str, Any]) -> Project:
    """The project of a folder, with the flags of a command."""
    project = load_project(folder, options_of(given))
    project.notes.beaten += click.get_current_context().meta.get(BEATEN, [])
    return project
