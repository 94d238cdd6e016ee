"""``dagger-aml build``"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from ..api import build, check_output, check_tags
from ..backends.dockerfile import Format
from ..backends.files import replaced_file
from ..errors import UsageError
from ..graph import Graph
from ..plan_view import human_size
from ..result import Result
from .common import opened, project_options, read, with_option
from .gate import Gated, gate, smoke_options
from .main import tell
from .progress import Progress


@click.command(
    "build",
    cls=Gated,
    short_help="Build an image and push, export or load it.",
    epilog="Credentials come from the docker config and its helpers: docker login, az acr login.",
)
@project_options
@click.option("-t", "--tag", "tags", multiple=True, metavar="NAME[:TAG]", help="Name of the image. Repeatable.")
@click.option("--push", is_flag=True, help="Push every tag to its registry.")
@click.option(
    "--load", is_flag=True, help="Put the image into docker's store, else podman's; with --with, the builder's own."
)
@smoke_options
@click.option("-o", "--output", metavar="FILE", help="Write a tar that docker and podman load under every tag.")
@with_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["classic", "buildkit"]),
    help="Dockerfile form for --with docker; chosen by what the daemon and client can do unless given.",
)
@click.option("--no-cache", is_flag=True, help="Run every step again.")
@click.option("--metadata-file", metavar="FILE", help="Write what was made as JSON, in buildx's field names.")
@click.option("--iidfile", metavar="FILE", help="Write the image ID (the config's digest) here.")
@click.option(
    "--engine-timeout",
    type=click.FloatRange(1),
    default=300.0,
    metavar="SECONDS",
    help="For getting and starting an engine in Docker; 300 unless given.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only the digest.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the builder prints.")
def command(
    project: str,
    tags: tuple[str, ...],
    push: bool,
    load: bool,
    smoke: str | None,
    no_smoke: bool,
    output: str | None,
    builder: str,
    form: Format | None,
    no_cache: bool,
    metadata_file: str | None,
    iidfile: str | None,
    engine_timeout: float,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Build PROJECT's image and send it where you say.

    \b
    dagger-aml build PROJECT -t registry.example/diabetes:1 --push
    dagger-aml build PROJECT -t diabetes:1 -o diabetes.tar
    dagger-aml build PROJECT -t diabetes:1 --load
    dagger-aml build PROJECT -t diabetes:1 --load --with podman
    dagger-aml build PROJECT -t diabetes:1 --load --smoke
    """
    names = check_tags(tags)
    if (push or load) and not names:
        raise UsageError(f"{'--push' if push else '--load'} needs a tag", do="Name the image: -t NAME[:TAG].")
    for file in (output, metadata_file, iidfile):
        if file is not None:
            check_output(Path(file))
    if form and builder == "dagger":
        raise UsageError("--format is for builders that take a Dockerfile", do="Add --with docker, or leave it out.")
    found, graph = read(project, given)
    for note in graph.notes:
        if not quiet:
            tell(f"note: {note}")
    check = gate(found, graph, smoke, no_smoke, builder=builder, push=push, quiet=quiet)
    with Progress(quiet=quiet, verbose=verbose) as progress:
        result = anyio.run(
            partial(
                _build,
                graph,
                builder,
                form,
                no_cache,
                engine_timeout,
                progress,
                tags=names,
                push=push,
                load=load,
                output=Path(output) if output else None,
                title=found.name,
                check=check,
            )
        )
    if not (push or load or output) and not quiet:
        tell("note: nothing was asked for, so the image stays with the builder; add --push, --load or -o FILE.tar")
    if metadata_file:
        _write(Path(metadata_file), json.dumps(metadata(result), indent=2) + "\n")
    if iidfile:
        _write(Path(iidfile), result.image_id or "")
    if quiet:
        click.echo(result.digest or result.image_id or "")
    else:
        _report(result)


async def _build(
    graph: Graph,
    name: str,
    form: Format | None,
    no_cache: bool,
    engine_timeout: float,
    progress: Progress,
    **kwargs: Any,
) -> Result:
    async with opened(name, progress, format=form, no_cache=no_cache, engine_timeout=engine_timeout) as builder:
        return await build(graph, builder, **kwargs)


def metadata(result: Result) -> dict[str, str]:
    """A result in the field names of ``docker buildx build --metadata-file``, and two of our own."""
    said = {
        "containerimage.config.digest": result.image_id,
        "containerimage.digest": result.digest,
        "image.name": ",".join(result.tags),
        "dagger-aml.base": result.base,
        "dagger-aml.fingerprint": result.fingerprint,
    }
    return {name: value for name, value in said.items() if value}


def _write(path: Path, text: str) -> None:
    with replaced_file(path) as new:
        new.write_text(text, encoding="utf-8")


def _report(result: Result) -> None:
    if result.output:
        click.echo(f"wrote {result.output}")
    for tag in result.tags:
        click.echo(f"tag {tag}")
    click.echo(f"base {result.base}")
    if result.layers:
        total = sum(layer.size for layer in result.layers)
        click.echo(f"layers {len(result.layers)}, {human_size(total)}")
    if result.image_id:
        click.echo(f"image {result.image_id}")
    if result.digest:
        click.echo(f"digest {result.digest}")
