"""An image that BuildKit holds in its cache: built again from there for each place that it is sent to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
from attrs import evolve, field

from ...data import define
from ...errors import BuildError, UsageError
from ...events import Message, OnEvent
from ...fs.temporary import temporary_directory
from ...oci.asking import ask
from ...oci.client import Manifest
from ...oci.docker_archive import name_in_tar, read_tar, write_layout
from ...oci.manifest import INDEXES, MANIFESTS, form_of
from ...oci.messages import Peer
from ...oci.push import PushClient
from ...oci.reference import Reference
from ...oci.registry import manifest_layers, variant
from ...plan.making import Making
from ...policy import DEFAULT, Policy
from ...text import named
from ..conversation import Conversation, News
from ..outputs import Export, as_export, output_tar
from ..result import Result, Written
from ..transfers import growing
from .buildx_call import Call
from .buildx_cli import gone
from .program import ProgramFailed, failed, is_plain_http, meaning


@define(eq=False)
class BuildxImage:
    """An image, or an index, in BuildKit's cache; see :class:`~dagger_aml.backends.base.Image`.

    :param calls: of the image for each platform, what builds it again.
    """

    calls: tuple[Call, ...]
    on_event: OnEvent
    policy: Policy = DEFAULT
    staged: str | None = field(default=None, init=False)
    """Where it lies by its digest, once it was sent there."""
    sent: dict[str, tuple[str, ...]] = field(factory=dict, repr=False)
    """The digests of its images in each repository that has them."""

    @property
    def id(self) -> None:
        """Known only once it is written somewhere."""

    @property
    def makings(self) -> tuple[Making, ...]:
        """None: BuildKit made all."""
        return ()

    @property
    def files(self) -> Mapping[str, bytes]:
        """None: BuildKit read all."""
        return {}

    async def in_place(self, references: Sequence[str]) -> bool:
        """The digest is buildx's to tell, once it is pushed."""
        return False

    async def stage(self, reference: str) -> str | None:
        """Push it by its digest; no tag moves."""
        at = Reference.parse(reference)
        (digest, *_) = await self._pushed(at)
        self.staged = f"{at.name}@{digest}"
        return self.staged

    async def publish(self, reference: str) -> Result:
        """Push it by its digest, and have the tag name that: so what a gate saw is what is published."""
        at = Reference.parse(reference)
        digests = await self._pushed(at)
        self.on_event(Message(f"tagging {at}"))
        with PushClient(self.policy) as client:
            work = partial(
                _tagged,
                client,
                at,
                [(digest, call.platform) for digest, call in zip(digests, self.calls, strict=True)],
            )
            digest, own = await ask(client, work, self.on_event, host=at.host, location=f"push {at}")
        if own is None:
            return Result(digest, None, (reference,))
        config, layers = await manifest_layers(reference, own, self.on_event, self.policy)
        return Result(digest, config, (reference,), layers, config_digest=config)

    async def export(self, output: Export | Path | str, references: Sequence[str] = ()) -> Result:
        """Write a tar in Docker's form, or an OCI layout; whole or not at all.

        :raises UsageError: it cannot be written.
        """
        output = as_export(output)
        self.on_event(Message(f"writing {output.path}"))
        return await self.written(output, references)

    async def written(self, output: Export, references: Sequence[str] = ()) -> Result:
        """The same, and nothing is told of it: for a file that goes on to somewhere."""
        with output_tar(output) as new, temporary_directory() as work:
            if output.type != "oci":
                # Written where it goes, by a name without a comma, which would end it.
                (work / "0.tar").symlink_to(new)
            saved = [await self._saved(number, work, output) for number in range(len(self.calls))]
            if output.type == "oci":
                await anyio.to_thread.run_sync(write_layout, saved, new, references)
            elif references:
                await anyio.to_thread.run_sync(name_in_tar, new, references)
            digest, config, layers = read_tar(new)
        file = Written(output.path, output.type or "tar", digest)
        return Result(digest, config, tuple(references), layers, outputs=(file,), config_digest=config)

    async def load(self, reference: str) -> Result:
        """Into docker's store, else podman's; an event says which."""
        from ..store import load_image

        return await load_image(self.written, reference, self.on_event, self.policy)

    def check_one(self) -> None:
        """Refuse an index where one image is to be started.

        :raises UsageError: it is for several platforms.
        """
        if len(self.calls) > 1:
            raise UsageError("an image for several platforms cannot be started", hint=f"Use one {named('platform')}.")

    async def _saved(self, number: int, work: Path, output: Export) -> Path:
        """The image for one platform as a tar in Docker's form. Attestations have no place there."""
        name = f"{number}.tar"
        async with growing(work / name, str(output.path), self.on_event):
            done, _ = await self.calls[number](work, f"type=docker,dest={name}")
        if done.code:
            where = f"export {output.path}"
            raise gone(done, self.calls[number].buildx, where) or failed(done, where, ["buildx", "build"])
        return work / name

    async def _pushed(self, at: Reference) -> tuple[str, ...]:
        """Push each image by its digest, once to each repository; tried again where that may help."""
        if at.url in self.sent:
            return self.sent[at.url]
        self.on_event(Message(f"pushing {at.name}"))
        peer = Peer("push", str(at))
        talk = Conversation(peer, self.policy, self.on_event, partial(meaning, peer=peer))
        insecure = ",registry.insecure=true" if is_plain_http(str(at)) else ""
        output = f"type=image,name={at.name},push=true,push-by-digest=true,name-canonical=true{insecure}"

        async def push(call: Call, news: News) -> str:
            with temporary_directory() as work:
                done, digest = await call(work, output, attested=True, heard=lambda _: news())
            if done.code and (away := gone(done, call.buildx, peer.location)):
                raise away
            if done.code or not digest:
                raise ProgramFailed(done, ["buildx", "build", "--push", at.name])
            return digest

        idle = self.policy.layer_idle_timeout_seconds
        pushed = [await talk.call(partial(push, each), idle_timeout_seconds=idle) for each in self.calls]
        self.sent[at.url] = tuple(pushed)
        return self.sent[at.url]


def _tagged(client: PushClient, at: Reference, images: Sequence[tuple[str, str]]) -> tuple[str, str | None]:
    """Have a tag name what a repository has by digests: an image, or a new index of several.

    Its digest, and that of the image alone; None of several.

    :param images: digest and platform of each; an index of one image and its attestations counts as one.
    """
    found = [(client.manifest(evolve(at, tag=None, digest=digest)), platform) for digest, platform in images]
    tag = at.tag or "latest"
    if len(found) == 1:
        (manifest, platform) = found[0]
        return client.put_manifest(at, manifest.raw, manifest.media_type, tag=tag), _own_digest(manifest, platform)
    form = form_of(found[0][0].document)
    entries = [entry for manifest, platform in found for entry in _entries(manifest, platform)]
    document = {"schemaVersion": 2, "mediaType": INDEXES[form], "manifests": entries}
    raw = json.dumps(document, separators=(",", ":")).encode()
    return client.put_manifest(at, raw, INDEXES[form], tag=tag), None


def _own_digest(manifest: Manifest, platform: str) -> str:
    """Of an image; of an index of it and what attests it, that of the image alone."""
    if "manifests" in manifest.document:
        with suppress(BuildError):  # Else only its layers are not told.
            return variant(manifest.document, platform, "")
    return manifest.digest


def _entries(manifest: Manifest, platform: str) -> Sequence[Mapping[str, Any]]:
    """What an index says of an image, and of what attests it."""
    if "manifests" in manifest.document:
        entries: Sequence[Mapping[str, Any]] = manifest.document["manifests"]
        return entries
    os, architecture, *variant = platform.split("/")
    named = {"os": os, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
    kind = manifest.document.get("mediaType") or MANIFESTS["oci"]
    return [{"mediaType": kind, "digest": manifest.digest, "size": len(manifest.raw), "platform": named}]
