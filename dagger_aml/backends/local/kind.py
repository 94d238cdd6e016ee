"""The kinds of builder that are a command line of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from attrs import field

from ...data import frozen
from ...errors import DaggerAmlError
from ...events import OnEvent, ignore
from ...policy import DEFAULT, Policy
from ...text import named
from ..base import Builder, Capabilities, Format, Opening, Runtime

if TYPE_CHECKING:
    from .builder import LocalBuilder
    from .program import ContainerCli


@frozen
class LocalKind:
    """A builder that is a command line of this machine; see :class:`~dagger_aml.backends.base.Kind`.

    :param find: gives its driver, for a form of Dockerfile or the best that it can, and tells what a person should
        know of that. Raises where it does not answer in the policy's time.
    :param runtime: gives what starts its images; raises where there is none.
    :param store: gives its driver for what concerns its store alone, and asks nobody whether it answers; None where
        that cannot pull from this process.
    """

    capabilities: Capabilities
    find: Callable[[Format | None, OnEvent, Policy], ContainerCli] = field(repr=False)
    runtime: Callable[[], Runtime] = field(repr=False)
    store: Callable[[], ContainerCli] | None = field(default=None, repr=False)

    def tool(
        self, format: Format | None = None, on_event: OnEvent = ignore, policy: Policy = DEFAULT
    ) -> ContainerCli:
        """Its driver.

        :raises DaggerAmlError: it is not installed, or does not answer.
        """
        import shutil

        name = self.capabilities.name
        if not shutil.which(name):
            raise DaggerAmlError(
                f"{name} is not installed", location=named("builder", name), hint=f"{self.capabilities.install}."
            )
        return self.find(format, on_event, policy)

    def builder(self, opening: Opening, on_event: OnEvent) -> LocalBuilder:
        """The builder; raises as :meth:`tool`."""
        from .builder import LocalBuilder

        tool = self.tool(opening.format, on_event, opening.policy)
        return LocalBuilder(tool, opening.no_cache, on_event, opening.pull, opening.policy)

    @asynccontextmanager
    async def opened(self, opening: Opening, on_event: OnEvent) -> AsyncIterator[Builder]:
        """The builder, for a block."""
        yield self.builder(opening, on_event)

    def check_serves(self) -> None:
        """Raise unless something can start its images.

        :raises UsageError: nothing that is installed can.
        """
        self.runtime()
