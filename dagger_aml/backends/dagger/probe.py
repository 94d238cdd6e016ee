"""Asking a base by an engine."""

from __future__ import annotations

import dagger

from ...errors import DaggerAmlError
from ...graph.base import From
from ...oci.registry import image_config
from ...policy import Policy
from ..base import cannot_run, has_no_shell


async def probe_answer(base: From, probe: dagger.Container) -> str:
    try:
        return await probe.stdout()
    except dagger.ExecError as error:
        if "exec format error" in error.stderr:
            raise cannot_run(base) from None
        if "/bin/sh: no such file" in error.stderr:
            raise has_no_shell(base) from None
        raise


async def triggers_of(
    base: From, digest: str | None, policy: Policy
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """ONBUILD and VOLUME of a base, which the engine's API does not tell; None where this machine cannot ask."""
    try:
        config = await image_config(
            base.reference, digest, base.platform, policy=policy, timeout_seconds=policy.lookup_timeout_seconds
        )
    except DaggerAmlError:
        return None, None
    return tuple(config.get("OnBuild") or ()), tuple(config.get("Volumes") or ())
