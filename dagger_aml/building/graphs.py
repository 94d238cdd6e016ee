"""From a project to its graph: the one way, on which the rules look at both."""

from __future__ import annotations

from attrs import evolve

from ..base import catalog
from ..check.facts import Facts
from ..check.run import Findings, check_graph, check_project
from ..graph.graph import Graph
from ..project.model import Project
from ..project.recipe import run_recipe


async def lay_out(project: Project) -> Graph:
    """The graph that a project's recipe lays out, with what the rules find in both.

    :raises UsageError: no such recipe, or what it returned is no graph; a rule is ignored that there is not.
    :raises ProjectError, GraphError: what the recipe's steps refuse.
    :raises FindingsError: a rule found what cannot work.
    """
    return await _laid_out(project, *check_project(project))


async def lay_out_first(project: Project, *, stops: bool = True) -> Graph:
    """As :func:`lay_out`, where nothing is made for the other platforms of the project, which a rule then says.

    :param stops: whether what a rule finds that cannot work is raised; otherwise it is told, as warnings are.
    """
    return await _laid_out(project, *check_project(project, one_platform=True, stops=stops))


async def lay_out_each(project: Project, *, stops: bool = True) -> tuple[Graph, ...]:
    """The graphs that a project's recipe lays out, one for each of its platforms; raises as :func:`lay_out`.

    :param stops: as of :func:`lay_out_first`.
    """
    bases = [catalog.on_platform(project.base, each) for each in project.platforms]
    looked = check_project(project, stops=stops)
    return tuple([await _laid_out(evolve(project, base=each), *looked) for each in bases])


async def _laid_out(project: Project, facts: Facts, before: Findings) -> Graph:
    return check_graph(await run_recipe(project), facts, before)
