"""Running the rules: ids and severities put in, what is ignored set aside, errors raised.

What is found grows with what is known: of the project before its recipe runs, of the graph behind it, and of the plan
once the base's facts are there. Each rule runs once, when the last of its facts is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module

from attrs import evolve

from ..data import frozen
from ..errors import FindingsError, UsageError, unreadable
from ..finding import Finding, ordered
from ..graph.graph import Graph
from ..plan.model import Plan
from ..project.model import Project
from .facts import Facts, GraphFacts, PlanFacts
from .rule import RULES, Rule

MODULES = (
    "entry_script",
    "entry_script_contract",
    "variables",
    "packages",
    "packages_conda",
    "packages_imports",
    "packages_lists",
    "models",
    "models_layout",
    "models_artifacts",
    "code",
    "code_python",
    "code_serving",
    "base",
)
"""The files that have rules."""


@frozen
class Findings:
    """What the rules found.

    :param told: by severity and id.
    :param silenced: what was found and is not told, since its rule is ignored.
    """

    told: tuple[Finding, ...] = ()
    silenced: tuple[Finding, ...] = ()


def rules() -> Mapping[str, Rule]:
    """Every rule by its id."""
    for module in MODULES:
        import_module(f".{module}", __package__)
    return RULES


def run(facts: Facts, ignored: Iterable[str] = ()) -> Findings:
    """Run the rules whose last fact is of this kind.

    :param facts: of exactly the kind whose rules are to run.
    :param ignored: ids of rules whose findings are set aside, errors too.
    :raises ProjectError: a part of the project cannot be read.
    """
    try:
        found = [
            finding.of_rule(each.id, each.severity)
            for each in rules().values()
            if each.phase is type(facts)
            for finding in each.run(facts)
        ]
    except OSError as error:
        raise unreadable(error, error.filename or (facts.project.root if facts.project else ".")) from None
    aside = set(ignored)
    return Findings(
        ordered(each for each in found if each.id not in aside), ordered(each for each in found if each.id in aside)
    )


def check_project(project: Project, *, one_platform: bool | None = None) -> tuple[Facts, Findings]:
    """What is to be said of a project before its recipe runs.

    :param one_platform: true where what is made is for the first of its platforms alone.
    :raises UsageError: it ignores an id that no rule has.
    :raises FindingsError: a rule of severity ``error`` found something.
    """
    for id in project.ignored:
        _check_known(id, project.origins.get(f"ignore.{id}"))
    facts = Facts(project, one_platform)
    return facts, _passed(run(facts, project.ignored))


def check_graph(graph: Graph, facts: Facts, before: Findings) -> Graph:
    """The graph with everything that is to be said of it and its project.

    :param before: what :func:`check_project` found.
    :raises FindingsError: a rule of severity ``error`` found something.
    """
    grown = facts.grown(GraphFacts, graph=graph)
    found = _passed(run(grown, _ignored(facts)))
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
    found = _passed(run(facts.grown(PlanFacts, plan=plan), _ignored(facts)))
    return evolve(
        plan,
        warnings=ordered((*plan.warnings, *graph.warnings, *found.told)),
        silenced=ordered((*graph.silenced, *found.silenced)),
    )


def _ignored(facts: Facts) -> tuple[str, ...]:
    return facts.project.ignored if facts.project else ()


def _passed(found: Findings) -> Findings:
    errors = tuple(each for each in found.told if each.severity == "error")
    if errors:
        raise FindingsError(errors)
    return found


def _check_known(id: str, location: str | None) -> None:
    known = rules()
    if id not in known:
        import difflib

        near = difflib.get_close_matches(id.upper().replace("O", "0").replace("I", "1"), known, 1, 0.5)
        raise UsageError(
            f"no rule is called {id!r}",
            location=location,
            hint=(f"Did you mean {near[0]}? " if near else "") + "docs/rules.md lists them.",
        )
