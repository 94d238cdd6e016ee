"""What flags ask for, before a project's values are put in: tags and files may have placeholders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from ..backends.base import Layers
from ..backends.outputs import STDOUT, Export
from ..data import frozen
from ..errors import DaggerAmlError
from ..graph.graph import Graph
from ..oci.reference import Reference
from ..project.model import Project
from ..text import named
from .outputs import Output, of_export, parse_outputs
from .placeholders import filled, placeholders
from .target import BuildTarget, tag_of


@frozen
class BuildRequest:
    """What is asked for, for one project or for each of several.

    :param builder: its name.
    :param layers: who makes the layers of files.
    :param smoke: as ``--smoke`` says, and ``no_smoke``.
    """

    builder: str
    tags: tuple[str, ...]
    outputs: tuple[Output, ...]
    metadata_file: str | None = None
    iidfile: str | None = None
    smoke: str | None = None
    no_smoke: bool = False
    layers: Layers = "direct"

    @classmethod
    def of(
        cls,
        *,
        builder: str,
        tags: Sequence[str],
        output: Sequence[str],
        push: bool,
        load: bool,
        metadata_file: str | None,
        iidfile: str | None,
        smoke: str | None,
        no_smoke: bool,
    ) -> BuildRequest:
        """Read what ``-o`` says, and look at tags and files as far as no project is needed for that.

        :raises UsageError: an unknown output or placeholder. :raises GraphError: a tag that is none.
        """
        outputs = parse_outputs(output, push=push, load=load)
        found = cls(builder, tuple(tags), outputs, metadata_file, iidfile, smoke, no_smoke)
        for setting, text in found.texts():
            if not placeholders(text, setting) and setting == "tag":
                tag_of(text)
        return found

    @property
    def exports(self) -> tuple[Export, ...]:
        """The files and folders that are asked for."""
        return tuple(each.file for each in self.outputs if each.file)

    def texts(self) -> list[tuple[str, str]]:
        """What may have placeholders, each with the name of its setting."""
        files = [("metadata_file", self.metadata_file), ("iidfile", self.iidfile)]
        return [
            *(("tag", tag) for tag in self.tags),
            *(("output", str(each.path)) for each in self.exports if each.path != STDOUT),
            *((setting, text) for setting, text in files if text is not None),
        ]

    def target(self, folder: str, project: Project, graphs: tuple[Graph, ...]) -> BuildTarget:
        """What is to be made of a project: the project's values put into what is asked; without a gate.

        :param folder: the project's, as the user named it.
        :raises DaggerAmlError: a tag or file that comes of it cannot be.
        """
        metadata_file, iidfile = (
            Path(filled(text, project, setting)) if text is not None else None
            for setting, text in (("metadata_file", self.metadata_file), ("iidfile", self.iidfile))
        )
        return BuildTarget(
            graphs=graphs,
            name=project.name,
            tags=tuple(dict.fromkeys(_tag(text, project) for text in self.tags)),
            outputs=tuple(_placed(each, project) for each in self.outputs),
            metadata_file=metadata_file,
            iidfile=iidfile,
            folder=folder,
        )


def _placed(output: Output, project: Project) -> Output:
    """The output with the project's values in its path."""
    if output.file is None or output.file.path == STDOUT:
        return output
    return of_export(evolve(output.file, path=Path(filled(str(output.file.path), project, "output"))))


def _tag(text: str, project: Project) -> Reference:
    """A tag for the project; an error about what placeholders have made of it names both."""
    tag = filled(text, project, "tag")
    try:
        return tag_of(tag)
    except DaggerAmlError as error:
        if placeholders(text, "tag"):
            error.location = f"{named('tag', text)}, project {project.name}"
        raise
