"""How projects stand to what was built of them: images and bases asked of their registries, many at a time."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Self, TypeVar

import anyio
from attrs import evolve, field

from ..backends.direct.age import most_seconds
from ..backends.direct.archive_base import find_archive
from ..backends.direct.beneath import find_base
from ..backends.direct.earlier import image_of
from ..backends.direct.note import Note, plain_note
from ..backends.local.stores import is_local_name
from ..base.facts import BaseFacts
from ..base.facts_cache import known_facts
from ..base.known import KnownFacts
from ..data import define, frozen
from ..errors import DaggerAmlError, TransientError, UsageError
from ..events import OnEvent, ignore
from ..fs.cache_folder import cache_folder
from ..fs.digest import NOTHING, Digests
from ..graph.base import From
from ..graph.graph import Graph
from ..graph.stages import bases, pin
from ..oci.asking import ask
from ..oci.content_store import ContentStore
from ..oci.failures import NoImage
from ..oci.push import PushClient
from ..oci.reference import Reference
from ..plan.compare import Comparison, Earlier, against, of_image, run_again
from ..plan.inputs import input_digest_of
from ..plan.model import Plan
from ..plan.verdict import Standing, narrowed, not_told, nothing_there, standing, together
from ..policy import DEFAULT, Policy
from ..text import age_text, named
from .earlier import is_image, read_earlier
from .plans import make_plan, plan_on

T = TypeVar("T")

_AT_ONCE = 16
"""Questions to registries at the same time."""


@frozen
class Subject:
    """A project, and what it is held against.

    :param name: of the project.
    :param graphs: one for each platform.
    :param against: a file that ``plan --json`` wrote, a tar, ``oci:FOLDER``, or an image.
    :param max_age_days: for which what ran is taken; None for as long as is usual.
    :param plans: of the graphs, where the bases were asked already; or why there is none of one.
    """

    name: str
    graphs: tuple[Graph, ...] = field(repr=False)
    against: str
    max_age_days: float | None = None
    plans: tuple[Plan | DaggerAmlError, ...] = field(default=(), repr=False)


@frozen
class Stood:
    """How a project stands, and what that was told by.

    :param plans: one for each platform; ``held`` what became of each, and ``earlier`` what it was held against; none
        of the two where there is nothing to hold it against.
    """

    standing: Standing
    plans: tuple[Plan, ...] = field(repr=False)
    held: tuple[Comparison, ...] = field(default=(), repr=False)
    earlier: tuple[Earlier, ...] = field(default=(), repr=False)
    error: DaggerAmlError | None = None
    """Why it cannot be told."""


@frozen
class _Base:
    """A base as its registry has it now.

    :param digest: None where that is not known; ``error`` says why.
    :param manifest: the digest of its manifest for the platform.
    :param known: what this machine keeps of it.
    """

    digest: str | None = None
    manifest: str = ""
    known: KnownFacts | None = field(default=None, repr=False)
    error: str = ""


async def stand(
    subjects: Sequence[Subject],
    *,
    offline: bool = False,
    store: str | None = None,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
    digests: Callable[[], Awaitable[Digests]] | None = None,
) -> list[Stood]:
    """How projects stand; what cannot be told of one stops no other.

    :param offline: whether no registry is asked.
    :param store: the builder whose store images are taken from.
    :param on_event: told when a registry is asked again.
    :param digests: gives those of files, once the registries have answered.
    :returns: one for each subject, in their order.
    """
    # Who holds a project against an image of this machine may have no network, and waits for none.
    patient = policy if any(_of_registry(each.against, store) for each in subjects) else _at_once(policy)
    with PushClient(patient) as client:
        asked = _Asked(client, ContentStore(cache_folder()), offline, store, on_event)
        await asked.all(subjects)
        known = await digests() if digests else NOTHING
        return [await asked.stood(each, known) for each in subjects]


def _of_registry(text: str, store: str | None) -> bool:
    try:
        return is_image(text) and not store and not is_local_name(text)
    except DaggerAmlError:
        return False  # No name of an image, which is told when it is asked for.


def _at_once(policy: Policy) -> Policy:
    """The policy of who is asked once and answers soon, or is done without."""
    return evolve(policy, retry_pauses_seconds=(), connect_timeout_seconds=3.0, answer_timeout_seconds=3.0)


@define(eq=False)
class _Asked:
    """What registries and files told."""

    client: PushClient
    store: ContentStore
    offline: bool
    local: str | None
    on_event: OnEvent
    images: dict[tuple[str, str, str], Earlier | DaggerAmlError] = field(factory=dict)
    bases: dict[From, _Base] = field(factory=dict)
    gone: dict[str, TransientError] = field(factory=dict)
    """Of hosts that did not answer: nothing more is asked of them."""

    async def all(self, subjects: Sequence[Subject]) -> None:
        """Ask everything that subjects need, each once."""
        wanted = {_key(each, graph): None for each in subjects for graph in each.graphs}
        found = {
            base: None
            for each in subjects
            if not self.offline and is_image(each.against) and not each.plans
            for graph in each.graphs
            for base in bases(graph)
        }
        turns = anyio.Semaphore(_AT_ONCE)

        async def one(work: Callable[..., Awaitable[None]], *args: object) -> None:
            async with turns:
                await work(*args)

        async with anyio.create_task_group() as tasks:
            for base in found:
                tasks.start_soon(one, self._find_base, base)
            for key in wanted:
                tasks.start_soon(one, self._find_image, *key)

    async def stood(self, subject: Subject, known: Digests) -> Stood:
        """How one stands, by what was told."""
        try:
            return await self._stood(subject, known)
        except DaggerAmlError as error:
            return Stood(not_told(subject.against, str(error)), (), error=error)

    async def _stood(self, subject: Subject, known: Digests) -> Stood:
        each, plans, held, wrong = [], [], [], None
        read: list[Earlier] = []
        for number, graph in enumerate(subject.graphs):
            image = self.images[_key(subject, graph)]
            plan = subject.plans[number] if subject.plans else await self._plan(graph, image)
            if isinstance(plan, DaggerAmlError):
                each.append(not_told(subject.against, f"its plan could not be made: {plan}"))
                continue
            plans.append(plan)
            if isinstance(image, NoImage):
                each.append(nothing_there(subject.against))
                continue
            if isinstance(image, DaggerAmlError):
                each.append(not_told(subject.against, str(image)))
                wrong = wrong or image
                continue
            compared = against(plan, image, known)
            asked = bool(subject.plans) or (not self.offline and is_image(subject.against))
            errors = [self.bases[base].error for base in bases(graph)] if asked and not subject.plans else []
            why = next(filter(None, errors), "")
            too_old = _too_old(plan, image, subject.max_age_days)
            each.append(standing(compared, asked=asked, base_error=why, too_old=too_old))
            held.append(run_again(compared, plan, too_old) if too_old else compared)
            read.append(image)
            if image.complete:  # A file has the plan for one platform, and the digest of all.
                others = subject.plans[1:] or [await self._plan(other, image) for other in subject.graphs[1:]]
                plans += [other for other in others if not isinstance(other, DaggerAmlError)]
                each += [_of_digest(subject, image, plans, known) for _ in others]
                break
        platforms = [graph.from_.platform for graph in subject.graphs]
        told = narrowed(together(each, platforms), *_too_many(read, platforms))
        return Stood(told, tuple(plans), tuple(held), tuple(read), wrong)

    async def _find_image(self, text: str, platform: str, project: str) -> None:
        try:
            self.images[text, platform, project] = await self._image(text, platform, project)
        except DaggerAmlError as error:
            self.images[text, platform, project] = error

    async def _image(self, text: str, platform: str, project: str) -> Earlier:
        if not is_image(text):
            return await read_earlier(text, platform, project=project)
        if self.local or is_local_name(text):
            if self.offline:
                return await _in_a_store(text, platform, self.local)
            return await read_earlier(text, platform, self.local)
        if self.offline:
            raise UsageError(
                f"an image of a registry cannot be asked with {named('offline')}",
                location=named("against", text),
                hint=f"Give a plan file or a tar, or remove {named('offline')}.",
            )
        at = Reference.parse(text, named("against"))
        found = await self._ask(at, partial(image_of, at, platform, self.client, self.store), f"image {at}")
        return evolve(of_image(text, platform, found.config.get("config") or {}), platforms=found.platforms)

    async def _find_base(self, base: From) -> None:
        try:
            if base.archive:
                beneath = await anyio.to_thread.run_sync(find_archive, base, self.client, self.store)
                digest = base.digest
            else:
                at = Reference.parse(base.reference)
                digest, beneath = await self._ask(at, partial(find_base, base, self.client, self.store), base.pinned)
            known = known_facts(beneath.digest, self.store.root / "facts")
            self.bases[base] = _Base(digest, beneath.digest, known)
        except DaggerAmlError as error:
            self.bases[base] = _Base(error=str(error))

    async def _ask(self, at: Reference, work: Callable[[], T], location: str) -> T:
        """What a question to a registry gives; one that did not answer is asked nothing more."""
        if at.host in self.gone:
            raise self.gone[at.host]
        try:
            return await ask(self.client, work, self.on_event, host=at.host, location=location)
        except TransientError as error:
            self.gone[at.host] = error
            raise

    async def _plan(self, graph: Graph, image: Earlier | DaggerAmlError) -> Plan:
        """The plan on what is known of its bases: by this machine, else by the image, else assumed."""
        found = {base: self.bases.get(base, _Base()) for base in bases(graph)}
        told = {base: self._facts(base, each, image) for base, each in found.items()}
        try:
            return await plan_on(graph, _Known(found, told))
        except _Unsettled:
            return make_plan(pin(graph, {base: each.digest for base, each in found.items()}))

    def _facts(self, base: From, found: _Base, image: Earlier | DaggerAmlError) -> KnownFacts | None:
        """The facts of a base; where it was not asked, of the one that an image was made on."""
        note = None if isinstance(image, DaggerAmlError) or image.base != base.reference else _note(image)
        if found.known or note is None or found.manifest not in ("", note.base):
            return found.known
        return note.facts or known_facts(note.base, self.store.root / "facts")


class _Unsettled(Exception):
    """Not all that a plan asks of a base is known."""


@frozen
class _Known:
    """What answers in a builder's place, from what is known."""

    bases: Mapping[From, _Base]
    told: Mapping[From, KnownFacts | None]
    packages: bool = False

    def for_packages(self) -> Self:
        """The same, which must know what the base's Python has installed."""
        return evolve(self, packages=True)

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """The digest and the facts of a base. :raises _Unsettled: they are not known."""
        known = self.told.get(base)
        facts = known.for_paths(paths, packages=self.packages) if known else None
        if facts is None:
            raise _Unsettled
        return self.bases[base].digest, facts


def _key(subject: Subject, graph: Graph) -> tuple[str, str, str]:
    return subject.against, graph.from_.platform, "" if is_image(subject.against) else subject.name


def _note(image: Earlier) -> Note | None:
    """What an image tells of its base. Whoever made it may say anything: as of all else that it tells."""
    return plain_note({"config": {"Labels": image.labels}}) if image.labels else None


def _of_digest(subject: Subject, file: Earlier, plans: Sequence[Plan], known: Digests) -> Standing:
    """How a project stands for a platform of which a file has no plan: by the digest of all platforms' inputs."""
    if len(plans) == len(subject.graphs) and file.inputs == input_digest_of(plans, known).digest:
        return Standing(subject.against, up_to_date=True, base="not asked", bytes=0)
    why = f"the file has the plan for {file.platform} alone, and another digest of all inputs"
    return evolve(not_told(subject.against, why), base="not asked")


def _too_many(read: Sequence[Earlier], platforms: Iterable[str]) -> tuple[str, list[str]]:
    """What a project is held against, and for which platforms that is and the project is not; a variant of one counts
    as that."""
    own = {tuple(each.split("/")[:2]) for each in platforms}
    found = [each for image in read[:1] for each in image.platforms if tuple(each.split("/")[:2]) not in own]
    return "plan" if read and read[0].complete else "image", found


def _too_old(plan: Plan, earlier: Earlier, max_age_days: float | None) -> str:
    """Why what ran for an image would run again, though nothing has changed; empty where it would not."""
    note = _note(earlier)
    if note is None or note.runtime is None:
        return ""
    age, limit = time.time() - note.runtime.made, most_seconds(max_age_days, plan.engine_part)
    if age <= limit:
        return ""
    return f"what ran is {age_text(age)} old, and is taken for {age_text(limit)} ({named('kept_max_age')})"


async def _in_a_store(text: str, platform: str, store: str | None) -> Earlier:
    """An image of a store of this machine.

    :raises NoImage: none of them has it.
    """
    from ..backends.local.stores import find_stored

    if store:
        return await read_earlier(text, platform, store)
    found = await find_stored(text)
    if found is None:
        raise NoImage("no store of this machine has such an image", location=named("against", text))
    return evolve(of_image(text, platform, found.image.config), name=f"{text} in {found.store}'s store")
