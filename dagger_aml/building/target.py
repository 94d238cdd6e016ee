"""What is to be made of one project's graphs: the image, what it must hold before, and everywhere it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from attrs import field

from ..backends.base import Builder, Capabilities, Image
from ..backends.outputs import Export, check_file
from ..data import frozen
from ..errors import UsageError
from ..finding import Finding, as_findings
from ..graph.graph import Graph
from ..oci.reference import Reference
from ..plan.model import Plan
from ..text import named, texts
from .outputs import Output, Registry

Gate = Callable[[Plan, Image, Builder], Awaitable[None]]
"""Asked of an image before it goes anywhere; where it raises, the image goes nowhere."""


@frozen
class BuildTarget:
    """One image, or one index of images, and where it goes.

    :param graphs: one for each platform.
    :param name: of the project; the image's title.
    :param tags: parsed, each with a tag and without a digest (:func:`tag_of`).
    :param outputs: in the order in which they are written.
    :param gate: None for none.
    :param gate_key: gives the digest of what the gate would ask now, by which this machine knows what has passed;
        empty where the same may come out otherwise later. None where it is asked whatever is known.
    :param metadata_file: gets what was made as JSON, and ``iidfile`` the image's ID.
    :param warnings: what the user should know before it is built.
    :param folder: of the project, as the user named it.
    """

    graphs: tuple[Graph, ...]
    name: str = ""
    tags: tuple[Reference, ...] = ()
    outputs: tuple[Output, ...] = ()
    gate: Gate | None = None
    gate_key: Callable[[], str] | None = None
    metadata_file: Path | None = None
    iidfile: Path | None = None
    warnings: tuple[Finding, ...] = field(default=(), converter=as_findings)
    folder: str = ""

    @property
    def exports(self) -> tuple[Export, ...]:
        """The files and folders that are written."""
        return tuple(each.file for each in self.outputs if each.file)

    @property
    def pushes(self) -> bool:
        """Whether it goes to a registry."""
        return any(isinstance(each, Registry) for each in self.outputs)

    def check(self, capabilities: Capabilities) -> None:
        """Refuse what cannot be done, once, before anything is built.

        :raises UsageError: nothing to push or load it as; an output that cannot be, or goes where another does;
            several platforms where one can be.
        """
        for file in (self.metadata_file, self.iidfile):
            if file is not None:
                check_file(file)
        for output in reversed(self.outputs):
            if output.tag_for and not self.tags:
                raise UsageError(
                    f"{named(output.tag_for)} needs a tag", hint=f"Name the image: {named('tag', 'NAME[:TAG]')}."
                )
        taken: list[Path] = []
        for output in self.outputs:
            if output.file:
                output.file.check()
                path = output.file.path
                if path.absolute() in taken:
                    raise UsageError(
                        f"two outputs go to {path}", location=named("output"), hint="Remove one of them."
                    )
                taken.append(path.absolute())
            output.check(len(self.graphs), capabilities)


def tag_of(text: str) -> Reference:
    """A name for an image; without a tag it is ``:latest``.

    :raises GraphError: it is not a reference. :raises UsageError: it has a digest.
    """
    found = Reference.parse(text, "tag")
    if found.digest:
        raise UsageError(f"a tag cannot have a digest: {text}", location=named("tag"))
    return found if found.tag else Reference.parse(f"{found.name}:latest", "tag")


def tags_of(names: str | Iterable[str]) -> tuple[Reference, ...]:
    """Names for an image, each once; a text alone is one name. Raises as :func:`tag_of`."""
    return tuple(dict.fromkeys(map(tag_of, texts(names))))
