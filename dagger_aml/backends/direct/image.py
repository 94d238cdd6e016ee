"""Images whose own layers are files of this machine, not written anywhere yet."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
from attrs import evolve, field

from ...data import define
from ...errors import DaggerAmlError, UsageError, first_of
from ...events import Message, OnEvent, OpDone, OpStarted, Transferred, ignore
from ...fs.stamps import unchanged
from ...oci.blobs import digest_of
from ...oci.content_store import ContentStore
from ...oci.failures import MissingBlob, RefusedType
from ...oci.manifest import INDEXES, MANIFESTS, BlobLayer, Form, index_document, manifest_document
from ...oci.model import Layer
from ...oci.reference import Reference
from ...plan.keys import labels
from ...plan.making import Making
from ...plan.model import Plan
from ...tasks import looking
from ...text import named
from ..outputs import Export, as_export, output_tar
from ..result import Result, Written
from ..transfers import growing
from .beneath import Beneath, keep_small
from .config import AddedLayer, config_document
from .earlier import NONE, Earlier, earlier
from .layers import OwnLayer
from .local_store import LocalStore
from .note import NOTE_LABEL, write_note
from .push import Sender
from .remembered import Remembered
from .threads import Calls

if TYPE_CHECKING:
    from .tar import TarImage

T = TypeVar("T")

_AT_ONCE = 4
"""Blobs that are sent to one registry at the same time."""


@define(eq=False)
class DirectImage:
    """An image of which the layers of files are written when it is sent somewhere; see
    :class:`~dagger_aml.backends.base.Image`.

    :param beneath: the image that its own layers lie upon.
    :param own: these, lowest first.
    :param local: the store that it is loaded into.
    :param starts: awaited before all is sent somewhere to be started from: it raises where nothing can start it.
    """

    plan: Plan
    beneath: Beneath
    own: tuple[OwnLayer, ...]
    calls: Calls
    store: ContentStore
    local: LocalStore
    on_event: OnEvent
    starts: Callable[[], Awaitable[object]]
    makings: tuple[Making, ...] = field(default=(), repr=False)
    """How the layer of each op came to be."""
    images: MutableMapping[tuple[str, str], Earlier] = field(factory=dict, repr=False)
    """What tags name now, for each platform, as far as it was asked already."""
    staged: str | None = None
    """Where it lies by its digest, once it was sent there."""
    fresh: bool = False
    """Whether its files are hashed though they lie as they did when that was done before."""
    placed: str | None = None
    """What the local store calls it, once it was put there to be started."""
    _config: bytes | None = field(default=None, init=False)
    _raw: dict[str, bytes] = field(factory=dict, init=False, repr=False)
    """The manifest, by the repositories that have all it names."""
    _oci: set[str] = field(factory=set, init=False, repr=False)
    """Repositories that refuse a manifest in Docker's form, and so get OCI's."""
    _named: frozenset[Reference] = field(factory=frozenset, init=False)
    """Tags that were seen to name this very image already."""
    _moved: dict[object, int] = field(factory=dict, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    @property
    def id(self) -> str | None:
        """Digest of the config; None until its layers were written once."""
        return digest_of(self._config) if self._config is not None else None

    @property
    def files(self) -> Mapping[str, bytes]:
        """Digests of the files that its own layers hold, once these were written."""
        return self.own[0].files if self.own else {}

    async def in_place(self, references: Sequence[str]) -> bool:
        """Whether every tag names this very image already; nothing is sent."""
        from .in_place import in_place

        there = await in_place(self, references)
        self._named = frozenset(map(Reference.parse, references)) if there else frozenset()
        return there

    async def stage(self, reference: str) -> str:
        """Send all of it, its manifest by digest: it can be started from there, and no tag has moved.

        :raises DaggerAmlError: nothing here can start it; then nothing is sent.
        """
        await self.starts()
        at = Reference.parse(reference)
        raw, _ = await self.sent(at, tag=None)
        self.staged = f"{at.name}@{digest_of(raw)}"
        return self.staged

    async def publish(self, reference: str) -> Result:
        """Send what the registry lacks, then move the tag; of one that was seen to name it already, nothing moves.

        :raises RegistryDenied: 401 or 403. :raises TransientError: unreachable, 429 or 5xx.
        """
        at = Reference.parse(reference)
        named = at in self._named  # Should somebody have moved it since, it stays there: nothing was tested.
        if at.url in self._raw and not named:
            self.on_event(Message(f"tagging {at}"))
        raw, layers = await self.sent(at, tag=None if named else at.tag or "latest")
        changed = _changed(self, at, digest_of(raw))
        made = Result(digest_of(raw), self.id, (reference,), layers, config_digest=self.id, makings=self.makings)
        return evolve(made, changed=changed)

    async def export(
        self, output: Export | Path | str, references: Sequence[str] = (), *, quiet: bool = False
    ) -> Result:
        """Write a tar or a layout; whole or not at all.

        :param quiet: tell nobody; the file is a temporary one.
        """
        return await exported([self], as_export(output), references, quiet=quiet)

    async def load(self, reference: str) -> Result:
        """Into the local store: what that lacks, or all of it as a tar."""
        from .loading import load

        return evolve(await load(self, reference), makings=self.makings)

    async def place(self) -> str | None:
        """Put it into the local store to be started there, under a name that the project's next one gets; its ID.

        None where that store cannot pull from here.
        """
        from .loading import place

        return await place(self)

    @property
    def platform(self) -> str:
        """``linux/amd64`` and the like, as the image beneath says it."""
        config = self.beneath.config
        return "/".join(str(config[name]) for name in ("os", "architecture", "variant") if config.get(name))

    @property
    def remembered(self) -> Remembered:
        """What layers became in earlier builds."""
        return Remembered(self.store, self.fresh)

    def for_tar(self) -> TarImage:
        """What is written of it to a tar."""
        from .tar import TarImage

        return TarImage(self.beneath, self.own, self.config_now, self.platform, self.remembered)

    async def sent(self, at: Reference, tag: str | None) -> tuple[bytes, tuple[Layer, ...]]:
        """Everything that the repository lacks, and then the manifest, under a tag or by its digest alone."""
        place, name = at.url, str(at) if tag else at.name
        if place not in self._raw:
            self._raw[place] = await self._all_sent(at, name)
        asked = False
        while True:
            try:
                await self._put_manifest(at, tag)
                break
            except MissingBlob:
                if asked:
                    raise
                # What a tag named, or was sent before, was removed meanwhile, or never mounted: each is asked for.
                asked = True
                self._raw[place] = await self._all_sent(at, name, NONE)
            except RefusedType:
                if self.form_at(at) == "oci":
                    raise
                self.on_event(Message(f"{at.host} takes no image in Docker's form, so it gets OCI's"))
                self._oci.add(place)
                self._raw[place] = manifest_document("oci", self.config_now(), self._layers)
        return self._raw[place], self.told(self._layers)

    def form_at(self, at: Reference) -> Form:
        """Whose media types its manifest has in a repository."""
        return "oci" if at.url in self._oci else self.beneath.form

    async def _put_manifest(self, at: Reference, tag: str | None) -> None:
        media_type = MANIFESTS[self.form_at(at)]
        await self.blocking(
            functools.partial(self.calls.client.put_manifest, at, self._raw[at.url], media_type, tag=tag)
        )

    @property
    def _layers(self) -> tuple[BlobLayer, ...]:
        """All, once those of ours were written."""
        return (*self.beneath.layers, *(each.blob for each in self.own if each.blob))

    async def _all_sent(self, at: Reference, name: str, before: Earlier | None = None) -> bytes:
        """Every blob that the repository lacks; the manifest of them.

        :param name: what is told to be pushed: no tag, where it does not get one yet.
        :param before: what the repository is taken to have, in place of what the tag names; then nothing is mounted.
        """
        self.on_event(Message(f"pushing {name}"))
        with unchanged(self.plan.file_layers):
            async with self._telling(name):
                mounts, before = before is None, before or await self.before(at)
                sender = Sender(self.calls.client, at, before, self.remembered, self._count, mounts)
                layers = await self._blobs(sender)
                config = self.config_now()
                # The next build reads it, to know what the tag's image is made of.
                with suppress(UsageError):
                    await anyio.to_thread.run_sync(keep_small, digest_of(config), config, self.store)
        return manifest_document(self.form_at(at), config, layers)

    async def _blobs(self, sender: Sender) -> tuple[BlobLayer, ...]:
        """Send the layers and the config; all layers."""
        limit, known = anyio.CapacityLimiter(_AT_ONCE), threading.Event()
        total = len(self.plan.layers)

        def all_known() -> None:
            if all(each.blob for each in self.own):
                known.set()

        async def base(layer: BlobLayer) -> None:
            async with limit:
                await self.blocking(sender.beneath, self.beneath, layer)

        async def own(layer: OwnLayer) -> None:
            async with limit:
                for number in layer.numbers:
                    self.on_event(OpStarted(self.plan.ops[number - 1].name, number, total))
                begun = anyio.current_time()
                _, had = await self.blocking(sender.own, layer, all_known)
                all_known()
                for number in layer.numbers:
                    seconds = anyio.current_time() - begun
                    self.on_event(OpDone(self.plan.ops[number - 1].name, number, total, seconds, had))

        async def config() -> None:
            # Small layers are known before they are sent, so that it need not wait for that.
            alone = anyio.CapacityLimiter(1)  # Those who wait take no thread from those who are waited for.
            await anyio.to_thread.run_sync(known.wait, abandon_on_cancel=True, limiter=alone)
            made = await anyio.to_thread.run_sync(self.config_now)
            await self.blocking(sender.document, made, digest_of(made))

        all_known()
        try:
            async with anyio.create_task_group() as tasks:
                for each in self.own:
                    tasks.start_soon(own, each)
                for found in dict.fromkeys(self.beneath.layers):
                    tasks.start_soon(base, found)
                tasks.start_soon(config)
        except ExceptionGroup as errors:
            raise first_of(errors, DaggerAmlError) or errors from None
        finally:
            known.set()
        return self._layers

    def config_now(self) -> bytes:
        """The config, once every layer of ours was written."""
        if self._config is None:
            beneath, files = self.beneath, self.own[0].files if self.own else {}
            note = write_note(beneath.note, beneath.layers, beneath.base)
            added = [
                *(AddedLayer(each.diff_id, "what runs") for each in beneath.layers[beneath.base :]),
                *(AddedLayer(each.blob.diff_id, each.name) for each in self.own if each.blob),
            ]
            said = {**labels(self.plan, files), NOTE_LABEL: note}
            self._config = config_document(beneath.config, self.plan, said, added)
        return self._config

    def told(self, layers: Iterable[BlobLayer]) -> tuple[Layer, ...]:
        """The layers, each with the copies that it holds."""
        found = [Layer(each.digest, each.size) for each in layers]
        ran = [each.op for each in self.makings if each.way in ("found", "runs")]
        above = len(found) - len(self.own) - self.beneath.base
        for index in range(above):
            name = ran[index] if len(ran) == above else ", ".join(ran) if above == 1 else "what runs"
            place = self.beneath.base + index
            found[place] = evolve(found[place], op=name)
        for index, each in enumerate(self.own):
            place = len(found) - len(self.own) + index
            found[place] = evolve(found[place], op=each.name)
        return tuple(found)

    def _count(self, what: object, sent: int) -> None:
        with self._lock:
            self._moved[what] = sent

    def _sum(self) -> int:
        with self._lock:
            return sum(self._moved.values())

    @asynccontextmanager
    async def _telling(self, name: str) -> AsyncIterator[None]:
        """Tell how many bytes were sent while a block runs."""
        self._moved.clear()
        told = 0

        def look() -> None:
            nonlocal told
            now = self._sum()
            if now > told:
                told = now
                self.on_event(Transferred("pushed", name, told))

        self.on_event(Transferred("pushed", name, 0))
        async with looking(look):
            yield
        self.on_event(Transferred("pushed", name, self._sum(), self._sum()))

    async def before(self, at: Reference) -> Earlier:
        """The image that a tag names now; asked once."""
        asked = str(at), self.plan.base.platform
        if asked not in self.images:
            self.images[asked] = await self.blocking(earlier, at, asked[1], self.calls.client, self.store)
        return self.images[asked]

    async def blocking(self, work: Callable[..., T], *args: object) -> T:
        """Run what blocks in a thread; tried again where that may help."""
        return await self.calls.call(work, *args)


@define(eq=False)
class DirectIndex:
    """Images for several platforms as one; see :class:`~dagger_aml.backends.base.Image`."""

    images: tuple[DirectImage, ...]
    id: None = None

    @property
    def makings(self) -> tuple[Making, ...]:
        """Of each of its images."""
        return tuple(making for each in self.images for making in each.makings)

    @property
    def files(self) -> Mapping[str, bytes]:
        """Digests of the files that their own layers hold."""
        return {path: digest for each in self.images for path, digest in each.files.items()}

    async def in_place(self, references: Sequence[str]) -> bool:
        """Each image of it is asked for alone."""
        return False

    async def stage(self, reference: str) -> None:
        """Each image of it is staged alone."""

    async def publish(self, reference: str) -> Result:
        """Each image by its digest, then the index under the tag. Raises as :meth:`DirectImage.publish`."""
        at = Reference.parse(reference)
        manifests = [((await each.sent(at, tag=None))[0], each.platform) for each in self.images]
        first = self.images[0]
        first.on_event(Message(f"tagging {at}"))
        form = first.form_at(at)
        raw = index_document(form, manifests)
        put = functools.partial(first.calls.client.put_manifest, at, raw, INDEXES[form], tag=at.tag or "latest")
        await first.blocking(put)
        changed = _changed(first, at, digest_of(raw))
        return Result(digest_of(raw), None, (reference,), makings=self.makings, changed=changed)

    async def export(self, output: Export | Path | str, references: Sequence[str] = ()) -> Result:
        """Write an OCI layout; whole or not at all."""
        return await exported(self.images, as_export(output), references)

    async def load(self, reference: str) -> Result:
        """A local store holds one platform."""
        raise UsageError("a local store can hold only one platform", location=named("load"))


def _changed(image: DirectImage, at: Reference, digest: str) -> bool | None:
    """Whether a tag named something else before; None where it was not asked."""
    before = image.images.get((str(at), image.plan.base.platform))
    return None if before is None else before.digest != digest


async def exported(
    images: Sequence[DirectImage], output: Export, references: Sequence[str], *, quiet: bool = False
) -> Result:
    """Images written to a tar or a layout.

    :param quiet: tell nobody; the file is a temporary one.
    """
    from .tar import write_tar

    first = images[0]
    on_event = ignore if quiet else first.on_event
    on_event(Message(f"writing {output.path}"))
    form = output.type or first.beneath.form
    names = [Reference.parse(each) for each in references]
    with ExitStack() as stack:
        new = stack.enter_context(output_tar(output))
        # Told before the tar takes its place.
        for each in images:
            stack.enter_context(unchanged(each.plan.file_layers))
        async with growing(new, str(output.path), on_event):
            write = functools.partial(write_tar, form=form, docker=output.type != "oci", names=names)
            made = await first.blocking(write, new, [each.for_tar() for each in images])
    file = Written(output.path, output.type or "tar", made.digest)
    layers = first.told(made.layers) if len(images) == 1 else ()
    how = tuple(making for each in images for making in each.makings)
    return Result(
        made.digest, made.config, tuple(references), layers, outputs=(file,), config_digest=made.config, makings=how
    )
