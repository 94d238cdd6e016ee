"""What several commands share: the project's options, reading it, running its recipe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import anyio
import click
from attrs import fields_dict

from ..backends.base import Builder, Format
from ..backends.dagger.address import check_address, untested
from ..errors import UsageError
from ..events import ignore
from ..graph.graph import Graph
from ..project.load import load_project
from ..project.model import Project
from ..project.recipe import lay_out, lay_out_each
from ..project.settings import PROJECT_SETTINGS, Options
from .progress import Progress

Command = Callable[..., Any]

BUILDERS = ["dagger", "docker", "podman", "buildah"]

with_option = click.option(
    "--with",
    "builder",
    type=click.Choice(BUILDERS),
    default="dagger",
    show_default=True,
    help="What builds. Never switched silently.",
)


engine_option = click.option(
    "--engine",
    metavar="ADDRESS",
    help="The Dagger engine at unix:///PATH or tcp://HOST:PORT, and no other. "
    "[env: _EXPERIMENTAL_DAGGER_RUNNER_HOST]",
)


def check_engine(engine: str | None, unused: str | None = None) -> None:
    """Raise unless ``--engine`` is an address and something here connects to it.

    :param unused: why nothing does.
    """
    if engine is None:
        return
    if unused:
        raise UsageError(unused, where="--engine", do="Leave it out.")
    check_address(engine)


def not_dagger(*builders: str) -> str | None:
    """Why ``--engine`` means nothing to what ``--with`` names, or None."""
    return None if "dagger" in builders else f"--with {','.join(builders)} connects to no Dagger engine"


class MayStandAlone(click.Command):
    """A command with options that may stand without their values, which click's may not before an argument.

    A class of its own says which, and what each then means.
    """

    alone: ClassVar[Mapping[str, str]] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command's words."""
        end = args.index("--") if "--" in args else len(args)
        args = [f"{word}={self.alone[word]}" if word in self.alone else word for word in args[:end]] + args[end:]
        return super().parse_args(ctx, args)


@asynccontextmanager
async def opened(
    name: str,
    progress: Progress,
    *,
    format: Format | None = None,
    no_cache: bool = False,
    pull: bool = False,
    engine: str | None = None,
    engine_timeout: float | None = None,
) -> AsyncIterator[Builder]:
    """The builder that ``--with`` names; an engine's session ends with the block.

    :param pull: for a local builder; an engine asks the registry for a tag in each session.
    :param engine: the address that ``--engine`` says.
    """
    if name == "dagger":
        from ..backends.dagger.connect import START_DEADLINE, connect

        patience = engine_timeout or START_DEADLINE
        on_event = ignore if progress.quiet else progress.on_event
        note = untested(engine) if engine else None
        if note:
            progress.note(note)
        async with connect(engine=engine, engine_timeout=patience, no_cache=no_cache, on_event=on_event) as connected:
            yield connected
    else:
        from ..backends.local.find import local_builder

        yield local_builder(name, format=format, no_cache=no_cache, pull=pull, on_event=progress.on_event)


def project_options(function: Command, *, only: tuple[str, ...] = (), argument: bool = True) -> Command:
    """Add PROJECT and a flag for each field of :class:`~dagger_aml.project.Options`, or for some of them.

    :param argument: False for a command that takes more than projects.
    """
    for record in reversed([each for each in PROJECT_SETTINGS.values() if not only or each.name in only]):
        text = record.help + (" May be given several times." if record.repeatable else "")
        function = click.option(
            str(record.flag),
            multiple=record.repeatable,
            metavar=record.metavar,
            help=text + (f" [env: {record.variable}]" if record.variable else ""),
        )(function)
    return click.argument("project", default=".", type=click.Path())(function) if argument else function


def read(folder: str, given: dict[str, Any]) -> tuple[Project, Graph]:
    """The project, and the graph that its recipe lays out for the first of its platforms."""
    project = _project(folder, given)
    graph = anyio.run(lay_out, project)
    if len(project.platforms) > 1:
        graph = graph.note(f"this is for {project.base.platform}; only `build` takes {', '.join(project.platforms)}")
    return project, graph


def read_each(folder: str, given: dict[str, Any]) -> tuple[Project, tuple[Graph, ...]]:
    """The project, and the graphs that its recipe lays out, one for each platform."""
    project = _project(folder, given)
    return project, anyio.run(lay_out_each, project)


def _project(folder: str, given: dict[str, Any]) -> Project:
    return load_project(folder, Options(**{name: given[name] for name in fields_dict(Options)}))
