"""What the Dagger engine and the local builders have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol, Self

from ..base.facts import BaseFacts
from ..errors import BaseError
from ..events import OnEvent
from ..graph.base import From
from ..plan.model import Plan
from .outputs import Export
from .result import Result


class Image(Protocol):
    """An image, or an index of images for several platforms, that a builder made and holds; not published yet."""

    @property
    def id(self) -> str | None:
        """Digest of the config; None where it is only known once the image is written somewhere."""
        ...

    async def publish(self, reference: str) -> Result:
        """Push to a registry.

        :raises RegistryDenied: 401 or 403.
        :raises TryAgain: unreachable, 429 or 5xx.
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
    """``dagger``, ``docker``, ``podman`` or ``buildah``."""

    on_event: OnEvent

    def with_events(self, on_event: OnEvent) -> Self:
        """The same builder, what it does told to another callback: for several images at once."""
        ...

    async def ask(self, base: From, paths: Iterable[str]) -> tuple[str | None, BaseFacts]:
        """The real base's digest (None for one that only a local store has), and its facts.

        :raises RegistryDenied: the registry wants a login.
        :raises BuildError: there is no such image.
        :raises BaseError: it cannot be asked.
        """
        ...

    async def image(self, plan: Plan, *, title: str = "") -> Image:
        """Make the image of a plan.

        :raises BuildError: a step failed.
        """
        ...

    def index(self, images: Sequence[Image]) -> Image:
        """Images of this builder's, for a platform each, as one."""
        ...

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        """Make a plan and write one folder of it to an empty folder of this machine."""
        ...


def has_no_shell(base: From) -> BaseError:
    """The error for a base in which the probe cannot be run."""
    return BaseError("the base has no /bin/sh", where=f"base {base.pinned}", do="Take a base with a POSIX shell.")


def cannot_run(base: From) -> BaseError:
    """The error for a base of another processor, where nothing emulates that."""
    return BaseError(
        f"the builder's machine cannot run {base.platform}",
        where=f"base {base.pinned}",
        do="Install QEMU's user emulation there (Debian and Ubuntu: apt-get install qemu-user-static binfmt-support; "
        "with Docker: docker run --privileged --rm tonistiigi/binfmt --install all), or build on such a machine.",
    )


Format = Literal["classic", "buildkit"]
