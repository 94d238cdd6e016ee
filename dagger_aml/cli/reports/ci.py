"""What came of a build, for the CI system that runs it: annotations, outputs for the next job, a summary."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import click
from attrs import evolve

from ...building.examine import Report
from ...errors import DaggerAmlError, own_error
from ..console import printable
from ..console import tell as tell_person
from ..told import OnOutcome
from . import services
from .model import Checked, checked
from .summary import Built, summary

Service = Literal["github", "azure", "gitlab"]

_TOLD_BY: Mapping[str, Service] = {"GITHUB_ACTIONS": "github", "TF_BUILD": "azure", "GITLAB_CI": "gitlab"}
"""The variable by which each says that it runs this."""

DOTENV = "dagger-aml.env"
QUALITY = "dagger-aml-quality.json"
SUMMARY = "dagger-aml-summary" + ".md"
"""Files in the working directory, for a job to hand on: GitLab reads the first two as reports."""


def service_of(said: str, environ: Mapping[str, str] = os.environ) -> Service | None:
    """The system that is told, if one is.

    :param said: what ``--ci`` said.
    """
    if said == "auto":
        return next((service for name, service in _TOLD_BY.items() if environ.get(name)), None)
    return next((each for each in get_args(Service) if each == said), None)


@contextlib.contextmanager
def told_to(service: Service | None, folders: Sequence[str]) -> Iterator[OnOutcome]:
    """Tell a system of all outcomes that the block tells of, also where it fails; the error goes on.

    :param folders: the projects, as they were named.
    :raises OSError: a file of the system's cannot be written.
    """
    built: list[Built] = []
    try:
        yield lambda *outcome: built.append(Built(*outcome))
    except (DaggerAmlError, BaseExceptionGroup) as error:
        ours = own_error(error)
        if service and ours:
            if not any(each.error for each in built):
                built.append(Built(folders[0] if len(folders) == 1 else ".", error=ours))
            with contextlib.suppress(OSError):  # Why it failed is more than that it cannot be told here too.
                tell(service, built)
        raise
    if service:
        tell(service, built)


def tell(service: Service, built: Sequence[Built], environ: Mapping[str, str] = os.environ) -> None:
    """Tell a system all of it, in its own form.

    :raises OSError: a file cannot be written.
    """
    annotations = tuple(_checked(each) for each in built)
    {"github": _github, "azure": _azure, "gitlab": _gitlab}[service](built, annotations, environ)


def _github(built: Sequence[Built], annotations: tuple[Checked, ...], environ: Mapping[str, str]) -> None:
    _say(services.github(annotations, verb="build"))
    if path := environ.get("GITHUB_OUTPUT"):
        _append(path, "".join(f"{name}={value}\n" for name, value in _values(built).items()))
    if path := environ.get("GITHUB_STEP_SUMMARY"):
        _append(path, summary(built))


def _azure(built: Sequence[Built], annotations: tuple[Checked, ...], environ: Mapping[str, str]) -> None:
    # The agent keeps the summary's path and reads it later: beside what the job keeps anyway, else here.
    path = Path(environ.get("AGENT_TEMPDIRECTORY", ".")).absolute() / SUMMARY
    path.write_text(summary(built), encoding="utf-8")
    said = services.azure(annotations)
    for name, value in _values(built).items():
        said += services.command_of_azure(f"task.setvariable variable={name};isOutput=true", value)
    _say(said + services.command_of_azure("task.uploadsummary", str(path)))


def _gitlab(built: Sequence[Built], annotations: tuple[Checked, ...], _: Mapping[str, str]) -> None:
    values = _values(built)
    single = {name.upper(): values[name] for name in ("ref", "digest") if name in values}
    each: dict[str, list[dict[str, Any]]] = {}
    for image in _images(built):
        each.setdefault(f"REF_{_variable(image['name'])}", []).append(image)
    for name, several in each.items():
        if len(several) > 1:  # The next job would deploy one for the other.
            names = " and ".join(image["name"] for image in several)
            tell_person(
                f"warning: {names} would both be {name}, so neither is in {DOTENV}; name one of them otherwise"
            )
    own = {name: str(images[0]["ref"]) for name, images in each.items() if len(images) == 1}
    Path(DOTENV).write_text("".join(f"{name}={value}\n" for name, value in {**own, **single}.items()), "utf-8")
    Path(QUALITY).write_text(services.gitlab(annotations), "utf-8")
    Path(SUMMARY).write_text(summary(built), "utf-8")


def _variable(name: str) -> str:
    """A project's name as a part of a variable's."""
    return re.sub(r"\W", "_", name, flags=re.ASCII).upper()


def _images(built: Sequence[Built]) -> list[dict[str, Any]]:
    """The images that were made, each by its digest where it has one."""
    return [
        {
            "name": each.name or each.folder,
            "folder": each.folder,
            "ref": next(iter((*each.result.refs, *each.result.tags)), None),
            "digest": each.result.digest,
        }
        for each in built
        if each.result
    ]


def _values(built: Sequence[Built]) -> dict[str, str]:
    """What the next job gets: all images as one line of JSON, and a single one by itself."""
    images = _images(built)
    values = {"images": json.dumps(images, separators=(",", ":"))}
    if len(images) == 1:
        values |= {name: str(images[0][name] or "") for name in ("ref", "digest")}
    return values


def _checked(each: Built) -> Checked:
    found = each.result.warnings if each.result else ()
    return evolve(checked(each.folder, Report(told=found)), error=each.error)


def _append(path: str, text: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)


def _say(text: str) -> None:
    """On standard error, where progress is: standard output may be a tar, or JSON."""
    click.echo(printable(text, sys.stderr), err=True, nl=False)
