"""What ``build`` is to make of one project: its flags with the project's values in them, and all of it checked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from ..backends.base import Builder, Image
from ..backends.outputs import STDOUT, Export, check_file, parse_export
from ..backends.result import Result
from ..building.build import build, check_asked, check_tags
from ..errors import DaggerAmlError
from ..fs.atomic import replaced_file
from ..graph.graph import Graph
from ..plan.model import Plan
from ..project.model import Project
from .common import read_each
from .gate import gate
from .placeholders import filled, placeholders


@frozen
class Wanted:
    """What the flags say of where images go; tags and files may have placeholders.

    :param builder: its name.
    :param smoke: as ``--smoke`` says, and ``no_smoke``.
    """

    builder: str
    tags: tuple[str, ...]
    exports: tuple[Export, ...]
    push: bool
    load: bool
    metadata_file: str | None
    iidfile: str | None
    smoke: str | None
    no_smoke: bool

    @classmethod
    def of(cls, *, output: Sequence[str], push: bool, load: bool, **more: Any) -> Wanted:
        """Read what ``-o`` says, and look at tags and files as far as no project is needed for that.

        :raises UsageError: an unknown output or placeholder. :raises GraphError: a tag that is none.
        """
        asked = [parse_export(each) for each in output]
        exports = tuple(each for each in asked if isinstance(each, Export))
        found = cls(exports=exports, push=push or "push" in asked, load=load or "load" in asked, **more)
        for flag, text in found.texts():
            if not placeholders(text, flag) and flag == "-t":
                check_tags([text])
        return found

    def texts(self) -> list[tuple[str, str]]:
        """What may have placeholders, each with its flag."""
        files = [("--metadata-file", self.metadata_file), ("--iidfile", self.iidfile)]
        return [
            *(("-t", tag) for tag in self.tags),
            *(("-o", str(each.path)) for each in self.exports if each.path != STDOUT),
            *((flag, text) for flag, text in files if text is not None),
        ]


@frozen
class Order:
    """One project's part of it.

    :param folder: as the command line names it.
    :param graphs: one for each platform.
    :param check: the gate, once :meth:`checked`; or None.
    :param notes: what the user should know before it is built.
    """

    folder: str
    project: Project
    graphs: tuple[Graph, ...]
    tags: tuple[str, ...]
    exports: tuple[Export, ...]
    push: bool
    load: bool
    metadata_file: Path | None
    iidfile: Path | None
    check: Callable[[Plan, Image, Builder], Awaitable[None]] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: str, wanted: Wanted, given: dict[str, Any]) -> Order:
        """Read a project, and put its values into what is wanted.

        :param given: the project's flags.
        :raises DaggerAmlError: the project is not in order; a tag or file that comes of it cannot be.
        """
        project, graphs = read_each(folder, given)
        metadata_file, iidfile = (
            Path(filled(text, project, flag)) if text is not None else None
            for flag, text in (("--metadata-file", wanted.metadata_file), ("--iidfile", wanted.iidfile))
        )
        return cls(
            folder=folder,
            project=project,
            graphs=graphs,
            tags=tuple(dict.fromkeys(_tag(text, project) for text in wanted.tags)),
            exports=tuple(
                each if each.path == STDOUT else evolve(each, path=Path(filled(str(each.path), project, "-o")))
                for each in wanted.exports
            ),
            push=wanted.push,
            load=wanted.load,
            metadata_file=metadata_file,
            iidfile=iidfile,
        )

    def checked(self, wanted: Wanted) -> Order:
        """The order with its gate and its notes.

        :raises DaggerAmlError: it cannot be carried out.
        """
        for file in (self.metadata_file, self.iidfile):
            if file is not None:
                check_file(file)
        check_asked(
            self.tags,
            self.exports,
            push=self.push,
            load=self.load,
            platforms=len(self.graphs),
            builder=wanted.builder,
        )
        notes = [note for graph in self.graphs for note in graph.notes]
        check = gate(
            self.project,
            self.graphs[0],
            wanted.smoke,
            wanted.no_smoke,
            builder=wanted.builder,
            push=self.push,
            note=notes.append,
        )
        return evolve(self, check=check, notes=tuple(dict.fromkeys(notes)))

    async def carried_out(self, builder: Builder) -> Result:
        """Build it and send it where it is asked for."""
        return await build(
            self.graphs,
            builder,
            tags=self.tags,
            push=self.push,
            load=self.load,
            output=self.exports,
            title=self.project.name,
            check=self.check,
        )

    def write_files(self, result: Result) -> None:
        """What ``--metadata-file`` and ``--iidfile`` ask for."""
        if self.metadata_file:
            write_json(self.metadata_file, metadata(result))
        if self.iidfile:
            _write(self.iidfile, result.image_id or result.digest or "")


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


def write_json(path: Path, what: dict[str, Any]) -> None:
    """Write an object to a file, whole or not at all."""
    _write(path, json.dumps(what, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    with replaced_file(path) as new:
        new.write_text(text, encoding="utf-8")


def _tag(text: str, project: Project) -> str:
    """A tag for the project; an error about what placeholders have made of it names both."""
    tag = filled(text, project, "-t")
    try:
        return check_tags([tag])[0]
    except DaggerAmlError as error:
        if placeholders(text, "-t"):
            error.where = f"-t {text}, project {project.name}"
        raise
