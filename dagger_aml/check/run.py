"""Running the rules: ids and severities put in, what is ignored set aside, errors raised.

What is found grows with what is known: of the project before its recipe runs, of the graph behind it, and of the plan
once the base's facts are there. Each rule runs once, when the last of its facts is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from ..data import frozen
from ..errors import FindingsError, unreadable
from ..finding import FileLocation, Finding, Silencer, ordered
from ..graph.graph import Graph
from ..plan.model import Plan
from ..project.load import chosen_rules
from ..project.model import Project
from ..project.settings import Options
from .facts import Facts, GraphFacts, PlanFacts
from .known import Input, Known
from .modules import rules
from .selection import Comments, Selection

if TYPE_CHECKING:
    from .inputs.kinds import Kind


@frozen
class Findings:
    """What the rules found.

    :param told: by severity and id.
    :param silenced: what was found and is not told, since its rule is ignored, or a comment says so.
    """

    told: tuple[Finding, ...] = ()
    silenced: tuple[Finding, ...] = ()


def chosen(project: Project | None) -> Selection:
    """The rules that a project's flags, variables and file choose.

    :raises UsageError: they name one that there is not.
    """
    if project is None:
        return Selection()
    made = Selection(project.selected, project.extended, project.ignored)
    _check(made, "deployment file" if project.deployment else "project", project.origins)
    return made


def chosen_beside(folder: Path, options: Options, input: Input) -> Selection:
    """The rules that flags, variables and a folder's project file choose for an input that is no project.

    :param input: its kind.
    :raises UsageError: they name one that there is not. :raises ProjectError: the file cannot be read.
    """
    said, origins = chosen_rules(folder, options)
    made = Selection(said["select"], said["extend_select"], said["ignore"])
    _check(made, input, origins)
    return made


def _check(selection: Selection, input: Input, origins: Mapping[str, str]) -> None:
    """See that there are the rules that are named. Only one of another kind of input makes all be loaded."""
    if not selection.fits(rules(input)):
        selection.check(rules(), origins)


def run(facts: Known, selection: Selection | None = None) -> Findings:
    """Run the rules whose last fact is of this class.

    :param facts: of exactly the class whose rules are to run.
    :param selection: which of them; all unless given.
    :raises ProjectError: a part of the input cannot be read.
    """
    selection = selection or Selection()
    are_first = facts.are_first
    try:
        found = [
            finding.of_rule(each.id, each.severity)
            for each in rules(facts.input).values()
            if are_first(each.takes) and selection.runs(each.id)
            for finding in each.run(facts)
        ]
    except OSError as error:
        project = getattr(facts, "project", None)
        raise unreadable(error, error.filename or (project.root if project else ".")) from None
    comments = Comments()
    marked = [_marked(each, comments, selection) for each in found]
    return Findings(
        ordered(each for each in marked if not each.silenced_by), ordered(each for each in marked if each.silenced_by)
    )


def _marked(found: Finding, comments: Comments, selection: Selection) -> Finding:
    """A finding with what sets it aside, and without what would be mended on a line whose comment says otherwise."""
    id = str(found.id)
    by: tuple[tuple[Silencer, bool], ...] = (
        ("comment", comments.ignores(found.location, id)),
        ("choice", selection.ignores(id)),
    )
    return evolve(
        found,
        silenced_by=tuple(silencer for silencer, silences in by if silences),
        fixes=tuple(each for each in found.fixes if not comments.ignores(FileLocation("", each.path, each.line), id)),
    )


def missing_facts(facts: Known, kind: Kind, selection: Selection) -> Mapping[str, tuple[str, ...]]:
    """The rules that were chosen and could not be run, each with the names of the facts that it lacks; none of those
    that do not apply to such an input at all.

    :param facts: all that is known.
    """
    found = {}
    for _, each in sorted(rules(kind.name).items()):
        if each.applies(kind) and selection.runs(each.id) and not selection.ignores(each.id):
            lacks = tuple(name for name in each.takes if getattr(facts, name, None) is None)
            if lacks:
                found[each.id] = lacks
    return found


def check_project(
    project: Project, *, one_platform: bool | None = None, stops: bool = True
) -> tuple[Facts, Findings]:
    """What is to be said of a project before its recipe runs.

    :param one_platform: true where what is made is for the first of its platforms alone.
    :param stops: whether what a rule of severity ``error`` finds is raised, here and later on; told otherwise.
    :raises UsageError: it ignores or selects an id that no rule has.
    :raises FindingsError: a rule of severity ``error`` found something.
    """
    facts = Facts(project, one_platform, stops)
    return facts, _passed(run(facts, chosen(project)), facts)


def check_graph(graph: Graph, facts: Facts, before: Findings) -> Graph:
    """The graph with everything that is to be said of it and its project.

    :param before: what :func:`check_project` found.
    :raises FindingsError: a rule of severity ``error`` found something.
    """
    grown = facts.grown(GraphFacts, graph=graph)
    found = _passed(run(grown, chosen(facts.project)), facts)
    return evolve(
        graph,
        warnings=ordered((*graph.warnings, *before.told, *found.told)),
        silenced=ordered((*graph.silenced, *before.silenced, *found.silenced)),
        subject=grown,
    )


def check_plan(plan: Plan, graph: Graph) -> Plan:
    """The plan with everything that is to be said of it and of its base.

    :param graph: that it was made of. One that no project laid out is judged here by the rules of graphs too.
    :raises FindingsError: a rule of severity ``error`` found something.
    """
    facts = graph.subject
    if not isinstance(facts, GraphFacts):
        graph = check_graph(graph, Facts(), Findings())
        facts = graph.subject
        assert isinstance(facts, GraphFacts)
    found = _passed(run(facts.grown(PlanFacts, plan=plan), chosen(facts.project)), facts)
    return evolve(
        plan,
        warnings=ordered((*plan.warnings, *graph.warnings, *found.told)),
        silenced=ordered((*graph.silenced, *found.silenced)),
    )


def _passed(found: Findings, facts: Facts) -> Findings:
    errors = tuple(each for each in found.told if each.severity == "error")
    if errors and facts.stops:
        raise FindingsError(errors)
    return found
