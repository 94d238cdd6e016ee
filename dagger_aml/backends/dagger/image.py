"""An image that the engine holds."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import anyio
import anyio.to_thread
import dagger
from attrs import evolve

from ...errors import EngineGone
from ...events import Message, OnEvent
from ...oci.docker_archive import name_in_tar, read_tar
from ...oci.messages import Peer
from ...oci.model import Layer
from ...oci.registry import manifest_layers
from ...plan.making import Making
from ...plan.model import Plan
from ...policy import DEFAULT, Policy
from ..conversation import Conversation, News
from ..outputs import Export, as_export, output_tar
from ..result import Result, Written
from ..transfers import growing
from .errors import meaning, translated
from .spans import Spans
from .timeline import pushing


class DaggerImage:
    """An image that the engine holds.

    :param variants: the images for further platforms; then it is an index.
    :param spans: of the session that made it.
    :param gone: says why its engine cannot be reached any more, where it cannot.
    """

    id = None
    makings: tuple[Making, ...] = ()
    files: Mapping[str, bytes] = MappingProxyType({})

    def __init__(
        self,
        plan: Plan,
        container: dagger.Container,
        variants: Sequence[dagger.Container] = (),
        *,
        spans: Spans | None,
        on_event: OnEvent,
        policy: Policy = DEFAULT,
        gone: Callable[[str], Awaitable[EngineGone | None]] | None = None,
    ) -> None:
        self.spans = spans
        self.policy = policy
        self._gone = gone
        self.on_event = on_event
        self.plan = plan
        self.container = container
        self.variants: list[dagger.Container] = list(variants)

    async def in_place(self, references: Sequence[str]) -> bool:
        """The digest is the engine's to tell, once it is pushed."""
        return False

    async def stage(self, reference: str) -> None:
        """The engine starts what it holds."""

    async def publish(self, reference: str) -> Result:
        """Push; tried up to three times where that may help. Layers that the registry has are not sent again."""
        self.on_event(Message(f"pushing {reference}"))
        peer = Peer("push", reference)
        talk = Conversation(peer, self.policy, self.on_event, partial(meaning, peer=peer))
        if self._gone:
            talk = evolve(talk, gone=partial(self._gone, peer.location))

        async def push(news: News) -> str:
            async with pushing(reference, self.spans, talk.moving(news), self.policy):
                return await self.container.publish(reference, platform_variants=self.variants or None)

        # Without spans it cannot be seen whether anything moves.
        idle = self.policy.layer_idle_timeout_seconds if self.spans else math.inf
        pushed = await talk.call(push, idle_timeout_seconds=idle)
        digest = "sha256:" + pushed.rpartition("@sha256:")[2]
        image_id, layers = await manifest_layers(reference, digest, self.on_event, self.policy)
        return Result(digest, image_id, (reference,), self._named(layers), config_digest=image_id)

    async def export(self, output: Export | Path | str, references: Sequence[str] = ()) -> Result:
        """Write a tar in both Docker's and OCI's form, or of type ``oci`` in the latter alone."""
        output = as_export(output)
        self.on_event(Message(f"writing {output.path}"))
        return await self._written(output, references)

    async def _written(self, output: Export, references: Sequence[str]) -> Result:
        media = dagger.ImageMediaTypes.DOCKER if output.type == "docker" else dagger.ImageMediaTypes.OCI
        with output_tar(output) as new:
            async with (
                translated(f"export {output.path}"),
                growing(new, str(output.path), self.on_event),
            ):
                await self.container.export(str(new), platform_variants=self.variants or None, media_types=media)
            naming = partial(name_in_tar, new, references, docker=output.type != "oci")
            await anyio.to_thread.run_sync(naming)
            digest, image_id, layers = read_tar(new)
        file = Written(output.path, output.type or "tar", digest)
        return Result(
            digest, image_id, tuple(references), self._named(layers), outputs=(file,), config_digest=image_id
        )

    def _named(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers with the ops that made them: the engine makes one of each, after the base's own."""
        ops = self.plan.layers
        if self.variants or not ops or len(layers) < len(ops):
            return layers
        last = zip(layers[-len(ops) :], ops, strict=True)
        return (*layers[: -len(ops)], *(evolve(layer, op=op.name) for layer, op in last))

    async def load(self, reference: str) -> Result:
        """Into docker's store, else podman's; an event says which."""
        from ..store import load_image

        return await load_image(self._written, reference, self.on_event, self.policy)
