"""What the Dagger engine and the local builders have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeVar

from attrs import field

from ..data import frozen
from ..errors import BaseError, DaggerAmlError
from ..graph.base import DEFAULT_PLATFORM
from ..policy import DEFAULT, Policy

if TYPE_CHECKING:
    # What planning does not need, and would load for these names alone.
    import dagger

    from ..base.facts import BaseFacts
    from ..events import OnEvent
    from ..graph.base import From
    from ..oci.reference import Reference
    from ..plan.making import Making
    from ..plan.model import Plan
    from .outputs import Export
    from .result import Result
    from .runtime import ImageOutput, Start, Started

Format = Literal["classic", "buildkit"]
"""Of a Dockerfile: with plain instructions alone, or with what only BuildKit and buildah read."""


Layers = Literal["direct", "builder"]
"""Who makes the layers of what is only files: we ourselves, or the builder."""


@frozen
class Capabilities:
    """What a builder can, declared once, in the builder's own file. Nothing else is known by a builder's name.

    :param name: what ``--with`` takes.
    :param install: how to get it, without a full stop.
    :param forms: of Dockerfile that it takes; none where it carries plans out itself.
    :param connects_to_engine: whether it builds in an engine that ``--engine`` may name.
    :param own_store: whether it loads images into a store of its own, and reads them there; else into docker's, or
        podman's where docker does not answer.
    :param pushes_index: whether it can push images for several platforms as one.
    :param one_at_a_time: whether its store is not safe from two builds at once.
    :param serves: whether it starts images itself; else :meth:`Kind.check_serves` tells of what does.
    :param leaves_containers: whether what it serves is a container of this machine, which may have a name and be left
        running; else a service, whose tunnel listens on every address of this machine and ends with the session.
    :param keeps_base: whether the base's layers are in its images as they are in the base; else it writes tars of its
        own of the same files, one a layer.
    :param offline: how it takes the network from what it starts, for a person.
    :param has_instances: whether it is a program with builders of its own, of which ``--builder`` may name one.
    :param attests: whether it makes attestations where they are asked for (``--provenance``, ``--sbom``).
    """

    name: str
    install: str = field(repr=False)
    forms: tuple[Format, ...]
    connects_to_engine: bool
    own_store: bool
    pushes_index: bool
    one_at_a_time: bool
    serves: bool
    leaves_containers: bool
    keeps_base: bool = True
    offline: str = field(default="without network", repr=False)
    has_instances: bool = False
    attests: bool = False


@frozen
class Opening:
    """How a builder is to be opened; what does not concern a kind of builder it leaves alone.

    :param format: of the Dockerfile, where it takes one; None for the best that it can.
    :param no_cache: run every step again.
    :param pull: take a base only as its registry has it now.
    :param engine: address of the Dagger engine.
    :param engine_timeout: seconds for getting and starting one; None for as long as usual.
    :param quiet: nobody wants to know how the work goes on.
    :param layers: who makes the layers of what is only files.
    :param cache_from: a repository in which what ran is looked for, and ``cache_to``, into which it is pushed.
    :param max_age_days: for which what ran is taken; None for as long as the commands allow.
    :param policy: how long everything is waited for.
    :param instance: which of the builders that its program has; None for the one that this has chosen.
    :param provenance: as ``--provenance`` of buildx takes it, and ``sbom`` as ``--sbom`` does; None for none.
    """

    format: Format | None = None
    no_cache: bool = False
    pull: bool = False
    engine: str | None = None
    engine_timeout: float | None = None
    quiet: bool = False
    policy: Policy = DEFAULT
    layers: Layers = "direct"
    cache_from: str | None = None
    cache_to: str | None = None
    max_age_days: float | None = None
    instance: str | None = None
    provenance: str | None = None
    sbom: str | None = None


class Kind(Protocol):
    """One of the builders that there are; see :mod:`dagger_aml.backends.builders`."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        ...

    def opened(self, opening: Opening, on_event: OnEvent) -> AbstractAsyncContextManager[Builder]:
        """The builder; what it holds ends with the block.

        :raises DaggerAmlError: it is not there, or does not answer.
        """
        ...

    def check_serves(self) -> None:
        """Raise unless something can start what it builds.

        :raises UsageError: nothing that is installed can.
        """
        ...


class Image(Protocol):
    """An image, or an index of images for several platforms, that a builder made and holds; not published yet."""

    @property
    def id(self) -> str | None:
        """Digest of the config; None where it is only known once the image is written somewhere."""
        ...

    @property
    def makings(self) -> tuple[Making, ...]:
        """How the layer of each op came to be; none where its builder made all."""
        ...

    @property
    def files(self) -> Mapping[str, bytes]:
        """Raw sha256 of files of this machine that were read for it, by their paths; none where nobody tells."""
        ...

    async def in_place(self, references: Sequence[str]) -> bool:
        """Whether every reference names this very image in its registry; False where that cannot be told before."""
        ...

    async def stage(self, reference: str) -> str | None:
        """Send it, without moving a tag, to where it is started from before it is published; its reference there.

        None where its builder starts what it holds itself.
        """
        ...

    async def publish(self, reference: str) -> Result:
        """Push to a registry.

        :raises RegistryDenied: 401 or 403.
        :raises TransientError: unreachable, 429 or 5xx.
        """
        ...

    async def export(self, output: Export | Path | str, references: Sequence[str] = ()) -> Result:
        """Write a tar or a layout, named by every reference; atomically. An index only as ``oci``.

        :raises UsageError: it cannot be written.
        """
        ...

    async def load(self, reference: str) -> Result:
        """Put it into the local image store under ``reference``; no index."""
        ...


class Builder(Protocol):
    """Something that carries plans out."""

    name: str
    """As :attr:`Capabilities.name`."""

    on_event: OnEvent

    policy: Policy
    """How long everything is waited for."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can, as it was opened."""
        ...

    def runtime(self) -> Runtime:
        """What starts the images that it makes.

        :raises UsageError: nothing that is installed can.
        """
        ...

    def with_events(self, on_event: OnEvent) -> Self:
        """The same builder, what it does told to another callback: for several images at once."""
        ...

    def for_tags(self, tags: Sequence[Reference]) -> Self:
        """The same builder, told under which tags what it makes will be pushed."""
        ...

    def for_packages(self) -> Self:
        """The same builder, told that what a base's Python has installed is asked too: packages as files need it."""
        ...

    def afresh(self) -> Self:
        """The same builder, which runs every command again, whatever it remembers."""
        ...

    async def probe(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """The real base's digest (None for one that only a local store has), and its facts.

        :raises RegistryDenied: the registry wants a login.
        :raises BuildError: there is no such image.
        :raises BaseError: it cannot be asked.
        """
        ...

    async def makings(self, plan: Plan) -> tuple[Making, ...]:
        """How the layer of each of a plan's ops would be made now, as far as can be told without making one."""
        ...

    async def image(self, plan: Plan, *, title: str = "") -> Image:
        """Make the image of a plan.

        :raises BuildError: a step failed.
        """
        ...

    def index(self, images: Sequence[Image]) -> Image:
        """Images of this builder's, for a platform each, as one."""
        ...

    async def load_tar(self, tar: Path, reference: str) -> str | None:
        """Put an image that a tar in Docker's form holds into the local image store.

        :param reference: what the tar calls it.
        :returns: the ID that the store has it by, where it tells.
        :raises BuildError: the store refuses it.
        """
        ...

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        """Make a plan and write one folder of it to an empty folder of this machine."""
        ...


class Runtime(Protocol):
    """What starts images."""

    @property
    def name(self) -> str:
        """Of the builder that it belongs to."""
        ...

    @property
    def offline(self) -> str:
        """How it takes the network from what it starts, for a person."""
        ...

    def serve(
        self, what: Image | dagger.Container | str | Path, start: Start, output: ImageOutput
    ) -> AbstractAsyncContextManager[Started]:
        """Run an image's own command, as its own user, and stop and remove it afterwards.

        :param what: an image that its builder made, a reference, or a tar.
        :param output: told what it prints, and that it ended.
        :raises BuildError: there is no such image, it names no command, or it cannot be started.
        :raises UsageError: the name or a port is taken; the tar cannot be read.
        """
        ...

    async def run_probe(
        self, image: Image | str | Path, argv: Sequence[str], *, offline: bool, platform: str = DEFAULT_PLATFORM
    ) -> tuple[list[str], int]:
        """Run a command in an image, as the image's user: its output and its exit code.

        :param image: that its builder made, a reference, or a tar.
        :param platform: of an image that has to be pulled.
        """
        ...


T = TypeVar("T")


def own_image(image: object, kind: type[T], name: str, use: str) -> T:
    """An image as the one that a builder makes.

    :param name: of the builder.
    :param use: what it is to do with it, a verb.
    :raises DaggerAmlError: another made it.
    """
    if isinstance(image, kind):
        return image
    raise DaggerAmlError(f"{name} cannot {use} an image that another builder made")


def has_no_shell(base: From) -> BaseError:
    """The error for a base in which the probe cannot be run."""
    return BaseError(
        "the base has no /bin/sh", location=f"base {base.pinned}", hint="Use a base image with a POSIX shell."
    )


def cannot_run(base: From) -> BaseError:
    """The error for a base of another processor, where nothing emulates that."""
    return BaseError(
        f"the builder's machine cannot run {base.platform}",
        location=f"base {base.pinned}",
        hint="Install QEMU user emulation on the builder's machine (Debian and Ubuntu: apt-get install "
        "qemu-user-static binfmt-support; with Docker: docker run --privileged --rm tonistiigi/binfmt "
        "--install all), or build on a machine of that platform.",
    )
