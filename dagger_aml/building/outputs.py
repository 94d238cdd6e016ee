"""Where an image is sent: one class an output. Each knows what it needs, what it cannot hold, and how it is written.

A new output is a class here, and what asks for it: a word of ``-o`` in
:func:`~dagger_aml.backends.outputs.parse_export`, or a flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from attrs import evolve

from ..backends.base import Capabilities, Image
from ..backends.outputs import Export, check_platforms, parse_export
from ..backends.result import Result
from ..data import frozen
from ..errors import DaggerAmlError, UsageError
from ..oci.reference import Reference
from ..text import named


class Output(Protocol):
    """Something that an image is sent to."""

    @property
    def tag_for(self) -> str | None:
        """The flag that asks for it, where it needs a tag."""
        ...

    @property
    def file(self) -> Export | None:
        """The file or folder that it writes, where it writes one."""
        ...

    def check(self, platforms: int, capabilities: Capabilities) -> None:
        """Refuse what cannot be, before anything is built.

        :param platforms: how many the image is for.
        :raises UsageError: it cannot hold so many, or the builder cannot write it.
        """
        ...

    async def write(self, image: Image, tags: Sequence[Reference]) -> list[Result]:
        """Send an image there, under every tag.

        :raises DaggerAmlError: as :class:`~dagger_aml.backends.base.Image`.
        """
        ...


@frozen
class Tar:
    """A tar.

    :param type: as of :class:`~dagger_aml.backends.outputs.Export`.
    """

    path: Path
    type: Literal["docker", "oci"] | None = None
    tag_for: None = None

    @property
    def file(self) -> Export:
        """The tar."""
        return Export(self.path, self.type)

    def check(self, platforms: int, capabilities: Capabilities) -> None:
        """An image for several platforms goes into OCI's form only."""
        check_platforms(self.file, platforms)

    async def write(self, image: Image, tags: Sequence[Reference]) -> list[Result]:
        """One file, named by every tag."""
        return [await image.export(self.file, [str(tag) for tag in tags])]


@frozen
class Layout:
    """An OCI layout as a folder."""

    path: Path
    tag_for: None = None

    @property
    def file(self) -> Export:
        """The folder."""
        return Export(self.path, "oci", folder=True)

    def check(self, platforms: int, capabilities: Capabilities) -> None:
        """It holds every image."""

    async def write(self, image: Image, tags: Sequence[Reference]) -> list[Result]:
        """One folder, named by every tag."""
        return [await image.export(self.file, [str(tag) for tag in tags])]


@frozen
class Store:
    """The local image store that the builder loads into."""

    tag_for: str = "load"
    file: None = None

    def check(self, platforms: int, capabilities: Capabilities) -> None:
        """It takes one platform."""
        if platforms > 1:
            raise UsageError(
                "a local store can hold only one platform",
                location=named("load"),
                hint=f"Push, or build one {named('platform')} at a time.",
            )

    async def write(self, image: Image, tags: Sequence[Reference]) -> list[Result]:
        """Under each tag."""
        return [await image.load(str(tag)) for tag in tags]


@frozen
class Registry:
    """The registry of each tag."""

    tag_for: str = "push"
    file: None = None

    def check(self, platforms: int, capabilities: Capabilities) -> None:
        """Not every builder can push several platforms as one."""
        if platforms > 1 and not capabilities.pushes_index:
            raise UsageError(
                f"{capabilities.name} cannot push several platforms as one index", location=named("push"),
                hint=f"Use {named('builder', 'buildah')} or podman, or a Dagger engine; or write "
                f"{named('oci_output')}.",
            )  # fmt: skip

    async def write(self, image: Image, tags: Sequence[Reference]) -> list[Result]:
        """Each tag to its own."""
        return [evolve(await _published(image, tag), pushed=True) for tag in tags]


async def _published(image: Image, tag: Reference) -> Result:
    try:
        return await image.publish(str(tag))
    except DaggerAmlError as error:
        if not tag.has_host:
            whose = f"{tag.name} names no registry, so it is of Docker Hub, {tag.host}/{tag.repository}: "
            hint = f"{whose}for another write HOST/{tag.name}."
            error.hint = "\n".join(filter(None, (hint, error.hint)))
        raise


def of_export(export: Export) -> Output:
    """What writes a file or a folder."""
    return Layout(export.path) if export.folder else Tar(export.path, export.type)


def outputs_of(exports: Sequence[Export], *, push: bool, load: bool) -> tuple[Output, ...]:
    """Outputs in the order in which they are written: files, the store, registries."""
    return (*map(of_export, exports), *([Store()] if load else ()), *([Registry()] if push else ()))


def parse_outputs(texts: Sequence[str], *, push: bool, load: bool) -> tuple[Output, ...]:
    """Read what ``-o``, each time that it is given, ``--push`` and ``--load`` ask for.

    :raises UsageError: an unknown output.
    """
    asked = [parse_export(each) for each in texts]
    exports = [each for each in asked if isinstance(each, Export)]
    return outputs_of(exports, push=push or "push" in asked, load=load or "load" in asked)
