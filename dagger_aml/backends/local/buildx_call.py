"""One plan's build by buildx, called again for each place that the image goes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import field

from ...data import frozen
from ...graph.mount import Mount
from ...plan.model import Plan
from ...process import CompletedProcess
from ..secret_files import secret_files
from .buildx_cli import Buildx
from .program import OnLine, given_flags


@frozen
class Call:
    """How the image of a plan is built, first and again from BuildKit's cache.

    :param context: its folder, with its Dockerfile.
    :param mounts: what its commands see, by the names of the secrets.
    :param flags: of every call.
    :param attestations: of those that send the image to a registry.
    """

    buildx: Buildx
    plan: Plan
    context: Path
    mounts: Mapping[str, Mount] = field(repr=False)
    flags: tuple[str, ...] = ()
    attestations: tuple[str, ...] = ()

    @property
    def platform(self) -> str:
        """Of the image."""
        return self.plan.base.platform

    async def __call__(
        self,
        work: Path,
        output: str,
        *,
        attested: bool = False,
        fresh: bool = False,
        on_line: Callable[[str], None] | None = None,
        heard: OnLine | None = None,
    ) -> tuple[CompletedProcess, str | None]:
        """Build; the manifest's digest too, where the output has one. Secrets are files for as long as it runs.

        :param work: a folder for what buildx tells; relative destinations of ``output`` lie there.
        :param attested: whether the attestations are made that were asked for.
        :param fresh: run every step again.
        """
        with secret_files(self.plan.access) as files:
            secrets = [(id, files.path(mount)) for id, mount in self.mounts.items()]
            flags = [
                *self.flags,
                *(["--no-cache"] if fresh else []),
                *(self.attestations if attested else ()),
                *given_flags(secrets, files.proxies, work),
            ]
            return await self.buildx.build(
                self.context, work, platform=self.platform, output=output, flags=flags, env=files.proxies,
                on_line=on_line, heard=heard,
            )  # fmt: skip
