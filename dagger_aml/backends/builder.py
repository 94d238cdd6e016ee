"""What the Dagger engine and the local builders have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from ..events import OnEvent
from ..facts import BaseFacts
from ..graph import From
from ..plan import Plan
from ..result import Result


class Image(Protocol):
    """An image that a builder made and holds; not published anywhere yet."""

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

    async def export(self, path: Path, references: Sequence[str] = ()) -> Result:
        """Write a tar that ``docker load`` and ``podman load`` take under every reference; atomically.

        :raises UsageError: the file cannot be written.
        """
        ...

    async def load(self, reference: str) -> Result:
        """Put it into the local image store under ``reference``."""
        ...


class Builder(Protocol):
    """Something that carries plans out."""

    name: str
    """``dagger``, ``docker``, ``podman`` or ``buildah``."""

    on_event: OnEvent

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

    async def folder(self, plan: Plan, path: str, dest: Path) -> None:
        """Make a plan and write one folder of it to an empty folder of this machine."""
        ...
