"""``dagger-aml build``"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
from attrs import evolve

from ...backends.base import Builder, Format, Layers, Opening
from ...backends.builders import kind_of
from ...backends.outputs import STDOUT
from ...backends.result import Result
from ...building.many import build_all
from ...building.metadata import write_files
from ...building.outputs import Output, of_export
from ...building.request import BuildRequest
from ...building.target import BuildTarget
from ...errors import UsageError
from ...fs.cache_folder import cache_folder, private_folder
from ...project.model import Project
from ...text import human_size
from ..build_target import checked, goes_nowhere, nowhere, read_build
from ..common import by_flag, check_engine, no_engine, opened
from ..console import tell
from ..gate import Gated, smoke_options
from ..options.build import (
    attestation_options,
    cache_options,
    cache_places,
    check_buildx,
    engine_option,
    engine_timeout_option,
    format_option,
    instance_option,
    jobs_option,
    keep_going_option,
    layers_option,
    progress_option,
    settled,
    with_option,
)
from ..options.call import ci_option, json_option, no_check_option, quiet_option, verbose_option
from ..options.project import project_options
from ..options.types import Given
from ..progress import Progress
from ..told import OnOutcome, ToldAs, entry, report_text, reported
from ..unchanged import Made, note

_WAYS = "--push, --load or -o FILE.tar"
"""Where one image may go."""


@click.command(
    "build",
    cls=Gated,
    short_help="Build an image and push, export or load it.",
    epilog="Credentials come from the docker config and its helpers: docker login, az acr login.",
)
@click.argument("projects", metavar="[PROJECT]...", nargs=-1, type=Given())
@partial(project_options, argument=False)
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    metavar="NAME[:TAG]",
    help="Name of the image. {name} and {version} are replaced by the project's values, here and in FILE. "
    "Repeatable.",
)
@click.option("--push", is_flag=True, help="Push every tag to its registry.")
@click.option(
    "--load",
    is_flag=True,
    help="Load the image into docker's store, or into podman's if docker does not answer; with --with, into that "
    "builder's own store.",
)
@no_check_option
@smoke_options
@click.option(
    "-o",
    "--output",
    multiple=True,
    type=click.Path(readable=False),
    metavar="FILE",
    help="Write a tar that docker and podman can load, with every tag; - means standard output. Also: "
    "type=docker,dest=FILE, type=oci,dest=FILE, type=oci,dest=FOLDER,tar=false, or type=registry (same as "
    "--push). Repeatable.",
)
@with_option
@instance_option
@layers_option
@cache_options
@engine_option
@format_option
@attestation_options
@click.option("--no-cache", is_flag=True, help="Run every step again.")
@click.option(
    "--pull",
    is_flag=True,
    help="Always pull the base image from its registry, or fail; never use the copy in the store of docker, podman "
    "or buildah. A Dagger engine checks the registry in each session even without this option.",
)
@click.option(
    "--metadata-file",
    type=click.Path(readable=False),
    metavar="FILE",
    help="Write a JSON description of the result, with buildx's field names.",
)
@click.option(
    "--iidfile",
    type=click.Path(readable=False),
    metavar="FILE",
    help="Write the image ID, as `docker run` takes it, here.",
)
@engine_timeout_option
@jobs_option
@keep_going_option
@progress_option
@quiet_option("Print only the digest; for several projects, the name and digest of each.")
@verbose_option("Show what the builder prints.")
@ci_option
@json_option("Print what was made as JSON, one entry for each project, also of those that failed.")
@settled
def command(
    projects: tuple[str, ...],
    tags: tuple[str, ...],
    push: bool,
    load: bool,
    no_check: bool,
    smoke: str | None,
    no_smoke: bool,
    output: tuple[str, ...],
    builder: str,
    instance: str | None,
    layers: Layers,
    cache_from: str | None,
    cache_to: str | None,
    cache_repo: str | None,
    max_age: float | None,
    engine: str | None,
    form: Format | None,
    provenance: str | None,
    sbom: str | None,
    no_cache: bool,
    pull: bool,
    metadata_file: str | None,
    iidfile: str | None,
    engine_timeout: float,
    jobs: int | None,
    keep_going: bool,
    mode: str,
    quiet: bool,
    verbose: bool,
    ci: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Build PROJECT's image and send it where you say; or those of several, in one session.

    \b
    dagger-aml build PROJECT -t registry.example/diabetes:1 --push
    dagger-aml build PROJECT -t diabetes:1 -o diabetes.tar
    dagger-aml build PROJECT -t diabetes:1 --load
    dagger-aml build PROJECT -t diabetes:1 --load --with podman
    dagger-aml build PROJECT -t diabetes:1 --load --smoke
    dagger-aml build PROJECT -t registry.example/diabetes:1 --push --platform linux/amd64,linux/arm64
    dagger-aml build PROJECT -t diabetes:1 -o - | docker load
    dagger-aml build models/* --jobs 4 -t registry.example/{name}:{version} --push
    """
    progress = Progress(mode, quiet=quiet, verbose=verbose)
    request = BuildRequest.of(
        builder=builder,
        tags=tags,
        output=output,
        push=push,
        load=load,
        metadata_file=metadata_file,
        iidfile=iidfile,
        smoke=smoke,
        no_smoke=no_smoke,
    )
    request = evolve(request, layers=layers)
    engine = check_engine(engine, no_engine(builder))
    if form and not kind_of(builder).capabilities.forms and by_flag("form"):
        raise UsageError(
            "--format works only with builders that use a Dockerfile", hint="Add --with docker, or remove --format."
        )
    instance = check_buildx(builder, layers, instance, {"provenance": provenance, "sbom": sbom})
    looked_in, put_into = cache_places(layers, cache_from, cache_to, cache_repo)
    how = Opening(
        form,
        no_cache,
        pull,
        engine,
        engine_timeout,
        layers=layers,
        cache_from=looked_in,
        cache_to=put_into,
        max_age_days=max_age,
        instance=instance,
        provenance=provenance,
        sbom=sbom,
    )
    opening = partial(_opened, builder, progress, how)
    telling = _telling(ci, mode, projects or (".",))
    if len(projects) > 1:
        from ..several import build_several

        told_as = ToldAs("json" if as_json else "digests" if quiet else "table")
        with telling as built:
            build_several(
                projects,
                request,
                given,
                opening,
                progress,
                jobs=jobs,
                keep_going=keep_going,
                told_as=told_as,
                stops=not no_check,
                on_outcome=built,
                keep_as=how if ci == "none" else None,
            )
        return
    folder = projects[0] if projects else "."
    with telling as built, reported(folder) if as_json else nullcontext():
        told = goes_nowhere(request, progress, quiet=quiet, ways=_WAYS)
        project, target = read_build(folder, request, given, stops=not no_check)
        if as_json and any(each.path == STDOUT for each in target.exports):
            raise UsageError("standard output has room for a tar or for JSON", location="--json", hint="Remove one.")
        result, streamed = _one(project, target, request, opening, progress)
        built(folder, project.name, result, None)
    digest = result.digest or result.image_id
    if quiet and not target.outputs and not digest and not told:
        tell(nowhere(request.layers, _WAYS))
    write_files(target, result)
    if as_json:
        click.echo(report_text([entry(folder, project.name, result)]))
        return
    lines = ([digest] if digest else []) if quiet else list(_report(result))
    for line in lines:
        click.echo(line, err=streamed is not None)
    if ci == "none":
        note([Made(project, target, progress, result)], how, progress, lines)


def _opened(builder: str, progress: Progress, how: Opening) -> AbstractAsyncContextManager[Builder]:
    """The builder, where parts of the base and of what runs can be kept: told once, and before anybody is asked.

    :raises UsageError: they cannot.
    """
    if how.layers == "direct":
        private_folder(cache_folder())
    return opened(builder, progress, opening=how)


def _telling(ci: str, mode: str, folders: Sequence[str]) -> AbstractContextManager[OnOutcome]:
    """Who is told of outcomes, and tells the CI system of them when the block ends, if there is one.

    :raises UsageError: standard error is for JSON alone.
    """
    if ci == "none":
        return nullcontext(lambda *_: None)
    from ..reports.ci import service_of, told_to

    service = service_of(ci)
    if service and mode == "json":
        raise UsageError(
            "standard error has room for JSON or for annotations",
            location=f"--ci {ci}",
            hint="Remove --progress json.",
        )
    return told_to(service, folders)


def _one(
    project: Project,
    target: BuildTarget,
    request: BuildRequest,
    opening: Callable[[], AbstractAsyncContextManager[Builder]],
    progress: Progress,
) -> tuple[Result, Path | None]:
    """Build one project; what was made, and the file that standard output got, if it was to get one."""
    with progress, _streamed(target.outputs) as (outputs, streamed):
        target = checked(evolve(target, outputs=outputs), project, request)
        for warning in target.warnings:
            progress.warn(warning)
        result = anyio.run(_build, target, opening)
    files = [evolve(each, path=STDOUT) if each.path == streamed else each for each in result.outputs]
    result = evolve(result, outputs=tuple(files))
    progress.finish(result)
    return result, streamed


@contextmanager
def _streamed(outputs: Sequence[Output]) -> Iterator[tuple[tuple[Output, ...], Path | None]]:
    """The outputs with a temporary file for standard output, which gets the file when the block ends well; that file.

    :raises UsageError: standard output is a terminal, or is asked for twice.
    """
    asked = [each for each in outputs if each.file and each.file.path == STDOUT]
    if not asked:
        yield tuple(outputs), None
        return
    if len(asked) > 1:
        raise UsageError("only one tar can go to standard output", location="-o -", hint="Remove one of them.")
    if sys.stdout.isatty():
        raise UsageError(
            "a tar is not written to a terminal",
            location="-o -",
            hint="Send it to a file or a program: … | docker load",
        )
    import shutil

    from ...fs.temporary import temporary_directory

    with temporary_directory() as work:
        tar = work / "image.tar"
        yield tuple(_into(tar, each) if each in asked else each for each in outputs), tar
        with tar.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()


def _into(tar: Path, output: Output) -> Output:
    return of_export(evolve(output.file, path=tar)) if output.file else output


async def _build(target: BuildTarget, opening: Callable[[], AbstractAsyncContextManager[Builder]]) -> Result:
    async with opening() as builder:
        (result,) = await build_all([target], builder)
        return result


def _report(result: Result) -> Iterator[str]:
    for each in result.outputs:
        yield f"wrote {each.path}"
    for tag in result.tags:
        yield f"tag {tag}"
    yield f"base {result.base}"
    if result.layers:
        total = sum(layer.size for layer in result.layers)
        yield f"layers {len(result.layers)}, {human_size(total)}"
    if result.image_id:
        yield f"image {result.image_id}"
    if result.digest:
        yield f"digest {result.digest}"
