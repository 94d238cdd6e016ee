"""Putting an image of ours into a store of this machine: only what that lacks where it can pull it from here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio
import anyio.to_thread
from attrs import evolve

from ...errors import DaggerAmlError, ProjectError, first_of
from ...events import Message, OnEvent, OpDone, OpStarted, Transferred
from ...fs.stamps import unchanged
from ...fs.temporary import temporary_directory
from ...graph.graph import Copy
from ...graph.source import Local
from ...graph.stages import walk
from ...oci.blobs import digest_of
from ...oci.manifest import BlobLayer
from ...oci.model import Layer
from ...plan.making import Making
from ...plan.model import Plan
from ...policy import Policy
from ...tasks import looking
from ...text import human_size
from ..outputs import Export
from ..result import Result
from .beneath import Beneath
from .layers import OwnLayer
from .local_store import LocalStore
from .offer import ReadyLayer, offer_of, ready
from .remembered import Remembered

if TYPE_CHECKING:
    from ...oci.offer import Offer, Served
    from ...process import CompletedProcess
    from ..local.program import ContainerCli, StoredImage

T = TypeVar("T")

_NAME = "localhost/dagger-aml-direct"


class Loadable(Protocol):
    """An image that is loaded: one that is written directly."""

    plan: Plan
    beneath: Beneath
    own: tuple[OwnLayer, ...]
    local: LocalStore
    on_event: OnEvent
    placed: str | None
    makings: tuple[Making, ...]

    @property
    def remembered(self) -> Remembered:
        """What layers became in earlier builds."""
        ...

    @property
    def id(self) -> str | None:
        """Digest of the config, once its layers are known."""
        ...

    @property
    def platform(self) -> str:
        """``linux/amd64`` and the like."""
        ...

    def config_now(self) -> bytes:
        """The config, once its layers are known."""
        ...

    def told(self, layers: Iterable[BlobLayer]) -> tuple[Layer, ...]:
        """The layers, each with the copies that it holds."""
        ...

    async def export(self, output: Export, references: Sequence[str] = (), *, quiet: bool = False) -> Result:
        """Write a tar."""
        ...


class NotPulled(Exception):
    """A store did not pull what was offered; the text says why, without a full stop."""


async def place(image: Loadable) -> str | None:
    """Put an image into the local store to be started there; the ID that it has then.

    It stays there until the next one of the same files takes its name, since a store forgets the layers of an image
    that has none: only what changed is sent for that. Once it is loaded under a name of the user's, ours goes.

    :returns: None where nothing can pull into that store from here.
    :raises DaggerAmlError: as :func:`load`.
    """
    cli = await image.local.cli()
    if cli is None:
        return None
    name = _own_name(image.plan)
    before = f"{name}-before"
    if await cli.inspect(name):
        await cli.tag(name, before)
    try:
        made = await _loaded(image, cli, name)
        image.placed = name
        return made.image_id
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(image.local.policy.remove_deadline_seconds):
            await cli.untag(before)


async def load(image: Loadable, reference: str) -> Result:
    """Put an image into the local store under a name.

    Where the store cannot pull from here, all of the image goes there as a tar, and an event says why.

    :raises DaggerAmlError: a file was changed; the store refuses the tar too.
    """
    cli = await image.local.cli()
    made = await _loaded(image, cli, reference)
    if cli and image.placed:
        await cli.untag(image.placed)
        image.placed = None
    return made


async def _loaded(image: Loadable, cli: ContainerCli | None, reference: str) -> Result:
    why = cli.elsewhere() if cli else None
    if cli and not why:
        try:
            return await _pulled(image, cli, reference)
        except NotPulled as error:
            why = str(error)
    if cli:
        image.on_event(Message(f"{cli.name} gets the whole image, not only the layers that it lacks: {why}"))
    return await _by_tar(image, reference)


def _own_name(plan: Plan) -> str:
    """What the local store calls an image that was only started: the same for the same places on this machine."""
    places = [
        op.layer.source.path
        for op in walk(plan.layers)
        if isinstance(op.layer, Copy) and isinstance(op.layer.source, Local)
    ]
    return f"{_NAME}:{digest_of(json.dumps(sorted(places)).encode())[7:19]}"


async def _by_tar(image: Loadable, reference: str) -> Result:
    with temporary_directory() as work:
        tar = work / "image.tar"
        made = await image.export(Export(tar, "docker"), (reference,), quiet=True)
        own = await image.local.load_tar(tar, reference)
    return evolve(made, digest=None, image_id=own or made.image_id, tags=(reference,), outputs=())


async def _pulled(image: Loadable, cli: ContainerCli, reference: str) -> Result:
    from ...oci.loopback import serving

    image.on_event(Message(f"loading {reference} into {cli.name}'s store"))
    begun = anyio.current_time()
    with unchanged(image.plan.file_layers):
        layers, offer = await _offered(image)
        try:
            with serving(offer) as served:
                stored = await _named(cli, served, image, reference)
        except OSError as error:
            raise NotPulled(f"no port of this machine can be used ({error.strerror})") from None
    _tell(image, layers, served, anyio.current_time() - begun, cli.name)
    told = image.told([*image.beneath.layers, *(each.blob for each in layers)])
    return Result(None, stored, (reference,), told, config_digest=image.id, makings=image.makings)


async def _offered(image: Loadable) -> tuple[tuple[ReadyLayer, ...], Offer]:
    """The image with every digest known. Raises as :func:`~dagger_aml.backends.direct.offer.ready`."""
    remembered, found, total = image.remembered, dict[int, ReadyLayer](), len(image.plan.layers)

    async def one(index: int) -> None:
        found[index] = await in_thread(ready, image.own[index], remembered)

    for each in image.own:
        for number in each.numbers:
            image.on_event(OpStarted(image.plan.ops[number - 1].name, number, total))
    try:
        async with anyio.create_task_group() as tasks:
            for index in range(len(image.own)):
                tasks.start_soon(one, index)
    except ExceptionGroup as errors:
        raise first_of(errors, DaggerAmlError) or errors from None
    layers = tuple(found[index] for index in range(len(image.own)))
    config = await in_thread(image.config_now)
    return layers, offer_of(image.beneath, layers, config)


async def _named(cli: ContainerCli, served: Served, image: Loadable, reference: str) -> str:
    """Have a store pull what is served, and name it; returns the ID by which it has it.

    Nothing that it calls by the name of the port stays.

    :raises NotPulled: it does not.
    """
    offered, policy = cli.served_as(served), image.local.policy
    found: list[StoredImage | None] = []

    async def inspected() -> None:
        found.append(await cli.inspect(reference))

    async def untagged() -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(policy.remove_deadline_seconds):
            await cli.untag(offered)

    try:
        _check(await _watched(cli, served, image.platform, policy, partial(_moved, image.on_event, reference)))
        for name in cli.loaded_as(reference):
            _check(await cli.tag(offered, name))
    except BaseException:
        await untagged()
        raise
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(untagged)
            tasks.start_soon(inspected)
    except ExceptionGroup as errors:
        raise first_of(errors, DaggerAmlError) or errors from None
    stored = found[0]
    if stored is None or stored.id not in (served.config, served.digest):
        raise NotPulled(f"{cli.name} has another image of that name then")
    return stored.id


def _moved(on_event: OnEvent, reference: str, sent: int, total: int | None = None) -> None:
    """Tell how many bytes a store has taken."""
    if sent:
        on_event(Transferred("loaded", reference, sent, total))


async def _watched(
    cli: ContainerCli, served: Served, platform: str, policy: Policy, moved: Callable[..., None]
) -> CompletedProcess:
    """Pull, and end that at once where a layer cannot be made, or nobody comes for the image.

    :param moved: told how many bytes the store has taken, now and then and at the end.
    """
    begun, told = anyio.current_time(), 0
    with anyio.CancelScope() as pulling:

        def look() -> None:
            nonlocal told
            waited, now = anyio.current_time() - begun, _sum(served)
            if now > told:
                told = now
                moved(told)
            if served.failed or (waited > policy.connect_timeout_seconds and not served.came.is_set()):
                pulling.cancel()

        async with looking(look):
            done = await cli.pull_served(served, platform)
        if not served.failed:
            moved(_sum(served), _sum(served))
            return done
    for error in served.failed:
        if isinstance(error, ProjectError):
            raise error
    if served.failed:
        raise NotPulled(f"a layer could not be sent ({served.failed[0]})")
    raise NotPulled(f"it asked for nothing at {served.host}")


def _sum(served: Served) -> int:
    return sum(list(served.moved.values()))


def _check(done: CompletedProcess) -> None:
    if done.code:
        said = (done.err.strip() or done.out.strip() or f"exit code {done.code}").splitlines()
        raise NotPulled(said[-1].rstrip("."))


def _tell(image: Loadable, layers: tuple[ReadyLayer, ...], served: Served, seconds: float, name: str) -> None:
    """Tell what was sent."""
    sent, total = frozenset(served.asked), len(image.plan.layers)
    for each in layers:
        for number in each.layer.numbers:
            had = each.blob.digest not in sent
            image.on_event(OpDone(image.plan.ops[number - 1].name, number, total, seconds, had))
    every = {each.digest: each.size for each in (*image.beneath.layers, *(each.blob for each in layers))}
    size = sum(bytes_ for digest, bytes_ in every.items() if digest in sent)
    count = len(sent & every.keys())
    image.on_event(Message(f"{name} lacked {count} of {len(every)} layers, {human_size(size)}"))


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """What some work gives that blocks; a cancel does not wait for it."""
    return await anyio.to_thread.run_sync(work, *args, abandon_on_cancel=True)
