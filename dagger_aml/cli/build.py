"""``dagger-aml build``"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
from attrs import evolve

from ..api import build, check_asked, check_tags
from ..backends.dockerfile import Format
from ..backends.files import replaced_file
from ..backends.process import workplace
from ..errors import UsageError
from ..exports import STDOUT, Export, check_file, parse_export
from ..graph import Graph
from ..plan_view import human_size
from ..result import Result
from .common import opened, project_options, read_each, with_option
from .gate import Gated, gate, smoke_options
from .progress import Progress, progress_option


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
@click.option(
    "-o",
    "--output",
    multiple=True,
    metavar="FILE",
    help="Write a tar that docker and podman load under every tag; - is standard output. Or type=docker,dest=FILE, "
    "type=oci,dest=FILE, type=oci,dest=FOLDER,tar=false, type=registry as --push. Repeatable.",
)
@with_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["classic", "buildkit"]),
    help="Dockerfile form for --with docker; chosen by what the daemon and client can do unless given.",
)
@click.option("--no-cache", is_flag=True, help="Run every step again.")
@click.option(
    "--pull",
    is_flag=True,
    help="Take the base as its registry has it now, or fail; never from the store of docker, podman or buildah. "
    "A Dagger engine asks anew in each session without it.",
)
@click.option("--metadata-file", metavar="FILE", help="Write what was made as JSON, in buildx's field names.")
@click.option("--iidfile", metavar="FILE", help="Write the image ID (the config's digest) here.")
@click.option(
    "--engine-timeout",
    type=click.FloatRange(1),
    default=300.0,
    metavar="SECONDS",
    help="For getting and starting an engine in Docker; 300 unless given.",
)
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Print only the digest.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the builder prints.")
def command(
    project: str,
    tags: tuple[str, ...],
    push: bool,
    load: bool,
    smoke: str | None,
    no_smoke: bool,
    output: tuple[str, ...],
    builder: str,
    form: Format | None,
    no_cache: bool,
    pull: bool,
    metadata_file: str | None,
    iidfile: str | None,
    engine_timeout: float,
    mode: str,
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
    dagger-aml build PROJECT -t registry.example/diabetes:1 --push --platform linux/amd64,linux/arm64
    dagger-aml build PROJECT -t diabetes:1 -o - | docker load
    """
    progress = Progress(mode, quiet=quiet, verbose=verbose)
    names = check_tags(tags)
    asked = [parse_export(each) for each in output]
    push, load = push or "push" in asked, load or "load" in asked
    exports = [each for each in asked if isinstance(each, Export)]
    for file in (metadata_file, iidfile):
        if file is not None:
            check_file(Path(file))
    if form and builder == "dagger":
        raise UsageError("--format is for builders that take a Dockerfile", do="Add --with docker, or leave it out.")
    found, graphs = read_each(project, given)
    with progress, _streamed(exports) as (exports, streamed):
        check_asked(names, exports, push=push, load=load, platforms=len(graphs), builder=builder)
        for note in dict.fromkeys(note for graph in graphs for note in graph.notes):
            progress.note(note)
        check = gate(found, graphs[0], smoke, no_smoke, builder=builder, push=push, note=progress.note)
        result = anyio.run(
            partial(
                _build,
                graphs,
                builder,
                form,
                no_cache,
                pull,
                engine_timeout,
                progress,
                tags=names,
                push=push,
                load=load,
                output=exports,
                title=found.name,
                check=check,
            )
        )
    outputs = [evolve(each, path=STDOUT) if each.path == streamed else each for each in result.outputs]
    result = evolve(result, outputs=tuple(outputs))
    progress.finish(result)
    if not (push or load or exports):
        progress.note("nothing was asked for, so the image stays with the builder; add --push, --load or -o FILE.tar")
    if metadata_file:
        _write(Path(metadata_file), json.dumps(metadata(result), indent=2) + "\n")
    if iidfile:
        _write(Path(iidfile), result.image_id or result.digest or "")
    said = [result.digest or result.image_id or ""] if quiet else _report(result)
    for line in said:
        click.echo(line, err=streamed is not None)


@contextmanager
def _streamed(exports: Sequence[Export]) -> Iterator[tuple[list[Export], Path | None]]:
    """The exports with a temporary file for standard output, which gets the file when the block ends well; that file.

    :raises UsageError: standard output is a terminal, or is asked for twice.
    """
    asked = [each for each in exports if each.path == STDOUT]
    if not asked:
        yield list(exports), None
        return
    if len(asked) > 1:
        raise UsageError("standard output takes one tar", where="-o -", do="Leave one out.")
    if sys.stdout.isatty():
        raise UsageError(
            "a tar is not written to a terminal", where="-o -", do="Send it to a file or a program: … | docker load"
        )
    with workplace() as work:
        tar = work / "image.tar"
        yield [evolve(each, path=tar) if each.path == STDOUT else each for each in exports], tar
        with tar.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        sys.stdout.buffer.flush()


async def _build(
    graphs: Sequence[Graph],
    name: str,
    form: Format | None,
    no_cache: bool,
    pull: bool,
    engine_timeout: float,
    progress: Progress,
    **kwargs: Any,
) -> Result:
    async with opened(
        name, progress, format=form, no_cache=no_cache, pull=pull, engine_timeout=engine_timeout
    ) as builder:
        return await build(graphs, builder, **kwargs)


def metadata(result: Result) -> dict[str, Any]:
    """A result in the field names of ``docker buildx build --metadata-file``, and three of our own."""
    said = {
        "containerimage.config.digest": result.image_id,
        "containerimage.digest": result.digest,
        "image.name": ",".join(result.tags),
        "dagger-aml.base": result.base,
        "dagger-aml.fingerprint": result.fingerprint,
        "dagger-aml.outputs": [
            {"dest": str(each.path), "type": each.type, **({"digest": each.digest} if each.digest else {})}
            for each in result.outputs
        ],
    }
    return {name: value for name, value in said.items() if value}


def _write(path: Path, text: str) -> None:
    with replaced_file(path) as new:
        new.write_text(text, encoding="utf-8")


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
