"""``plan`` of several projects, and what of them needs doing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
from attrs import evolve, field

from ..backends.base import Layers, Opening
from ..backends.builders import BUILDERS, kind_of
from ..building.changed import Stood, Subject, stand
from ..building.earlier import is_image, makings_after
from ..building.hashing import Hashing
from ..building.placeholders import filled
from ..building.plans import make_plan
from ..data import frozen
from ..errors import DaggerAmlError, UsageError
from ..finding import Finding
from ..fs.digest import Digests
from ..fs.stamps import local_files
from ..graph.base import ARCHIVES
from ..graph.graph import Graph
from ..oci.file_digests import FileDigests
from ..plan.compare import Comparison, Earlier, run_again
from ..plan.inputs import input_digest_of
from ..plan.keys import SCHEMA
from ..plan.making import Making, makings
from ..plan.model import Plan
from ..plan.picture import Drawn
from ..plan.render import plan_json, plan_text
from ..plan.verdict import Standing, not_told
from ..project.model import Project
from .common import policy_of_call, read, read_each, read_others
from .console import printable, tell
from .drawing import DRAWN, Form, drawing
from .options.build import opening_of, value_of
from .probing import Asks, Planned, planned_each
from .progress.as_json import error_parts
from .waits import told_of_waits

CHANGED_EXIT_CODE = 3
"""Of ``--exit-code``, where something needs doing."""

_PLACEHOLDERS = ("{name}", "{version}")


@frozen
class Asked:
    """What is asked of plans.

    :param against: what they are held against; None for nothing.
    :param changed: whether only those are told that need doing.
    :param exit_code: whether these decide the exit code.
    :param form: in which they are told.
    """

    against: str | None
    changed: bool
    exit_code: bool
    offline: bool
    store: str | None
    form: Form
    why: bool
    layers: Layers

    @property
    def as_json(self) -> bool:
        """Whether they are told as plain data."""
        return self.form == "json"

    @property
    def is_drawn(self) -> bool:
        """Whether they are told as a picture."""
        return self.form in DRAWN


@frozen
class _Read:
    """A project that was read, or why it was not."""

    folder: str
    project: Project | None = None
    graphs: tuple[Graph, ...] = field(default=(), repr=False)
    subject: Subject | None = field(default=None, repr=False)
    error: DaggerAmlError | None = None
    stood: Stood | None = field(default=None, repr=False)

    @property
    def standing(self) -> Standing | None:
        """How it stands; of one that cannot be read that cannot be told."""
        if self.error:
            return not_told("", str(self.error))
        return self.stood.standing if self.stood else None


def plan_several(folders: Sequence[str], given: dict[str, Any], asked: Asked) -> None:
    """Plan projects and tell how each stands; one that cannot be read stops no other, and is told at the end.

    :raises UsageError: what cannot be asked of any.
    """
    _check(folders, asked)
    with FileDigests.kept() as kept:
        files = Hashing(kept)
        read = [_project(folder, given, asked, files) for folder in folders]
        told = anyio.run(_stood, read, asked, files) if asked.against else read
        files.end()
        text = _text(told, asked, kept)
    click.echo(printable(text, sys.stdout), nl=False)
    _exit(told, asked)


def exit_code_of(standing: Standing | None, asked: Asked) -> int:
    """The exit code of one that was read."""
    return CHANGED_EXIT_CODE if asked.exit_code and standing and standing.needs_doing else 0


def _check(folders: Sequence[str], asked: Asked) -> None:
    against = asked.against
    if against is None:
        return
    fixed = not any(each in against for each in _PLACEHOLDERS)
    if len(folders) > 1 and fixed and is_image(against):
        raise UsageError(
            f"{against!r} would be the same image for several projects",
            location="--against",
            hint="Add {name} to it: each project has its own name.",
        )
    if fixed and not is_image(against) and against.partition(":")[0] not in ARCHIVES and not Path(against).exists():
        raise UsageError("there is no such file", location=f"--against {against}")
    if asked.changed and not asked.as_json and any("\n" in each for each in folders):
        raise UsageError("a folder's name with a line break is no line", location="--changed", hint="Add --json.")


def _project(folder: str, given: dict[str, Any], asked: Asked, files: Hashing) -> _Read:
    try:
        project, graphs = read_each(folder, given)
        for each in graphs:
            files.add(local_files(each.layers))
        if asked.against is None:
            return _Read(folder, project, graphs)
        return _Read(folder, project, graphs, subject_of(folder, project, graphs, asked.against))
    except DaggerAmlError as error:
        return _Read(folder, error=error)


def subject_of(folder: str, project: Project, graphs: tuple[Graph, ...], against: str) -> Subject:
    """What a project is held against, with its name put in.

    :raises UsageError: the project has no value for a placeholder.
    """
    if any(each in against for each in _PLACEHOLDERS):
        against = filled(against, project, "against")
    return Subject(project.name, graphs, against, value_of("max_age", folder))


async def _stood(read: Sequence[_Read], asked: Asked, files: Hashing) -> list[_Read]:
    subjects = [each.subject for each in read if each.subject]
    stood = iter(await _stand(subjects, asked, files))
    return [evolve(each, stood=next(stood)) if each.subject else each for each in read]


async def _stand(subjects: Sequence[Subject], asked: Asked, files: Hashing) -> list[Stood]:
    return await stand(
        subjects,
        offline=asked.offline,
        store=asked.store,
        on_event=told_of_waits(),
        policy=policy_of_call(),
        digests=partial(_hashed, files),
    )


async def _hashed(files: Hashing) -> Digests:
    await files.ended()
    return files.digests


def _text(read: Sequence[_Read], asked: Asked, kept: Digests) -> str:
    if asked.as_json:
        return _json(read, asked, kept)
    if asked.is_drawn:
        return drawing([each for one in _told(read, asked) for each in _drawn(one, asked)], asked.form)
    return "".join(f"{each}\n" for each in _lines(read, asked))


def _told(read: Sequence[_Read], asked: Asked) -> list[_Read]:
    return [each for each in read if not asked.changed or (each.standing and each.standing.needs_doing)]


def _drawn(each: _Read, asked: Asked) -> Iterator[Drawn]:
    """What a picture shows of a project, for each of its platforms."""
    if each.project is None:
        return
    stood = each.stood
    held, known = (stood.held, stood.earlier) if stood else ((), ())
    opening = opening_of(each.folder, asked.layers, looks=asked.against is not None)
    for number, plan in enumerate(_plans(each)):
        earlier = known[number] if number < len(known) else None
        how = makings_of(plan, earlier, opening)
        compared = _expected(held[number], plan, earlier, how) if number < len(held) else None
        yield Drawn(each.project.name, plan, how, compared, each.standing, why=asked.why)


def _lines(read: Sequence[_Read], asked: Asked) -> Iterator[str]:
    if asked.changed:
        yield from (each.folder for each in read if each.standing and each.standing.needs_doing)
        return
    if asked.against is None:
        for each in read:
            if each.project:
                yield from (plan_text(plan, each.project, why=asked.why) for plan in _plans(each))
        return
    rows = [("project", "up to date", "to send", "why")]
    rows += [_row(each, each.standing) for each in read if each.standing]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield "  ".join((*(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)), row[3])).rstrip()


def _row(each: _Read, standing: Standing) -> tuple[str, str, str, str]:
    first = (reason.splitlines()[0] for reason in standing.reasons)
    base = [f"base: {standing.base}"] if standing.base == "not asked" else []
    return each.folder, standing.word, standing.size, "; ".join((*base, *first))


def _json(read: Sequence[_Read], asked: Asked, kept: Digests) -> str:
    entries = [_entry(each, asked, kept) for each in _told(read, asked)]
    return json.dumps({"schema": SCHEMA, "projects": entries}, indent=2) + "\n"


def _entry(each: _Read, asked: Asked, kept: Digests) -> dict[str, Any]:
    verdict = {"verdict": each.standing.as_json()} if each.standing else {}
    if each.error:
        return {"folder": each.folder, "error": error_parts(each.error), **verdict}
    assert each.project
    plans = _plans(each)
    inputs = input_digest_of(plans, kept) if plans else None
    if asked.changed:
        said = inputs.as_json() if inputs else None
        return {"folder": each.folder, "name": each.project.name, "input_digest": said, **verdict}
    held = _first_held(each.stood, opening_of(each.folder, asked.layers, looks=True)) if each.stood else None
    more = {"against": held.as_json()} if held else {}
    plan = plan_json(plans[0], each.project, known=kept, inputs=inputs) if plans else {}
    return {"folder": each.folder, **plan, **more, **verdict}


def _plans(each: _Read) -> tuple[Plan, ...]:
    if each.stood:
        return each.stood.plans
    return tuple(make_plan(graph) for graph in each.graphs)


def _exit(read: Sequence[_Read], asked: Asked) -> None:
    """End with what is wrong, or with what needs doing."""
    wrong = [each for each in read if each.error]
    for each in wrong:
        text = str(each.error)
        tell(f"error: {text if text.startswith(each.folder) else f'{each.folder}: {text}'}")
    for each in read if asked.changed else ():
        if each.stood and each.standing and each.standing.up_to_date is None:
            tell(Finding(f"{each.folder}: cannot be told: {each.standing.reasons[0]}").titled)
    codes = [1] if wrong else [exit_code_of(each.standing, asked) for each in read]
    _end(max(codes, default=0))


def _end(code: int) -> None:
    """End with a code; with 0 as any command does. What click's own ``exit`` is given, the program would not see."""
    if code:
        sys.exit(code)


def plan_against(folder: str, given: dict[str, Any], asked: Asked, how: Asks) -> None:
    """Show the plan of one project, what would become of it where something else was built, and how it stands.

    :raises DaggerAmlError: that cannot be told.
    """
    assert asked.against
    found, graph = read(folder, given)
    graphs = (graph, *read_others(folder, given, found))
    opening = opening_of(folder, how.layers, looks=True)
    subject = subject_of(folder, found, graphs, asked.against)
    asks = how.pin or how.probe
    # Else what --engine and --with cannot mean is told as without --against.
    made = planned_each(graphs if asks else graphs[:1], how, opening, subject.against)
    known = made[0].makings if isinstance(made[0], Planned) else ()
    if asks:
        subject = evolve(subject, plans=tuple(each.plan if isinstance(each, Planned) else each for each in made))
    with FileDigests.kept() as kept:
        files = Hashing(kept)
        for one in graphs:
            files.add(local_files(one.layers))
        stood = anyio.run(_one, subject, asked, files)
        ways = known or makings_of(stood.plans[0], next(iter(stood.earlier), None), opening)
        text = _one_text(stood, found, asked, ways, kept)
    click.echo(printable(text, sys.stdout) if asked.is_drawn else text, nl=False)
    _end(exit_code_of(stood.standing, asked))


def _one_text(stood: Stood, found: Project, asked: Asked, ways: tuple[Making, ...], kept: Digests) -> str:
    plan = stood.plans[0]
    held = _expected(stood.held[0], plan, next(iter(stood.earlier), None), ways) if stood.held else None
    if asked.as_json:
        whole = len(stood.plans) == len(found.platforms)
        inputs = input_digest_of(stood.plans, kept) if whole else None
        data = plan_json(plan, found, ways, kept, inputs) | ({"against": held.as_json()} if held else {})
        return json.dumps({**data, "verdict": stood.standing.as_json()}, indent=2) + "\n"
    if asked.is_drawn:
        return drawing([Drawn(found.name, plan, ways, held, stood.standing, why=asked.why)], asked.form)
    text = f"{plan_text(plan, found, why=asked.why, how=ways)}\n{stood.standing.text()}\n"
    return text + (f"\n{held.text(_with_dockerfiles())}" if held else "")


async def _one(subject: Subject, asked: Asked, files: Hashing) -> Stood:
    """How one project stands.

    :raises DaggerAmlError: that cannot be told. Where there is no such image yet, that is told.
    """
    (stood,) = await _stand([subject], asked, files)
    if stood.error:
        raise stood.error
    return stood


def _with_dockerfiles() -> str:
    """The builders that take a Dockerfile, as they are called."""
    return ", ".join(name for name in BUILDERS if kind_of(name).capabilities.forms)


def _first_held(stood: Stood, opening: Opening) -> Comparison | None:
    if not stood.held:
        return None
    plan, earlier = stood.plans[0], next(iter(stood.earlier), None)
    return _expected(stood.held[0], plan, earlier, makings_of(plan, earlier, opening))


def _expected(held: Comparison, plan: Plan, earlier: Earlier | None, how: Sequence[Making]) -> Comparison:
    """What becomes of the steps, where the key of what ran has it taken from no such image."""
    from ..backends.direct.telling import why_unmarked

    if earlier is None or any(each.way in ("builder", "found") for each in how):
        return held
    why = why_unmarked(earlier.labels)
    return run_again(held, plan, why) if why else held


def makings_of(plan: Plan, earlier: Earlier | None, opening: Opening) -> tuple[Making, ...]:
    """How the layers would be made, as far as is known without asking a builder.

    :param earlier: what is known of what was built.
    """
    if opening.layers == "builder":
        return makings(plan, "builder")
    if earlier is None or not earlier.labels:
        return makings(plan)
    how = makings_after(plan, earlier, opening.max_age_days)
    # It may be in a repository for what ran, which is not asked.
    return makings(plan) if opening.cache_from and any(each.way == "runs" for each in how) else how
