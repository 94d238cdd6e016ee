"""``dagger-aml init``"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

import click

from ...init import Draft, make_draft, new_files, shown
from ...project.settings import Options
from ..options.project import project_options
from ..sections import Sectioned


@click.command("init", cls=Sectioned, short_help="Write a first dagger-aml.toml and requirements.txt.")
@partial(project_options, only=("base", "recipe", "entry_script"))
@click.option("--dry-run", is_flag=True, help="Print the files, write nothing.")
def command(project: str, dry_run: bool, **given: Any) -> None:
    """Look at PROJECT and write a first dagger-aml.toml and requirements.txt.

    The one has what was found, the other the packages with the versions installed here: those that the entry script
    imports and that a pickled model names. They are found by reading, and nothing is run. No file that is there is
    changed.

    \b
    dagger-aml init
    dagger-aml init my-project --dry-run
    """
    draft = make_draft(project, Options(**given))
    written = () if dry_run else new_files(draft.project.root, draft.files)
    for line in _report(draft, project, written, dry_run=dry_run):
        click.echo(line)


def _report(draft: Draft, folder: str, written: tuple[str, ...], *, dry_run: bool) -> Iterator[str]:
    if dry_run:
        for name, text in draft.files.items():
            yield from (f"--- {name} ---", text)
    yield from _found(draft)
    if draft.unknown:
        yield "Unknown, or needs your attention:"
        yield from (f"  {each}" for each in draft.unknown)
    there = [*draft.kept, *(() if dry_run else (name for name in draft.files if name not in written))]
    if there:
        yield f"Not changed: {', '.join(there)}"
    if dry_run:
        yield f"Would write: {', '.join(draft.files) or 'nothing'}"
    else:
        yield f"Wrote {' and '.join(written)}" if written else "Nothing to write"
    words = [shlex.quote(folder)] if folder != "." else []
    yield "Next:"
    yield "  " + " ".join(["dagger-aml plan", *words])
    yield "  " + " ".join(["dagger-aml build", *words, f"-t {draft.project.name.lower()}:1 --load"])


def _found(draft: Draft) -> Iterator[str]:
    project, pins = draft.project, draft.pins
    yield "Found:"
    if project.code:
        yield f"  entry script {shown(project.code / project.entry_script, project)}"
    for model in project.models:
        yield f"  model {shown(model.path, project)}, as {model.name} {model.version}"
    yield f"  base {project.base.reference} ({project.origins['base']})"
    yield f"  recipe {project.recipe} ({project.origins['recipe']})"
    if project.requirements:
        if draft.unnamed:
            yield (
                f"{shown(project.requirements, project)} does not list these packages; packages that it lists may "
                "install them:"
            )
            yield from (f"  {each.package}: {each.why}" for each in draft.unnamed)
        return
    if pins.pinned:
        yield f"Packages, with the versions found in {draft.installed.shown}:"
        yield from (f"  {each.text}  {each.why}" for each in pins.pinned)
    elif not pins.needed:
        yield "Packages: none; the entry script needs only what Python and the base have."
    if pins.todo:
        yield "Packages that need your action; without it, the image will not have them:"
        yield from (f"  {each.name}: {each.why}; {each.todo}" for each in pins.todo)
        if any(not each.text for each in pins.todo):
            yield "  (run init in the environment in which the model was trained: it finds more there)"
