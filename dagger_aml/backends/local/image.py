"""An image that docker, podman or buildah built and keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio.to_thread

from ...data import frozen
from ...events import Message, OnEvent, ignore
from ...fs.temporary import temporary_directory
from ...oci.docker_archive import name_in_tar, read_tar, write_layout
from ...oci.messages import Peer
from ...oci.registry import manifest_layers
from ...plan.making import Making
from ...policy import DEFAULT, Policy
from ..conversation import Conversation, News
from ..outputs import Export, as_export, output_tar
from ..result import Result, Written
from ..transfers import growing
from .program import ContainerCli, ProgramFailed, failed, meaning, telling


@frozen
class LocalImage:
    """An image in the program's store; see :class:`~dagger_aml.backends.base.Image`.

    :param ids: ``sha256:…``, of the image for each platform.
    """

    tool: ContainerCli
    ids: tuple[str, ...]
    on_event: OnEvent = ignore
    policy: Policy = DEFAULT

    @property
    def id(self) -> str | None:
        """``sha256:…``; None of an image for several platforms."""
        return self.ids[0] if len(self.ids) == 1 else None

    @property
    def makings(self) -> tuple[Making, ...]:
        """None: the program made all."""
        return ()

    @property
    def files(self) -> Mapping[str, bytes]:
        """None: the program read all."""
        return {}

    async def in_place(self, references: Sequence[str]) -> bool:
        """The digest is the registry's to tell, once it is pushed."""
        return False

    async def stage(self, reference: str) -> None:
        """The program starts what it holds."""

    async def publish(self, reference: str) -> Result:
        """Push, tried up to three times where that may help. docker also keeps the name in its store.

        :raises RegistryDenied: 401 or 403. :raises TransientError: unreachable, 429 or 5xx.
        """
        self.on_event(Message(f"pushing {reference}"))
        peer = Peer("push", reference)
        talk = Conversation(peer, self.policy, self.on_event, partial(meaning, peer=peer))

        async def push(news: News) -> str | None:
            with temporary_directory() as work:
                heard = telling(self.tool.name, self.on_event, news)
                done, digest = await self.tool.push(self.ids, reference, work, heard)
            if done.code:
                raise ProgramFailed(done, [self.tool.name, "push", reference])
            return digest

        digest = await talk.call(push, idle_timeout_seconds=self.policy.layer_idle_timeout_seconds)
        pushed = await manifest_layers(reference, digest, self.on_event, self.policy) if digest else (None, ())
        config = pushed[0] or await self._config_digest()
        return Result(digest, self.id, (reference,), pushed[1], config_digest=config)

    async def export(self, output: Export | Path | str, references: Sequence[str] = ()) -> Result:
        """Write a tar in Docker's form, or an OCI layout; whole or not at all.

        :raises UsageError: it cannot be written.
        """
        output = as_export(output)
        self.on_event(Message(f"writing {output.path}"))
        with output_tar(output) as new:
            if output.type == "oci":
                with temporary_directory() as work:
                    saved = [work / str(number) for number in range(len(self.ids))]
                    for each, tar in zip(self.ids, saved, strict=True):
                        await self._save(each, tar, output)
                    await anyio.to_thread.run_sync(write_layout, saved, new, references)
            else:
                await self._save(self.ids[0], new, output, references)
            digest, config, layers = read_tar(new)
        file = Written(output.path, output.type or "tar", digest)
        return Result(digest, self.id, tuple(references), layers, outputs=(file,), config_digest=config)

    async def _config_digest(self) -> str | None:
        """As the store tells it; None of several images, and where it does not."""
        return await self.tool.config_digest(self.id) if self.id else None

    async def _save(self, image: str, tar: Path, output: Export, references: Sequence[str] = ()) -> None:
        with temporary_directory() as work:
            async with growing(tar, str(output.path), self.on_event):
                done = await self.tool.save(image, tar, references[0] if references else None, work)
        if done.code:
            raise failed(done, f"export {output.path}", [self.tool.name, "save"])
        if len(references) > 1:
            await anyio.to_thread.run_sync(name_in_tar, tar, references)

    async def load(self, reference: str) -> Result:
        """Name it in the program's own store."""
        self.on_event(Message(f"tagging the image as {reference} in {self.tool.name}'s store"))
        done = await self.tool.tag(self.ids[0], reference)
        if done.code:
            raise failed(done, f"load {reference}", [self.tool.name, "tag", self.ids[0], reference])
        return Result(None, self.id, (reference,), config_digest=await self._config_digest())
