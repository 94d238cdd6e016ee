"""Builders that carry a plan's Dockerfile out by the programs of this machine: docker, podman, buildah.

For where no Dagger engine may run. The program keeps the images and the cache; nothing else of a build remains.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread
from attrs import evolve, field

from ...base.facts import BaseFacts, of_config
from ...base.probe import from_probe, probe_argv, probe_stdin
from ...data import define, frozen
from ...errors import BaseError, BuildError, DaggerAmlError, UsageError
from ...events import Message, OnEvent, ignore
from ...fs.temporary import temporary_directory
from ...graph.base import From
from ...graph.graph import Graph
from ...graph.stages import bases
from ...oci import layout as oci_layout
from ...oci.messages import Peer
from ...oci.reference import Reference
from ...oci.registry import image_config, platform_digest, resolve_digest
from ...plan.making import Making, makings
from ...plan.model import Plan
from ...policy import DEFAULT, Policy
from ...process import CompletedProcess
from ..base import Capabilities, Image, Runtime, own_image
from ..conversation import Conversation, News
from ..dockerfile.render import rendered
from ..secret_files import secret_files
from .bases import in_store, not_probed, own_name
from .image import LocalImage
from .output import OutputReader
from .program import Build, ContainerCli, ProgramFailed, StoredImage, failed, is_plain_http, meaning, refused, telling


@frozen
class _Base:
    """A base that was found.

    :param digest: what to pin it to; None for an image that only the local store has.
    """

    image: StoredImage
    digest: str | None


@define
class LocalBuilder:
    """Drives one of the programs; see :class:`~dagger_aml.backends.base.Builder`."""

    tool: ContainerCli
    no_cache: bool = False
    on_event: OnEvent = ignore
    pull: bool = False
    policy: Policy = DEFAULT
    name: str = field(init=False)
    _bases: dict[From, _Base] = field(factory=dict, init=False, repr=False)
    _stored: dict[From, From] = field(factory=dict, init=False, repr=False)
    """Bases that the program's store calls otherwise: by another digest than their index has, or only by a tag."""

    def __attrs_post_init__(self) -> None:
        self.name = self.tool.name

    @property
    def capabilities(self) -> Capabilities:
        """What the program can, in the form of Dockerfile that it is given."""
        return evolve(self.tool.capabilities, forms=(self.tool.form,))

    def runtime(self) -> Runtime:
        """What starts its images.

        :raises UsageError: nothing that is installed can.
        """
        return self.tool.runtime()

    def with_events(self, on_event: OnEvent) -> LocalBuilder:
        """The same program and the bases that it has found, told to another callback."""
        made = copy.copy(self)
        made.on_event = on_event
        return made

    def for_tags(self, tags: Sequence[Reference]) -> LocalBuilder:
        """Itself: what earlier images tell is of no use to it."""
        return self

    def for_packages(self) -> LocalBuilder:
        """Itself: it always asks."""
        return self

    def afresh(self) -> LocalBuilder:
        """The same program and the bases that it has found; every step runs again."""
        made = copy.copy(self)
        made.no_cache = True
        return made

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """Pull a base, or take the local one where that fails, and ask it.

        :raises RegistryDenied: the registry wants a login. :raises TransientError: it is unreachable or busy.
        :raises BuildError: there is no such image, or nothing can be run in it.
        :raises BaseError: it has no shell, or is not for a processor that this machine can run.
        """
        if base not in self._bases:
            self._bases[base] = await (self._loaded(base) if base.archive else self._find(base))
        found = self._bases[base]
        if base.archive:
            facts = of_config(oci_layout.config(base))
        else:
            facts = evolve(of_config(found.image.config), onbuild=await self._onbuild(base, found))
        if facts.onbuild:
            # It is refused for them, and buildah runs them wherever it makes a container.
            return found.digest, facts
        argv = probe_argv(facts.user, facts.environment)
        done = await self.tool.probe(found.image.id, argv, probe_stdin(paths))
        if done.code:
            raise not_probed(base, done, self.name, takes_isolation=self.tool.takes_isolation)
        return found.digest, from_probe(done.out, facts)

    async def makings(self, plan: Plan) -> tuple[Making, ...]:
        """By this builder, all of them."""
        return makings(plan, "builder")

    async def image(self, plan: Plan, *, title: str = "") -> LocalImage:
        """Build a plan's Dockerfile; the image is kept in the program's store, under its ID alone.

        :raises BuildError: a step failed; it is named where that can be told from the output.
        """
        plan = await to_thread.run_sync(in_store, plan, self._stored)
        dockerfile, script = rendered(plan, format=self.tool.form, title=title)
        with temporary_directory() as work, secret_files(plan.access) as files:
            progress = OutputReader.of(script, plan, self.on_event)
            secrets = tuple((id, files.path(mount)) for id, mount in dockerfile.mounts.items())
            plain = all(is_plain_http(each.pinned) for each in bases(Graph(plan.base, plan.layers)))
            build = Build(work, plan.base.platform, self.no_cache, plain, secrets, files.proxies)
            build.context.mkdir()
            await to_thread.run_sync(dockerfile.write, build.context)
            done = await self.tool.build(build, lambda line: progress.line(files.redact(line)))
            if done.code:
                error = progress.error(done.code, self.name, takes_isolation=self.tool.takes_isolation)
                error.hint = files.proxy_advice(error.output) or error.hint
                raise error
            progress.finish()
            return LocalImage(self.tool, (build.id_file.read_text().strip(),), self.on_event, self.policy)

    def index(self, images: Sequence[Image]) -> LocalImage:
        """Images for several platforms as one."""
        ids = [id_ for each in images for id_ in own_image(each, LocalImage, self.name, "index").ids]
        return LocalImage(self.tool, tuple(ids), self.on_event, self.policy)

    async def load_tar(self, tar: Path, reference: str) -> str | None:
        """Into the program's own store."""
        self.on_event(Message(f"loading {reference} into {self.name}'s store"))
        done = await self.tool.load(tar, reference)
        stored = None if done.code else await self.tool.inspect(reference)
        if stored is None:
            raise failed(done, "load", [self.name, "load"])
        return stored.id

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        """Build a plan and copy what one folder of it holds into a folder; as the caller's own files."""
        made = await self.image(plan)
        with temporary_directory() as work:
            done = await self.tool.copy_out(made.ids[0], path, dest, work)
        if done.code:
            raise failed(done, f"copy {path}", [self.name, "cp"])

    async def stored(self, reference: str) -> StoredImage:
        """An image that the program's store has; nothing is pulled.

        :raises UsageError: it has none of that name or ID.
        """
        found = await self.tool.inspect(reference)
        if found is None:
            raise UsageError(f"{self.name}'s store has no image {reference}", hint=f"See: {self.name} images")
        return found

    async def save(self, reference: str, tar: Path) -> None:
        """Write an image that the program's store has to a tar. Raises as :meth:`stored`."""
        found = await self.stored(reference)
        with temporary_directory() as work:
            done = await self.tool.save(found.id, tar, None, work)
        if done.code:
            raise failed(done, f"image {reference}", [self.name, "save"])

    async def _find(self, base: From) -> _Base:
        """The base; where the store keeps the index's digest for another platform, by the digest of its own."""
        try:
            return await self._found(base)
        except BaseError:
            own = await self._answered(platform_digest, base.reference, base.digest, base.platform)
            if own in (None, base.digest):
                raise
            stored = evolve(base, digest=own)
            found = await self._found(stored)
            digest = base.digest or await self._answered(resolve_digest, base) or own
            if digest != own:
                self._stored[evolve(base, digest=digest)] = stored
            return evolve(found, digest=digest)

    async def _found(self, base: From) -> _Base:
        if Reference.parse(base.reference).host == "localhost" and not self.pull:
            local = await self._local(base)
            if local:
                return _Base(local, base.digest)
        self.on_event(Message(f"pulling {base.pinned}"))
        peer = Peer("base", base.pinned)
        talk = Conversation(peer, self.policy, self.on_event, partial(meaning, peer=peer))

        async def pull(news: News) -> CompletedProcess | _Base:
            done = await self.tool.pull(base.pinned, base.platform, telling(self.name, self.on_event, news))
            return await self._fallen_back(base, done) if done.code else done

        done = await talk.call(pull, idle_timeout_seconds=self.policy.layer_idle_timeout_seconds)
        if isinstance(done, _Base):
            return done
        image = await self._local(base)
        if image is None:
            raise BuildError(
                f"{self.name} pulled the image, but the image is not in {self.name}'s store",
                location=f"base {base.pinned}",
            )
        digest = (
            base.digest
            or self.tool.pulled_digest(done.out)
            or await self._answered(resolve_digest, base)
            or image.digest(base.pinned)
        )
        return _Base(await self._exactly(base, digest) or image, digest)

    async def _loaded(self, base: From) -> _Base:
        """Bring an image of this machine into the program's store, under a name of its own, unless it is there."""
        own = own_name(base)
        image = await self._local(own)
        if image is None:
            self.on_event(Message(f"loading {base.archive} into {self.name}'s store"))
            with temporary_directory() as work:
                done = await self.tool.load_base(base, own.reference, work)
            image = None if done.code else await self._local(own)
            if image is None:
                raise failed(done, f"base {base.archive}", [self.name, "load"])
        return _Base(image, base.digest)

    async def _fallen_back(self, base: From, done: CompletedProcess) -> _Base:
        command = [self.name, "pull", base.pinned]
        local = None if self.pull else await self._local(base)
        if local is None:
            raise ProgramFailed(done, command)
        error = refused(done, Peer("base", base.pinned), command)
        self.on_event(Message(f"{error.message}; using the copy of {base.pinned} in {self.name}'s store"))
        known = None if isinstance(error, BuildError) else local.digest(base.pinned)
        if known and not base.digest:
            # Docker 29 tells a digest of what was never pushed, too; and of what has one, BuildKit asks the registry.
            self._stored[evolve(base, digest=known)] = base
        return _Base(local, base.digest or known)

    async def _local(self, base: From) -> StoredImage | None:
        image = await self.tool.inspect(base.pinned)
        wanted = "/".join(base.platform.split("/")[:2])
        if image and image.platform != wanted:
            raise BaseError(f"the image is for {image.platform}, not for {wanted}", location=f"base {base.pinned}")
        return image

    async def _answered(self, lookup: Callable[..., Awaitable[str]], *words: object) -> str | None:
        """A digest as the registry tells it, since podman and buildah keep only the platform's."""
        try:
            return await lookup(*words, **self._lookup) or None
        except DaggerAmlError:
            return None

    @property
    def _lookup(self) -> dict[str, Any]:
        """How a registry is asked what the program does not tell."""
        seconds = self.policy.lookup_timeout_seconds
        return {"on_event": self.on_event, "policy": self.policy, "timeout_seconds": seconds}

    async def _exactly(self, base: From, digest: str | None) -> StoredImage | None:
        """The image of a digest, pulled if the tag has moved between two answers."""
        if not digest:
            return None
        pinned = From(base.reference, digest, base.platform)
        found = await self._local(pinned)
        if found is None and not (await self.tool.pull(pinned.pinned, base.platform)).code:
            found = await self._local(pinned)
        return found

    async def _onbuild(self, base: From, found: _Base) -> tuple[str, ...] | None:
        """The base's triggers; where the program does not tell them, its registry is asked."""
        config = found.image.config
        if not self.tool.tells_onbuild and "OnBuild" not in config:
            try:
                config = await image_config(base.reference, found.digest, base.platform, **self._lookup)
            except DaggerAmlError:
                return None
        return tuple(config.get("OnBuild") or ())
