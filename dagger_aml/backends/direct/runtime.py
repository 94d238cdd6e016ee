"""Starting an image that we wrote: by the builder that ``--with`` names, from its registry, its store or a tar."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...data import frozen
from ...fs.temporary import temporary_directory
from ...graph.base import DEFAULT_PLATFORM
from ..base import Image, Runtime
from ..outputs import Export
from ..runtime import ImageOutput, Start, Started
from .image import DirectImage, exported
from .inner import Inner

if TYPE_CHECKING:
    import dagger

_NAME = "localhost/dagger-aml-direct:latest"


@frozen
class DirectRuntime:
    """See :class:`~dagger_aml.backends.base.Runtime`."""

    inner: Inner

    @property
    def name(self) -> str:
        """The other builder's."""
        return self.inner.capabilities.name

    @property
    def offline(self) -> str:
        """As the other's."""
        return self.inner.capabilities.offline

    @asynccontextmanager
    async def serve(
        self, what: Image | dagger.Container | str | Path, start: Start, output: ImageOutput
    ) -> AsyncIterator[Started]:
        """Run an image's own command, as its own user, and stop and remove it afterwards."""
        runtime = await self._runtime()
        async with self._placed(what) as place, runtime.serve(place, start, output) as started:
            yield started

    async def run_probe(
        self, image: Image | str | Path, argv: Sequence[str], *, offline: bool, platform: str = DEFAULT_PLATFORM
    ) -> tuple[list[str], int]:
        """Run a command in an image, as its own user; its output and exit code."""
        runtime = await self._runtime()
        async with self._placed(image) as place:
            assert isinstance(place, str | Path)
            return await runtime.run_probe(place, argv, offline=offline, platform=platform)

    async def _runtime(self) -> Runtime:
        return (await self.inner.builder()).runtime()

    @asynccontextmanager
    async def _placed(
        self, what: Image | dagger.Container | str | Path
    ) -> AsyncIterator[Image | dagger.Container | str | Path]:
        """Where the other builder finds an image of ours: where it was sent to, in its own store, or in a tar."""
        if not isinstance(what, DirectImage):
            yield what
        elif what.staged:
            yield what.staged
        elif self.inner.capabilities.own_store and (placed := await what.place()):
            yield placed
        else:
            with temporary_directory() as work:
                tar = work / "image.tar"
                await exported([what], Export(tar, "docker"), (_NAME,), quiet=True)
                yield tar
