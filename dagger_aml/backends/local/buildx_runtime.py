"""Starting what a builder of buildx's made: by docker or podman of this machine, from its registry or as a tar."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...data import frozen
from ...errors import DaggerAmlError, UsageError
from ...fs.temporary import temporary_directory
from ...graph.base import DEFAULT_PLATFORM
from ...text import named
from ..base import Image, Runtime
from ..builders import kinds
from ..outputs import Export
from ..runtime import ImageOutput, Start, Started
from .buildx_image import BuildxImage
from .kind import LocalKind

if TYPE_CHECKING:
    import dagger

_NAME = "localhost/dagger-aml-buildx:latest"


def container_runtime() -> Runtime:
    """What starts containers here: the first that answers of the builders that do.

    :raises UsageError: none is here.
    """
    for kind in kinds():
        able = kind.capabilities.serves and kind.capabilities.own_store
        if able and isinstance(kind, LocalKind) and shutil.which(kind.capabilities.name):
            try:
                kind.tool()
            except DaggerAmlError:
                continue
            return kind.runtime()
    raise UsageError(
        "a builder of buildx starts no images, and neither docker nor podman answers here",
        hint=f"Start Docker, or install podman. To publish the image without starting it, add {named('no_smoke')}.",
    )


@frozen
class BuildxRuntime:
    """See :class:`~dagger_aml.backends.base.Runtime`.

    :param containers: what starts them.
    """

    containers: Runtime

    @property
    def name(self) -> str:
        """Of what starts them."""
        return self.containers.name

    @property
    def offline(self) -> str:
        """As what starts them."""
        return self.containers.offline

    @asynccontextmanager
    async def serve(
        self, what: Image | dagger.Container | str | Path, start: Start, output: ImageOutput
    ) -> AsyncIterator[Started]:
        """Run an image's own command, as its own user, and remove the container afterwards."""
        async with _placed(what) as place, self.containers.serve(place, start, output) as started:
            yield started

    async def run_probe(
        self, image: Image | str | Path, argv: Sequence[str], *, offline: bool, platform: str = DEFAULT_PLATFORM
    ) -> tuple[list[str], int]:
        """Run a command in an image, as its own user; its output and exit code."""
        async with _placed(image) as place:
            assert isinstance(place, str | Path)
            return await self.containers.run_probe(place, argv, offline=offline, platform=platform)


@asynccontextmanager
async def _placed(
    what: Image | dagger.Container | str | Path,
) -> AsyncIterator[Image | dagger.Container | str | Path]:
    """Where an image of ours is found: by the digest that was pushed, or in a tar."""
    if not isinstance(what, BuildxImage):
        yield what
    elif what.staged:
        yield what.staged
    else:
        with temporary_directory() as work:
            what.check_one()
            await what.written(Export(work / "image.tar", "docker"), (_NAME,))
            yield work / "image.tar"
