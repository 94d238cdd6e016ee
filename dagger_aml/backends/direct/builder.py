"""A builder that writes the layers of files itself, and asks another for what must run."""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import anyio
from attrs import evolve, field

from ...base.facts import BaseFacts, PathFact, prefixes
from ...base.facts_cache import known_facts
from ...base.known import KnownFacts
from ...data import frozen
from ...errors import BuildError, DaggerAmlError, UsageError
from ...events import Message, OnEvent, RanBefore, Warned
from ...fs.cache_folder import cache_folder
from ...graph.base import From, Given
from ...graph.config import Config
from ...graph.graph import Copy, Run
from ...graph.writes import written_paths
from ...oci.content_store import ContentStore
from ...oci.push import PushClient
from ...oci.reference import Reference
from ...plan.keys import runtime_key
from ...plan.making import TOGETHER, Making, makings, makings_after
from ...plan.model import Plan
from ...policy import Policy
from ...text import named
from ..base import Builder, Capabilities, Image, Kind, Opening, Runtime
from .age import most_seconds
from .beneath import Beneath, find_base
from .earlier import Earlier, earlier
from .facts import facts_of
from .image import DirectImage, DirectIndex
from .inner import Inner, lazily
from .layers import MOST_LAYERS, OwnLayer, own_layers
from .local_store import LocalStore
from .note import note_of
from .telling import add_hint, how_to_keep, said_once, why_not_taken
from .threads import Calls

if TYPE_CHECKING:
    from ..local.program import ContainerCli
    from .runtime_image import RuntimeImage


@frozen
class _Known:
    """A base that was found.

    :param digest: what it is pinned to.
    :param beneath: None where no layer can be put upon it by us; then the other builder does it all.
    :param why: that is so.
    :param facts: what its layers, or images on it, told; None where a container was asked.
    """

    digest: str | None
    beneath: Beneath | None = field(repr=False)
    why: str = ""
    facts: KnownFacts | None = field(default=None, repr=False)


class DirectBuilder:
    """Writes what is only files without any builder; see :class:`~dagger_aml.backends.base.Builder`.

    :param inner: opens the builder that ``--with`` names when something must run.
    :param kinds: gives a kind of builder by its name; where it is None, images are loaded as tars alone.
    """

    def __init__(
        self, inner: Inner, opening: Opening, on_event: OnEvent, kinds: Callable[[str], Kind] | None = None
    ) -> None:
        self._inner = inner
        self._kinds = kinds
        self._opening = opening
        self.on_event = on_event
        self.policy: Policy = opening.policy
        self.client: PushClient = PushClient(opening.policy)
        self._clients = [self.client]
        self._store = ContentStore(cache_folder())
        self._known: dict[From, _Known] = {}
        self._tags: tuple[Reference, ...] = ()
        self._images: dict[tuple[str, str], Earlier] = {}
        self._made: dict[str, RuntimeImage] = {}
        self._turns: dict[str, anyio.Lock] = {}
        self._shared: dict[str, float] = {}
        self._packages = False
        self._afresh = False
        self.name: str = inner.capabilities.name

    @property
    def capabilities(self) -> Capabilities:
        """What the other can; an index is pushed without it."""
        return evolve(self._inner.capabilities, pushes_index=True)

    def runtime(self) -> Runtime:
        """What starts images: the other's."""
        from .runtime import DirectRuntime

        return DirectRuntime(self._inner)

    def with_events(self, on_event: OnEvent) -> Self:
        """The same, told to another callback; with connections of its own, since what fails ends its own."""
        made = copy.copy(self)
        made.on_event = on_event
        made.client = PushClient(self._opening.policy)
        self._clients.append(made.client)
        return made

    def close(self) -> None:
        """End every connection."""
        for each in self._clients:
            each.close()

    def for_tags(self, tags: Sequence[Reference]) -> Self:
        """The same, told where the image will be pushed to: an earlier one there tells what it knows."""
        made = copy.copy(self)
        made._tags = tuple(tags)
        return made

    def for_packages(self) -> Self:
        """The same, which takes no facts of a base that leave out what its Python has installed."""
        made = copy.copy(self)
        made._packages = True
        return made

    def afresh(self) -> Self:
        """The same, which takes nothing that ran before."""
        made = copy.copy(self)
        made._afresh = True
        return made

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """A base's digest from its registry, and its facts from what is known by that digest, or from its layers.

        Where it is in no registry, or cannot be told from files alone, the other builder is asked.

        :raises RegistryDenied, TransientError, BuildError, BaseError: as the other.
        """
        paths = tuple(paths)
        known = self._known.get(base) or await self._find(base)
        beneath = known.beneath
        if beneath is not None:
            folder = self._store.root / "facts"
            cached = known_facts(beneath.digest, folder)
            # Images are asked only where this machine does not know the base.
            told = [] if cached else await self._told(beneath, base.platform)
            facts = await self._calls.call(facts_of, beneath, paths, folder, cached, told, self._packages)
            if facts is not None and (wanted := facts.for_paths(paths, packages=self._packages)) is not None:
                note = evolve(beneath.note, facts=facts)
                known = evolve(known, facts=facts, beneath=evolve(beneath, note=note))
                self._known |= {base: known, evolve(base, digest=known.digest): known}
                return known.digest, wanted
        asked = evolve(base, digest=known.digest) if known.digest else base
        digest, answered = await (await self._other()).probe(asked, paths)
        self._known |= {base: known, evolve(base, digest=digest or base.digest): known}
        return digest, answered

    async def image(self, plan: Plan, *, title: str = "") -> Image:
        """The image of a plan: what runs made by the other builder, the rest written when it is sent somewhere."""
        known = self._known.get(plan.base)
        if known is None or known.beneath is None:
            why = f": {known.why}" if known and known.why else ""
            self.on_event(Message(f"{self.name} makes every layer, since the base is not taken from a registry{why}"))
            return await (await self._other()).image(plan, title=title)
        blobs = evolve(known.beneath.blobs, client=self.client)
        beneath, paths, ran, shared = evolve(known.beneath, blobs=blobs), plan.facts.paths, None, False
        if plan.engine_part:
            from .runtime_image import AnotherBase

            try:
                beneath, paths, ran, shared = await self._ran(plan, known, beneath)
            except AnotherBase as error:
                self.on_event(Message(f"{self.name} makes every layer: {error.message}"))
                return await (await self._other()).image(plan, title=title)
        own = own_layers(plan, paths, MOST_LAYERS - len(beneath.layers))
        place = (ran.found or (TOGETHER if shared else "")) if ran else ""
        made = makings_after(plan, place, ran.made) if ran else makings(plan)
        return self._image(plan, beneath, own, self._calls, made)

    def _image(
        self, plan: Plan, beneath: Beneath, own: tuple[OwnLayer, ...], calls: Calls, made: tuple[Making, ...]
    ) -> DirectImage:
        calls = evolve(calls, on_event=said_once(calls.on_event))
        return DirectImage(
            plan, beneath, own, calls, self._store, self._local, self.on_event, self._starts, made, self._images,
            fresh=self._opening.no_cache,
        )  # fmt: skip

    async def makings(self, plan: Plan) -> tuple[Making, ...]:
        """How each layer would be made, as far as that can be told without making one."""
        known = self._known.get(plan.base) or await self._find(plan.base)
        if known.beneath is None:
            return makings(plan, "builder")
        if not plan.engine_part:
            return makings(plan)
        anew = self._afresh or self._opening.no_cache
        found = None if anew else await self._looked_up(runtime_key(plan), plan, known.beneath)
        if found and self._before(found, plan).taken:
            return makings_after(plan, found.found, found.made)
        return makings(plan, "runs")

    async def _starts(self) -> Runtime:
        """What starts images, opened now."""
        try:
            return (await self._other()).runtime()
        except DaggerAmlError as error:
            add_hint(error, after=f"To publish the image without starting it, add {named('no_smoke')}.")
            raise

    async def _ran(
        self, plan: Plan, known: _Known, beneath: Beneath
    ) -> tuple[Beneath, Mapping[str, PathFact], RuntimeImage, bool]:
        """The base with what ran on it, what is then at the paths that copies go to, and where that is from.

        Last, whether another image had it run, or looked for it, for which this one waited or came later.
        """
        from .after import known_after
        from .runtime_image import keep, on_runtime, runtime_tag

        key = runtime_key(plan)
        # Of several builds that need the same to run, one has it run, at the same time and with no_cache too.
        async with self._turns.setdefault(key, anyio.Lock()):
            made = None if self._afresh else self._made.get(key)
            shared = made is not None and self._before(made, plan).taken
            if made is None or not shared:
                made = self._made[key] = await self._found_or_made(plan, key, beneath)
        found = made
        asked = {path: op.name for op in plan.file_layers for path in (*prefixes(op.dest), *_written(op))}
        listed = known.facts.listed if known.facts else {}
        on_top = on_runtime(beneath, found)
        after = await self._calls.call(known_after, found, on_top, plan.facts, listed, asked)
        if after != found.after:
            # The next image on what ran need not look for it.
            found = self._made[key] = evolve(found, after=after)
            if not found.places:
                keep(found, beneath, self._store)
        beneath = on_runtime(beneath, found)
        if self._opening.cache_to:
            place = runtime_tag(self._opening.cache_to, key)
            # Of several builds on what ran one pushes it, and tells whether it could; the others wait for its layers.
            async with self._turns.setdefault(f"share {place}", anyio.Lock()):
                if self._shared.get(str(place), -math.inf) < found.made:
                    await self._share(plan, found, beneath, place)
                    self._shared[str(place)] = found.made
        facts = after.for_paths(asked)
        return beneath, facts.paths if facts else after.facts.paths, found, shared

    async def _found_or_made(self, plan: Plan, key: str, beneath: Beneath) -> RuntimeImage:
        anew = self._afresh or self._opening.no_cache
        found = None if anew else await self._looked_up(key, plan, beneath)
        old = False
        if found:
            before = self._before(found, plan)
            self.on_event(before)
            if before.taken:
                return found
            old = True
        from .runtime_image import make

        other = await self._runs(plan)
        # What is too old it may remember.
        made = await make(plan, key, beneath, other.afresh() if old or self._afresh else other, self._store)
        named = [await self._earlier(tag, plan.base.platform) for tag in self._tags]
        if named and not self._opening.cache_to and not any(each.at for each in named):
            self.on_event(Message(how_to_keep()))
        return made

    def _before(self, found: RuntimeImage, plan: Plan) -> RanBefore:
        """What ran before, and whether it is young enough to be taken."""
        limit, age = most_seconds(self._opening.max_age_days, plan.engine_part), found.age_seconds
        return RanBefore(found.found, found.made, age, age <= limit, None if limit == math.inf else limit)

    async def _runs(self, plan: Plan) -> Builder:
        """What runs the commands of a plan; where it is not there the error says what it is needed for."""
        try:
            return await self._other()
        except DaggerAmlError as error:
            runs = [each for each in plan.engine_part if isinstance(each, Run)]
            files = "; packages as files need none" if all(each.verb == "pip" for each in runs) else ""
            needed = ", ".join(each.name for each in runs) or "stages"
            add_hint(error, before=f"A builder is needed to run: {needed}{files}.")
            raise

    async def _share(self, plan: Plan, ran: RuntimeImage, beneath: Beneath, place: Reference) -> None:
        """Push what ran, unless that or later is there; that it is refused is a warning: the image can be made."""
        from .runtime_image import in_image, not_shared

        image = await self._earlier(place, plan.base.platform)
        there = in_image(ran.key, evolve(beneath, layers=beneath.layers[: beneath.base]), image)
        if there and there.made >= ran.made:
            return
        bare = evolve(plan, ops=(), config=Config())
        # By connections of its own: what fails ends them.
        calls = Calls(PushClient(self._opening.policy), self.on_event)
        shared = self._image(bare, beneath, (), calls, ())
        try:
            await shared.publish(str(place))
        except DaggerAmlError as error:
            self.on_event(Warned(not_shared(error, str(self._opening.cache_to))))
        finally:
            calls.client.close()

    async def _looked_up(self, key: str, plan: Plan, beneath: Beneath) -> RuntimeImage | None:
        """What ran, the latest of what is found: in the cache of this machine, and in an image of a registry.

        Of these the first that is young enough counts, else the latest: those that the tags name now, then that in
        the repository for it. So what ``--no-cache`` made is taken before what a tag still has from an earlier time.
        """
        from .runtime_image import in_image, in_store, runtime_tag

        latest, why = in_store(key, beneath, self._store), []
        places = [*self._tags, *([runtime_tag(self._opening.cache_from, key)] if self._opening.cache_from else [])]
        for place in places:
            image = await self._earlier(place, plan.base.platform)
            if found := in_image(key, beneath, image):
                latest = latest if latest and latest.made > found.made else found
                if self._before(latest, plan).taken:
                    return latest
            else:
                why.append(why_not_taken(key, beneath, image))
        for text in filter(None, why if latest is None else ()):
            self.on_event(Message(text))
        return latest

    async def _told(self, beneath: Beneath, platform: str) -> list[KnownFacts]:
        """What images under the tags tell of this very base."""
        images = [await self._earlier(tag, platform) for tag in self._tags]
        notes = [note_of(image.config, image.layers, beneath.base) for image in images if image.at]
        return [note.facts for note in notes if note and note.base == beneath.digest and note.facts]

    async def _earlier(self, tag: Reference, platform: str) -> Earlier:
        """The image that a tag names now for a platform; asked once."""
        asked = str(tag), platform
        if asked not in self._images:
            self._images[asked] = await self._calls.call(earlier, tag, platform, self.client, self._store)
        return self._images[asked]

    def index(self, images: Sequence[Image]) -> Image:
        """Images for several platforms as one."""
        ours = tuple(each for each in images if isinstance(each, DirectImage))
        if len(ours) == len(images):
            return DirectIndex(ours)
        if ours or self._inner.opened is None:
            raise BuildError(
                "one platform's image is written directly and another's is built, so they cannot become one index",
                hint=f"Add {named('layers', 'builder')}.",
            )
        return self._inner.opened.index(images)

    async def load_tar(self, tar: Path, reference: str) -> str | None:
        """Into the other builder's store; where it has none, into docker's or podman's, and it is not opened."""
        if self.capabilities.own_store:
            return await (await self._other()).load_tar(tar, reference)
        from ..store import load_file

        return await load_file(tar, reference, self.on_event, self.policy)

    @property
    def _local(self) -> LocalStore:
        return LocalStore(self._store_cli, self.load_tar, self.policy)

    async def _store_cli(self) -> ContainerCli | None:
        """What drives the store that images are loaded into; the other builder need not be opened for it."""
        if self._kinds is None:
            return None
        from ..local.kind import LocalKind

        if self.capabilities.own_store:
            name = self.name
        else:
            from ..store import image_store

            name = await image_store(self.policy)
        kind = self._kinds(name)
        return kind.store() if isinstance(kind, LocalKind) and kind.store else None

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        """By the other builder."""
        await (await self._other()).folder(plan, path, dest)

    async def _other(self) -> Builder:
        return (await self._inner.builder()).with_events(self.on_event)

    async def _find(self, base: From) -> _Known:
        if isinstance(base, Given):
            return _Known(None, None, "it has no name")
        if base.archive:
            from .archive_base import find_archive

            return _Known(base.digest, await self._calls.call(find_archive, base, self.client, self._store))
        named = Reference.parse(base.reference)
        own_store = self.capabilities.own_store
        if own_store and named.host == "localhost" and not self._opening.pull:
            return _Known(None, None, "it may be in the local store alone")
        self.on_event(Message(f"looking up the base image {base.pinned}"))
        try:
            digest, beneath = await self._base_and_earlier(base)
        except UsageError:
            raise
        except DaggerAmlError as error:
            if own_store and not self._opening.pull:
                return _Known(None, None, error.message)
            raise
        return _Known(digest, beneath)

    async def _base_and_earlier(self, base: From) -> tuple[str, Beneath]:
        """A base in its registry; what the first tag names now is needed in any case, and so asked for meanwhile."""
        problem: DaggerAmlError | None = None
        async with anyio.create_task_group() as tasks:
            for tag in self._tags[:1]:
                tasks.start_soon(self._earlier, tag, base.platform)
            try:
                found = await self._calls.call(find_base, base, self.client, self._store)
            except DaggerAmlError as error:
                # Raised behind the block: what would end the other's request ends all connections.
                problem = error
        if problem:
            raise problem
        return found

    @property
    def _calls(self) -> Calls:
        return Calls(self.client, self.on_event)


def _written(copy: Copy) -> tuple[str, ...]:
    return tuple(path for path, _ in written_paths(copy))


@asynccontextmanager
async def direct(
    kind: Kind, opening: Opening, on_event: OnEvent, kinds: Callable[[str], Kind] | None = None
) -> AsyncIterator[DirectBuilder]:
    """Writes what is only files, for a block.

    :param kind: the builder that is opened when something must run or be started.
    :param kinds: gives each by its name.
    """
    async with lazily(kind, opening, on_event) as inner:
        builder = DirectBuilder(inner, opening, on_event, kinds)
        try:
            yield builder
        finally:
            builder.close()
