"""``dagger-aml deployment``"""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ...errors import DaggerAmlError, UsageError
from ...finding import Finding
from ...graph.graph import Graph
from ...project.settings import Options
from ...version import __version__
from ..common import by_flag, laid_out, read
from ..console import tell
from ..options.call import no_check_option
from ..options.project import project_options
from ..options.types import Whole
from ..sections import Sectioned

if TYPE_CHECKING:
    from ...deploying.azureml import Said
    from ...deploying.subject import Subject
    from ...deploying.without_image import Unbuilt
    from ...project.deployment.model import Deployment
    from ...project.model import Project

_AZUREML, _KUBERNETES = "deployment.yml", "kubernetes.yml"
_CREATE, _APPLY = "az ml online-deployment create -f", "kubectl apply -f"


@click.command(
    "deployment",
    cls=Sectioned,
    short_help="Write the file that deploys an image, to Azure or a cluster.",
    epilog="PROJECT may be a deployment file: all of it that the image does not take the place of is kept.",
)
@project_options
@click.option("--image", metavar="REF@sha256:…", help="The image, as it was pushed, with its digest.")
@click.option(
    "--metadata-file",
    type=click.Path(readable=False),
    metavar="FILE",
    help="What build --metadata-file wrote: it names the image.",
)
@click.option(
    "--without-image",
    "unbuilt",
    is_flag=True,
    help="No image is built: Azure ML's own, and a code folder that carries the packages (recipes dynamic, "
    "preinstalled).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(readable=False),
    metavar="FOLDER",
    help="Write the file to FOLDER. Without this option, print it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["azureml", "kubernetes"]),
    default="azureml",
    show_default=True,
    help="azureml: a deployment file of Azure ML's CLI v2. kubernetes: a Deployment and a Service of a cluster.",
)
@click.option("--name", metavar="NAME", help="The deployment's name.")
@click.option("--endpoint-name", metavar="NAME", help="Its endpoint's name.")
@click.option("--instance-type", metavar="TYPE", help="Size of the machines, such as Standard_DS3_v2.")
@click.option("--instance-count", type=Whole(1), metavar="N", help="How many. [default: 1]")
@click.option(
    "--variable",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="An environment variable of the deployment, over those of the image. May be given several times.",
)
@click.option(
    "--longest-request",
    type=Whole(1),
    metavar="SECONDS",
    help="For --format kubernetes: how long a pod that ends waits for what it has begun.",
)
@click.option(
    "--user",
    metavar="UID",
    help="For --format kubernetes: the number that the server runs as, or any: the cluster chooses (OpenShift). "
    "[default: the base's]",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@no_check_option
def command(
    project: str,
    image: str | None,
    metadata_file: str | None,
    unbuilt: bool,
    output: str | None,
    form: str,
    variables: tuple[str, ...],
    longest_request: int | None,
    user: str | None,
    force: bool,
    no_check: bool,
    **given: Any,
) -> None:
    """Write the file that deploys PROJECT's image. Nothing is built, and neither engine nor network is needed.

    \b
    dagger-aml deployment PROJECT --metadata-file images.json --name blue --endpoint-name diabetes \\
        --instance-type Standard_DS3_v2 -o azure
    dagger-aml deployment deployment.yml --image registry.example/diabetes@sha256:… -o azure
    dagger-aml deployment PROJECT --metadata-file images.json --format kubernetes -o cluster
    """
    from ...deploying.azureml import Said, baked, environment_only
    from ...deploying.subject import subject

    _check(image, metadata_file, unbuilt, output, form)
    said = Said(
        variables=_pairs(variables),
        **{key: given.pop(key) for key in ("name", "endpoint_name", "instance_type", "instance_count")},
    )
    if unbuilt:
        _unbuilt(*read(project, given, stops=not no_check), said, output or ".", force=force)
        return
    of = subject(project, Options(**given))
    if of.project:
        _check_first(of.project, stops=not no_check)
    named = _image(image, metadata_file, of.name)
    if form == "kubernetes":
        _kubernetes(named, said, of, output, longest_request, user, force=force)
    elif of.environment_only:
        folder = Path(output or ".")
        document = environment_only(named, said, of.deployment, folder)
        _out(output, document, of.deployment, of.name, force=force)
    else:
        _out(output, baked(named, said, of.deployment), of.deployment, of.name, force=force)


def _check_first(project: Project, *, stops: bool) -> None:
    """Run the rules, as ``build`` does before anything is built; what only warns was told when the image was.

    :param stops: whether an error ends the command; it is printed otherwise.
    :raises FindingsError: a rule of severity ``error`` found something, and it stops.
    """
    from ...building.plans import make_plan

    try:
        plan = make_plan(laid_out(project, stops=stops))
    except DaggerAmlError as error:
        if stops:
            raise
        tell(f"error: {error}")
        return
    for each in plan.warnings:
        if each.severity == "error":
            tell(each.titled)


def _check(image: str | None, metadata_file: str | None, unbuilt: bool, output: str | None, form: str) -> None:
    """Refuse flags that do not go together."""
    given = [
        flag
        for flag, value in (("--image", image), ("--metadata-file", metadata_file), ("--without-image", unbuilt))
        if value
    ]
    if len(given) != 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other" if given else "no image is named",
            hint="Give one of --image REF@sha256:…, --metadata-file FILE and --without-image. "
            "`dagger-aml build -t NAME:TAG --push --metadata-file FILE` writes the file.",
        )
    if unbuilt and form != "azureml":
        raise UsageError(
            "a cluster mounts no code, so it needs an image", location="--without-image", hint="Build one first."
        )
    if unbuilt and output is None:
        raise UsageError("the code folder must go somewhere", location="--without-image", hint="Add -o FOLDER.")
    if form != "kubernetes":
        for parameter, flag in (("longest_request", "--longest-request"), ("user", "--user")):
            if by_flag(parameter):
                raise UsageError("is for --format kubernetes", location=flag, hint=f"Remove {flag}.")


def _pairs(texts: tuple[str, ...]) -> Mapping[str, str]:
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"not NAME=VALUE: {text!r}", location="--variable")
        Graph().configure(env={key: value})
        found[key] = value
    return found


def _image(image: str | None, metadata_file: str | None, name: str) -> str:
    from ...deploying.image import image_in, image_of

    if metadata_file is not None:
        return image_in(Path(metadata_file), name)
    assert image is not None
    return image_of(image)


def _unbuilt(project: Project, graph: Graph, said: Said, output: str, *, force: bool) -> None:
    from ...building.plans import make_plan, with_files
    from ...deploying.subject import subject_of
    from ...deploying.without_image import without_image

    plan = with_files(make_plan(graph))
    made = without_image(project, plan, said, Path(output))
    _out(output, made.document, subject_of(project).deployment, project.name, force=force, unbuilt=made)
    for warning in (*plan.warnings, *map(Finding, made.warnings)):
        tell(warning.titled)


def _kubernetes(
    image: str, said: Said, of: Subject, output: str | None, longest: int | None, user: str | None, *, force: bool
) -> None:
    from ...deploying.kubernetes import about, manifests
    from ...deploying.workload import workload_of

    workload = workload_of(image, said, of, user=_user(user), longest=longest)
    from ...deploying.yaml_text import yaml_text

    head = "\n".join(filter(None, (_head(of.name, _APPLY), about(workload))))
    _write(output, _KUBERNETES, yaml_text(*manifests(workload), head=head), _APPLY, force=force)
    if workload.dropped:
        tell(Finding(f"a cluster has nothing like {', '.join(workload.dropped)}, so it is left out").titled)
    if not workload.resources:
        tell(Finding("no resources are said, so the scheduler reserves neither processor nor memory").titled)


def _user(text: str | None) -> int | Literal["any"] | None:
    if text is None or text == "any":
        return "any" if text else None
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 2**31:
        raise UsageError(
            f"not the number of a user other than root: {text}", location="--user", hint="Give a number, or any."
        )
    return int(text)


def _out(
    output: str | None,
    document: Mapping[str, Any],
    read: Deployment | None,
    project: str,
    *,
    force: bool,
    unbuilt: Unbuilt | None = None,
) -> None:
    """Write or print a deployment file, with the comments of the one that was read."""
    from ...deploying.kept import deployment_text

    text, lost = deployment_text(document, read, _head(project, _CREATE))
    _write(output, _AZUREML, text, _CREATE, force=force, unbuilt=unbuilt)
    if lost and read:
        told = f"the comments of {read.path.name} are left out, since it has aliases (`*name`) or braces for lines"
        tell(Finding(told, severity="info").titled)


def _head(project: str, next_command: str) -> str:
    from ...deploying.kept import WRITTEN_BY

    return f"{WRITTEN_BY}{__version__} of {project}. Deploy it with: {next_command} THIS_FILE"


def _write(
    output: str | None, name: str, text: str, next_command: str, *, force: bool, unbuilt: Unbuilt | None = None
) -> None:
    """Write or print, and say which command comes next."""
    from ...deploying.write import write

    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        click.echo(text, nl=False)
        return
    path = write(Path(output), name, text, force=force, unbuilt=unbuilt)
    tell(f"wrote {path}; deploy it with: {next_command} {shlex.quote(str(path))}")
