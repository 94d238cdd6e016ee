"""``dagger-aml check``"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from ...backends.builders import BUILDERS, DEFAULT
from ...errors import DaggerAmlError, ProjectError, UsageError, unreadable
from ..common import at_once, by_flag, check_engine, examined, options_of, project_of
from ..console import printable, tell
from ..options.build import engine_option, fail_on_option, setting_option, settled
from ..options.completed import rule_ids
from ..options.project import project_options
from ..options.types import Given
from ..reports.model import SEVERITIES, Checked, checked, count, shown
from ..sections import Sectioned

if TYPE_CHECKING:
    from ...building.examine import Report
    from ...building.plans import Probes
    from ...check.inputs.kinds import Kind
    from ...project.deployment.model import Deployment

_FORMATS: Mapping[str, tuple[str, str]] = {
    "text": ("text", "render"),
    "json": ("as_json", "render"),
    "sarif": ("sarif", "render"),
    "github": ("services", "github"),
    "gitlab": ("services", "gitlab"),
    "azure": ("services", "azure"),
}
"""The module and the function of each form of output."""

_ROUNDS = 10
"""How often what is left is mended again: of a name that is put right, the value may be wrong too."""

_Change = Callable[[Path, bytes, bytes], None]
"""What becomes of a file that is mended: its path, its bytes, and what they are to be."""

_TAKES = (
    "It takes folders, Dockerfiles, deployment files (.yml), conda files (.yml), lists of packages "
    "(…requirements….txt, pylock.toml, uv.lock), images (….tar, an OCI layout, image:NAME)."
)


@click.command(
    "check",
    cls=Sectioned,
    short_help="Find mistakes in projects, Dockerfiles and deployment files before anything is built.",
    epilog="Exit codes: 0 nothing found, 1 a finding at or above --fail-on, 2 an input could not be checked.",
)
@click.argument("projects", metavar="[PATH]...", nargs=-1, type=Given())
@partial(project_options, argument=False)
@click.option(
    "--output-format",
    "form",
    type=click.Choice([*_FORMATS]),
    default="text",
    show_default=True,
    help="text shows the lines; json and sarif are for programs; github, gitlab and azure for their pipelines.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(readable=False),
    metavar="FILE",
    help="Write to FILE instead of standard output.",
)
@fail_on_option
@click.option("--fix", is_flag=True, help="Mend what has one right answer, in the files themselves.")
@click.option("--diff", is_flag=True, help="Show what --fix would change, and write nothing.")
@click.option(
    "--probe",
    is_flag=True,
    help="Pull and probe the base image, as build does, instead of assuming its properties.",
)
@setting_option(
    "builder", choices=BUILDERS, help=f"Builder that runs the probe for --probe (default: {DEFAULT}).", default=None
)
@engine_option
@setting_option(
    "jobs",
    help="Number of processes that read a project of 500 Python files or more (default: one per processor).",
    of_call=True,
)
@click.option(
    "--explain",
    metavar="ID",
    shell_complete=rule_ids,
    help="Show what a rule is about, with examples, and check nothing.",
)
@settled
def command(
    projects: tuple[str, ...],
    form: str,
    output: str | None,
    fail_on: str,
    fix: bool,
    diff: bool,
    explain: str | None,
    probe: bool,
    builder: str | None,
    engine: str | None,
    jobs: int | None,
    **given: Any,
) -> None:
    """Check PATH, or several, by the rules of docs/rules.md: a project's code, variables, packages, models and base;
    a deployment file; a Dockerfile; a list or a folder of packages; an image, as a tar, an OCI layout or image:NAME.

    Builds nothing, and needs neither engine nor network without --probe; only image:NAME asks its registry. Scripts
    are read, and never imported or run; a recipe of the project's own is run, as plan does.

    \b
    dagger-aml check
    dagger-aml check models/* --output-format github
    dagger-aml check models/rates/Dockerfile deployment.yml
    dagger-aml check image:registry.example/diabetes:1
    dagger-aml check --select AML1,AML2 --fail-on warning
    dagger-aml check --explain AML110
    """
    if explain is not None:
        click.echo(_explained(explain), nl=False)
        return
    _check_asked(probe=probe, engine=engine)
    given["asks"] = (builder, engine) if probe else None
    from ...pysource.ahead import reading_ahead

    with reading_ahead(jobs, ended_by_signals, partial(_load, form)):
        if diff:
            _check_alone(fix=fix, form=form, output=output)
            _show_changes(projects or (".",), given)
            return
        found = tuple(_checked(each, given, _writing() if fix else None) for each in projects or (".",))
    _write(_renderer(form)(found), output)
    for each in found:
        if each.error:
            _tell_refused(each)
    if any(each.error for each in found):
        sys.exit(2)
    counts = {str(severity): count(found, severity) for severity in SEVERITIES}
    if any(counts[severity] for severity in [*counts][: [*counts].index(fail_on) + 1]):
        sys.exit(1)


def _load(form: str) -> None:
    """Load what is needed of a project behind the reading of its files."""
    from ...check.inputs.kinds import PROJECT
    from ...check.modules import rules

    rules(PROJECT.name)
    _renderer(form)


def ended_by_signals() -> None:
    """Let signals end this process without a word: an interrupt reaches all of a terminal, and one of them tells.

    What ignores interrupts, as a script's background commands do, goes on to.
    """
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _checked(name: str, given: dict[str, Any], change: _Change | None) -> Checked:
    """An input and what is said of it, or why nothing can be.

    :param change: what becomes of what has one right answer, before; nothing without.
    """
    try:
        root, report = _examined(name, given)
        for _ in range(_ROUNDS):
            if change is None or not _mend(root, report, change):
                break
            _, report = _examined(name, given)
    except DaggerAmlError as error:
        alone = _alone(name, given)
        if alone is None:
            return Checked(name, error=error)
        # Of what runs a finished image nothing has to be made, so that it cannot be made is no matter.
        finished = alone[1].runs_an_image and isinstance(error, UsageError)
        return evolve(checked(name, alone[0]), error=None if finished else error)
    return checked(name, report)


def _alone(name: str, given: dict[str, Any]) -> tuple[Report, Deployment] | None:
    """What can be said of a deployment file without a project being made of it; None of another input, and of a file
    that cannot be read."""
    from ...check.inputs.kinds import DEPLOYMENT, kind_of

    if kind_of(name) is not DEPLOYMENT:
        return None
    from ...building.examine import examine_deployment

    try:
        return examine_deployment(name, options_of(given))
    except DaggerAmlError:
        return None


def _examined(name: str, given: dict[str, Any]) -> tuple[Path, Report]:
    """The folder of an input, below which files may be mended, and what every rule says of it."""
    from ...check.inputs.kinds import folder_of, kind_of

    kind = kind_of(name)
    if kind.read is None:
        _see(Path(name))
    if given["asks"]:
        return _examined_by_probe(name, kind, given)
    if kind.read is None:
        alone = _alone(name, given)
        if alone and alone[1].runs_an_image and alone[1].model is None:
            return folder_of(name), alone[0]
        project, report = examined(name, given)
        return project.root, report
    from ...building.examine import examine_input

    work = partial(examine_input, name, kind, options_of(given))
    if kind.is_fetched(name):
        import anyio

        return folder_of(name), anyio.run(work)
    return folder_of(name), at_once(work())


def _examined_by_probe(name: str, kind: Kind, given: dict[str, Any]) -> tuple[Path, Report]:
    """The same, with what the base answers."""
    from ...building.examine import examine, examine_input
    from ...check.inputs.kinds import folder_of
    from ..probing import with_probes

    builder, engine = given["asks"]
    project = project_of(name, given) if kind.read is None else None

    def work(probes: Probes) -> Awaitable[Report]:
        return examine(project, probes) if project else examine_input(name, kind, options_of(given), probes)

    report = with_probes(work, builder=builder, engine=engine)
    return project.root if project else folder_of(name), report


def _see(path: Path) -> None:
    """Refuse what neither is nor could be a project or a deployment file."""
    from ...fs.lookup import is_file, is_there
    from ...project.deployment.place import is_project_file

    if is_there(path) and not path.is_dir() and not is_project_file(path):
        what = "is no input of a kind that check knows by its name" if is_file(path) else "is a pipe or a device"
        raise ProjectError(what, location=str(path), hint=_TAKES)
    if path.suffix and not is_there(path):
        try:
            path.stat()
        except PermissionError as error:
            raise unreadable(error, path) from None
        except OSError:
            pass
        raise ProjectError("does not exist", location=str(path))


def _check_asked(*, probe: bool, engine: str | None) -> None:
    """Refuse flags that say how a base is asked where none is."""
    check_engine(engine, None if probe else "only --probe uses a builder")
    if not probe and by_flag("builder"):
        raise UsageError("only --probe uses a builder", location="--with", hint="Add --probe, or remove --with.")


def _mend(root: Path, report: Report, change: _Change) -> bool:
    """Change what has one right answer; whether there was any."""
    from ..fixes import fixed

    changes = fixed(root, (fix for each in report.told for fix in each.fixes))
    for path, (before, after) in changes.items():
        change(path, before, after)
    return bool(changes)


def _writing() -> _Change:
    """What writes the files that are mended, and tells of each once."""
    from ..fixes import write

    told: set[Path] = set()

    def change(path: Path, _: bytes, after: bytes) -> None:
        write(path, after)
        if path not in told:
            tell(f"mended {shown(path)}")
            told.add(path)

    return change


def _check_alone(*, fix: bool, form: str, output: str | None) -> None:
    """Refuse flags that mean nothing beside ``--diff``, whose output has a form of its own."""
    for flag, given in (("--fix", fix), ("--output-format", form != "text"), ("--output", output is not None)):
        if given:
            raise UsageError(f"{flag} does not work with --diff", location=flag, hint=f"Remove {flag} or --diff.")


def _show_changes(names: Sequence[str], given: dict[str, Any]) -> None:
    """Print what would be mended in all inputs; exit with 1 if there is any, with 2 if one cannot be checked."""
    from ...fs.drafts import drafting
    from ..fixes import unified

    were, are = dict[Path, bytes](), dict[Path, bytes]()
    codes = {0}
    with drafting() as draft:

        def change(path: Path, before: bytes, after: bytes) -> None:
            were.setdefault(path, before)
            are[path] = after
            draft(path, after)

        for name in names:
            found = _checked(name, given, change)
            if found.error:
                _tell_refused(found)
                codes.add(2)
    for path, after in are.items():
        click.echo(printable(unified(shown(path), path, were[path], after), sys.stdout), nl=False)
        codes.add(1)
    if max(codes):
        sys.exit(max(codes))


def _tell_refused(found: Checked) -> None:
    from ..reports.text import refused

    tell(f"error: {refused(found)}")


def _renderer(form: str) -> Callable[[tuple[Checked, ...]], str]:
    module, function = _FORMATS[form]
    found: Callable[[tuple[Checked, ...]], str] = getattr(import_module(f"..reports.{module}", __package__), function)
    return found


def _write(text: str, output: str | None) -> None:
    if output is None or output == "-":
        click.echo(printable(text, sys.stdout), nl=False, color=False if os.environ.get("NO_COLOR") else None)
        return
    from ...fs.atomic import replaced_file

    path = Path(output)
    if path.is_dir():
        raise UsageError("is a folder", location=f"-o {output}", hint="Give a file's name.")
    try:
        with replaced_file(path) as new:
            new.write_text(click.unstyle(text), encoding="utf-8", newline="\n")
    except DaggerAmlError as error:  # 1 would say that something was found.
        raise UsageError(error.message, location=error.location, hint=error.hint) from None


def _explained(id: str) -> str:
    """A rule's entry, as docs/rules.md has it.

    :raises UsageError: there is no such rule.
    """
    import inspect

    from ...check.modules import rules
    from ...check.selection import unknown

    known, id = rules(), id.strip().upper()
    if id not in known:
        raise unknown(id, known, "--explain")
    found = known[id]
    rest = inspect.cleandoc(found.check.__doc__ or "").partition("\n")[2]
    return f"{id}: {found.title}\n\nSeverity: {found.severity}.\n\n{rest.strip()}\n"
