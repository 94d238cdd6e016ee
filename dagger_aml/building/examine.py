"""An input checked by every rule, without anything being made of it: no builder, no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, field

from ..base import catalog
from ..check.facts import Facts, GraphFacts, PlanFacts
from ..check.inputs.kinds import DEPLOYMENT, LIST, PROJECT, SITE_PACKAGES, Kind, folder_of
from ..check.known import Known
from ..check.run import Findings, chosen, chosen_beside, missing_facts, run
from ..data import frozen
from ..errors import UsageError, unreadable
from ..finding import Finding, ordered
from ..graph.stages import bases
from ..plan.make import plan
from ..project.model import Project
from ..project.recipe import run_recipe
from ..project.settings import Options
from ..text import named, with_article

if TYPE_CHECKING:
    from ..check.inputs.site_packages import FolderFacts
    from ..project.deployment.model import Deployment
    from .plans import Probes

_SAID_BY = {"AML506": "AML520"}
"""Rules that would only say again what an error says; elsewhere that error has ended the work before."""


@frozen
class Report:
    """What is to be said of an input.

    :param told: errors first, each once. What the recipe's steps refuse is an error without an id.
    :param silenced: what was found and is not told.
    :param unchecked: the rules that could not be run, by id, each with the names of the facts that it lacks.
    :param kind: of the input; the rules that do not apply to it are in none of these.
    :param facts: of an input that is no project. Copies to which places lead are there as long as these.
    """

    told: tuple[Finding, ...] = ()
    silenced: tuple[Finding, ...] = ()
    unchecked: Mapping[str, tuple[str, ...]] = {}
    kind: Kind = PROJECT
    facts: Known | None = field(default=None, repr=False, eq=False)


async def examine(project: Project, probes: Probes | None = None) -> Report:
    """Run every rule that is chosen, whatever the others find.

    :param probes: who asks the base; it is assumed otherwise.
    :raises UsageError: a rule is chosen or ignored that there is not.
    :raises ProjectError: a part of the project cannot be read.
    """
    selection = chosen(project)
    # Nothing is made here, so nothing is left out of what is made.
    known: list[Facts] = [Facts(project, one_platform=False, stops=False)]
    found, refused = [run(known[0], selection)], list[Finding]()
    for platform in project.platforms:
        try:
            base = catalog.on_platform(project.base, platform)
            await _of_platform(evolve(project, base=base), known, found, probes)
        except UsageError as error:
            refused.append(Finding(error.message, None, "error", error.location, error.hint))
            break
    if project.preinstalled and not refused:
        found.append(run(_packages_of(project.preinstalled, project, known[-1]), selection))
    told = [*refused, *(each for part in found for each in part.told)]
    ids = {each.id for each in told if each.id}
    return Report(
        ordered(each for each in told if _SAID_BY.get(str(each.id)) not in ids),
        ordered(each for part in found for each in part.silenced),
        missing_facts(known[-1], kind := DEPLOYMENT if project.deployment else PROJECT, selection),
        kind,
    )


def examine_deployment(name: str, options: Options) -> tuple[Report, Deployment]:
    """What is to be said of a deployment file by itself, without a project being made of it; and the file.

    :param name: as the command line has it.
    :raises UsageError: a rule is chosen or ignored that there is not. :raises ProjectError: it cannot be read.
    """
    from ..project.deployment.read import read_deployment

    selection = chosen_beside(folder_of(name), options, DEPLOYMENT.name)
    deployment = read_deployment(Path(name))
    facts = PlanFacts(stops=False, deployment_alone=deployment)
    found = run(Facts(stops=False, deployment_alone=deployment), selection)
    return Report(found.told, found.silenced, missing_facts(facts, DEPLOYMENT, selection), DEPLOYMENT), deployment


async def examine_input(name: str, kind: Kind, options: Options, probes: Probes | None = None) -> Report:
    """Run every rule that is chosen on an input that is no project.

    :param name: as the command line has it. :param kind: one that is read by a function of its own.
    :param options: of which those count that choose rules, and base and platform where the kind has them.
    :param probes: who asks the base; it is assumed otherwise.
    :raises UsageError: a rule is chosen or ignored that there is not; this kind has no base that can be asked.
    :raises DaggerAmlError: it cannot be read, or the base cannot be asked.
    """
    assert kind.read is not None
    if probes and kind not in (SITE_PACKAGES, LIST):
        raise UsageError(
            f"the base of {with_article(kind.name)} is not asked",
            location=named("probe"),
            hint=f"Remove {named('probe')}, or check this input in a call of its own.",
        )
    selection = chosen_beside(folder_of(name), options, kind.name)
    try:
        fetched = kind.fetch is not None and kind.is_fetched(name)
        facts = await kind.fetch(name, options) if kind.fetch and fetched else kind.read(name, options)
    except OSError as error:
        raise unreadable(error, error.filename or name) from None
    if probes:
        facts = await _asked(facts, probes)
    found = run(facts, selection)
    return Report(found.told, found.silenced, missing_facts(facts, kind, selection), kind, facts)


def _packages_of(folder: Path, project: Project, known: Facts) -> FolderFacts:
    """The facts of a project's own folder of packages, which the recipe has taken.

    :raises ProjectError: it cannot be read.
    """
    from ..check.inputs.site_packages import FolderFacts
    from ..sitepackages.read import read_folder

    base = known.base if isinstance(known, PlanFacts) else None
    return FolderFacts(read_folder(folder), project.base, base or catalog.assumed(project.base))


async def _asked(facts: Known, probes: Probes) -> Known:
    """The facts of an input with those that its base answers."""
    from ..check.inputs.lists import ListFacts
    from ..check.inputs.site_packages import FolderFacts

    assert isinstance(facts, FolderFacts | ListFacts)
    assert facts.reference
    digest, base = await probes.for_packages().probe(facts.reference, ())
    return evolve(facts, base=base, reference=evolve(facts.reference, digest=digest or facts.reference.digest))


async def _of_platform(project: Project, known: list[Facts], found: list[Findings], probes: Probes | None) -> None:
    """Go on to the plan of the image for one platform.

    :param known: the facts of the project; what else is known on the way is added.
    :param found: gets what the rules find.
    :param probes: who asks the base.
    :raises UsageError: the recipe or one of its steps refuses the project.
    """
    selection = chosen(project)
    graph = await run_recipe(project)
    grown = known[0].grown(GraphFacts, graph=graph)
    known.append(grown)
    found += [Findings(graph.warnings, graph.silenced), run(grown, selection)]
    if probes:
        from .plans import asked

        made = plan(*await asked(graph, probes.for_packages()))
    else:
        made = plan(graph, {base: catalog.assumed(base) for base in bases(graph)})
    whole = grown.grown(PlanFacts, plan=made)
    known.append(whole)
    found += [Findings(made.warnings), run(whole, selection)]
