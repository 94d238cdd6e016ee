"""``dagger-aml diff``"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click
from attrs import asdict, evolve

from ...backends.base import Opening
from ...backends.builders import BUILDERS, kind_of
from ...data import frozen
from ...errors import UsageError
from ...graph.base import ARCHIVES, DEFAULT_PLATFORM, From
from ...graph.graph import Graph
from ...oci.reference import Reference, is_image_id, is_written_as_path
from ...project.deployment.place import is_project_file
from ..common import check_engine, opened, policy_of_call, read
from ..console import tell
from ..options.build import engine_option, settled, value_of
from ..options.call import json_option, quiet_option
from ..options.project import project_options
from ..options.types import Given
from ..progress import Progress
from ..sections import Sectioned
from ..target import say

if TYPE_CHECKING:
    from ...diff import ImageContents, Report
    from ...oci.layer import LayerContents

_SHOWN = 25
"""Paths that are printed without ``--paths``."""


@click.command(
    "diff",
    cls=Sectioned,
    short_help="Compare two images from any source.",
    epilog="Exit codes: 0 equal except for the listed noise, 1 different, 2 wrong usage.",
)
@click.argument("a", metavar="A", type=Given())
@click.argument("b", metavar="B", type=Given())
@partial(project_options, argument=False)
@click.option(
    "--with",
    "builders",
    metavar="BUILDER[,BUILDER]",
    default="",
    help="Builder of a project, or the store that has an image (dagger, docker, podman, buildah): one for both, or "
    "two with a comma for A and B. By default, a project is built by what $DAGGER_AML_WITH or its file sets, else by "
    "dagger; an image is read from its registry or, where its name has no host, from the first local store that "
    "has it.",
)
@engine_option
@click.option(
    "--paths",
    "--all",
    "show_all",
    is_flag=True,
    help="Print every path that differs. Without it, packages and what the images say are printed in full, of the "
    f"other paths the first {_SHOWN}, and how many there are in each folder.",
)
@json_option()
@quiet_option("Print nothing; only set the exit code.")
@settled
def command(
    a: str,
    b: str,
    builders: str,
    engine: str | None,
    show_all: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compare two images: each a PROJECT, which is built, an IMAGE, a tar, or an OCI layout (oci:FOLDER).

    Told are the packages that differ, then what the images say of themselves, then the paths. Compared are every
    path's type, mode, numeric owner, size, bytes, link target, hard links and file capabilities. Not compared: times,
    history and the number of layers.

    \b
    dagger-aml diff PROJECT PROJECT --with dagger,buildah
    dagger-aml diff PROJECT registry.example/diabetes:1
    dagger-aml diff old.tar new.tar --paths
    """
    names = _builders(builders)
    sides = [_side(text, name, given) for text, name in zip((a, b), names, strict=True)]
    if not any(side.graph for side in sides):
        said = [name for name, value in given.items() if value and name != "platform"]
        if said:
            raise UsageError(
                f"--{said[0].replace('_', '-')} works only with a project", hint="Name a project's folder."
            )
    building = [side.builder for side in sides if side.graph and side.builder]
    built = any(kind_of(name).capabilities.connects_to_engine for name in building)
    engine = check_engine(engine, None if built else "neither of the two is built by a Dagger engine")
    with Progress(quiet=quiet or as_json) as progress:
        sides, (one, two) = anyio.run(_read_both, sides, progress, engine)
    from ...diff.text import report_text

    report = _compared(one, two, sides)
    if as_json:
        click.echo(json.dumps(_as_json(report, sides), indent=2))
    elif not quiet:
        tell(f"comparing {sides[0]} with {sides[1]}")
        say(report_text(report, every_path=show_all, most=_SHOWN))
    if not report.equal:
        sys.exit(1)


@frozen
class _Side:
    """One of the two.

    :param builder: what builds the project, or whose store has the image, as ``--with`` says.
    :param store: the local store in which an image was found without that.
    """

    text: str
    builder: str | None
    platform: str
    graph: Graph | None = None
    archive: From | None = None
    store: str | None = None

    def __str__(self) -> str:
        if self.store:
            return f"{self.text} in {self.store}'s store"
        return f"{self.text} by {self.builder}" if self.builder else self.text

    async def found(self) -> _Side:
        """Itself, with the local store that has the image, where its name is looked for there.

        :raises UsageError: it is an ID that none has.
        """
        if self.archive or self.graph or self.builder:
            return self
        from ...backends.local.stores import find_stored

        stored = await find_stored(self.text, policy_of_call())
        return evolve(self, store=stored.store) if stored else self

    async def read(
        self, work: Path, known: dict[str, LayerContents], progress: Progress, engine: str | None
    ) -> ImageContents:
        """Read it, built or brought here first.

        :param work: an empty folder.
        :param engine: the address that ``--engine`` says.
        """
        from ...diff import image_of, read_image

        if self.archive:
            return await anyio.to_thread.run_sync(image_of, self.archive, known)
        tar = work / "image.tar"
        if self.graph:
            from ...building.build import build

            assert self.builder
            async with opened(self.builder, progress, Opening(engine=engine, layers="builder")) as builder:
                await build(self.graph, builder, output=tar)
        elif has := self.builder or self.store:
            from ...backends.local.find import local_builder

            await local_builder(has, on_event=progress.on_event, policy=policy_of_call()).save(self.text, tar)
        else:
            from ...backends.local.stores import not_in_stores
            from ...oci.registry import download

            with not_in_stores(self.text):
                await download(self.text, self.platform, work, progress.on_event, policy_of_call())
        return await anyio.to_thread.run_sync(read_image, tar if tar.exists() else work, self.platform, known)


def _builders(text: str) -> tuple[str | None, str | None]:
    names = [each.strip() for each in text.split(",")] if text else []
    if len(names) > 2 or any(each not in BUILDERS for each in names):
        raise UsageError(
            f"expected one builder, or two with a comma: {text!r}",
            location="--with",
            hint=f"Choose from {', '.join(BUILDERS)}.",
        )
    return (names[0], names[-1]) if names else (None, None)


def _side(text: str, name: str | None, given: dict[str, Any]) -> _Side:
    """What a word on the command line means.

    :raises UsageError: there is no such folder or file, and it is no image's name.
    """
    from ...oci import layout as oci_layout

    said = given["platform"] or DEFAULT_PLATFORM
    platform = str(said).partition(",")[0]
    if text.partition(":")[0] in ARCHIVES:
        return _Side(text, None, platform, archive=oci_layout.base(text, platform, Path()))
    path = Path(text)
    project = path.is_dir() or is_project_file(path)
    if (path.is_file() and not project) or (path / "oci-layout").is_file():
        from ...oci.image import found_in

        return _Side(text, None, platform, archive=found_in(path, platform))
    if project:
        return _Side(text, name or value_of("builder", text), platform, graph=read(text, given)[1])
    if is_written_as_path(text):
        raise UsageError("there is no such folder or file", location=text)
    if not is_image_id(text):
        Reference.parse(text, "the image")
    return _Side(text, name if name and kind_of(name).capabilities.own_store else None, platform)


async def _read_both(
    sides: list[_Side], progress: Progress, engine: str | None
) -> tuple[list[_Side], list[ImageContents]]:
    from ...fs.temporary import temporary_directory

    known: dict[str, LayerContents] = {}
    images = []
    sides = [await side.found() for side in sides]
    for side in sides:
        with temporary_directory() as work:
            (work / "image").mkdir()
            images.append(await side.read(work / "image", known, progress, engine))
    return sides, images


def _compared(one: ImageContents, two: ImageContents, sides: list[_Side]) -> Report:
    """The report. The noise of all builders is allowed for, unless both are known."""
    from ...diff import compare

    known = [side.builder for side in sides if side.builder]
    return compare(one, two, builders=known if len(known) == len(sides) else None)


def _as_json(report: Report, sides: list[_Side]) -> dict[str, Any]:
    return {
        "equal": report.equal,
        "compared": report.compared,
        "a": {"what": sides[0].text, "builder": sides[0].builder, "store": sides[0].store},
        "b": {"what": sides[1].text, "builder": sides[1].builder, "store": sides[1].store},
        "packages": [asdict(each) for each in report.packages],
        "differences": [
            {
                "subject": each.subject,
                "fields": {name: list(two) for name, two in each.fields.items()},
                "cause": each.cause,
            }
            for each in report.differences
        ],
        "noise": [
            {
                "pattern": noise.pattern,
                "reason": noise.reason,
                "builders": sorted(noise.builders),
                "subjects": list(found),
            }
            for noise, found in report.absorbed.items()
        ],
    }
