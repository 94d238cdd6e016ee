"""An image that docker, podman or buildah built and keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread
from attrs import frozen

from ..errors import TryAgain
from ..events import OnEvent, Said, ignore
from ..registry import manifest_layers
from ..result import Result
from .files import replaced_file
from .process import workplace
from .tarball import name_in_tar, read_tar
from .tool import Tool, failed, refused

_PUSH_TRIES = 3
_HAS_RETRIED = "etrying in "
"""What the programs print when they try a push again by themselves, which then is enough."""


@frozen
class LocalImage:
    """An image in the program's store; see :class:`~dagger_aml.backends.builder.Image`.

    :param id: ``sha256:…``.
    """

    tool: Tool
    id: str
    on_event: OnEvent = ignore

    async def publish(self, reference: str) -> Result:
        """Push, tried up to three times where that may help. docker also keeps the name in its store.

        :raises RegistryDenied: 401 or 403. :raises TryAgain: unreachable, 429 or 5xx.
        """
        self.on_event(Said(f"pushing {reference}"))
        for attempt in range(1, _PUSH_TRIES + 1):
            with workplace() as work:
                done, digest = await self.tool.push(self.id, reference, work)
            if not done.code:
                break
            error = refused(done, reference, f"push {reference}", [self.tool.name, "push", reference])
            if not isinstance(error, TryAgain) or attempt == _PUSH_TRIES or _HAS_RETRIED in done.out + done.err:
                raise error
            self.on_event(Said(f"{error.what}; trying again ({attempt + 1} of {_PUSH_TRIES})"))
            await anyio.sleep(2**attempt)
        layers = (await manifest_layers(reference, digest))[1] if digest else ()
        return Result(digest, self.id, (reference,), layers)

    async def export(self, path: Path, references: Sequence[str] = ()) -> Result:
        """Write a tar in Docker's form, whole or not at all.

        :raises UsageError: the file cannot be written.
        """
        self.on_event(Said(f"writing {path}"))
        with replaced_file(path) as new, workplace() as work:
            done = await self.tool.save(self.id, new, references[0] if references else None, work)
            if done.code:
                raise failed(done, f"export {path}", [self.tool.name, "save"])
            if len(references) > 1:
                await anyio.to_thread.run_sync(name_in_tar, new, references)
            digest, _, layers = read_tar(new)
        return Result(digest, self.id, tuple(references), layers, path)

    async def load(self, reference: str) -> Result:
        """Name it in the program's own store."""
        self.on_event(Said(f"{self.tool.name} has it as {reference}"))
        done = await self.tool.tag(self.id, reference)
        if done.code:
            raise failed(done, f"load {reference}", [self.tool.name, "tag", self.id, reference])
        return Result(None, self.id, (reference,))
