"""A builder for a program that uses this library, opened as ``build`` opens its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..events import OnEvent, ignore
from ..policy import DEFAULT as USUAL
from ..policy import Policy
from ..text import named
from .base import Builder, Format, Layers, Opening
from .builders import DEFAULT, opened, repository


@asynccontextmanager
async def open_builder(
    name: str = DEFAULT,
    *,
    layers: Layers = "direct",
    format: Format | None = None,
    no_cache: bool = False,
    pull: bool = False,
    engine: str | None = None,
    engine_timeout: float | None = None,
    cache_from: str | None = None,
    cache_to: str | None = None,
    max_age_days: float | None = None,
    instance: str | None = None,
    provenance: str | None = None,
    sbom: str | None = None,
    on_event: OnEvent = ignore,
    policy: Policy = USUAL,
) -> AsyncIterator[Builder]:
    """What ``build --with NAME`` builds by: it writes what is only files itself, and opens that builder if it must.

    :param name: ``dagger``, ``docker``, ``podman``, ``buildah`` or ``buildx``: what runs commands and starts images.
    :param layers: ``builder``: it makes the layers of files too.
    :param format: of a Dockerfile, for what takes one.
    :param no_cache: run every step again.
    :param pull: take a base only as its registry has it now.
    :param engine: address of the Dagger engine, as :func:`dagger_aml.connect` takes it.
    :param engine_timeout: seconds for getting and starting one; None for as long as usual.
    :param cache_from: a repository in which what ran is looked for, and ``cache_to``, into which it is pushed.
    :param max_age_days: for how long what ran is taken; None for as long as usual.
    :param instance: of ``buildx``, which of its builders; None for the one that it has chosen.
    :param provenance: of ``buildx`` with ``layers="builder"``, as its flag takes it, and ``sbom`` likewise.
    :param policy: how long everything is waited for.
    :raises UsageError: there is no such builder, or no such repository.
    :raises DaggerAmlError: it is needed, and not there or does not answer; with ``layers="builder"`` at once.
    """
    opening = Opening(
        format=format,
        no_cache=no_cache,
        pull=pull,
        engine=engine,
        engine_timeout=engine_timeout,
        policy=policy,
        layers=layers,
        cache_from=repository(cache_from, named("cache_from")),
        cache_to=repository(cache_to, named("cache_to")),
        max_age_days=max_age_days,
        instance=instance,
        provenance=provenance,
        sbom=sbom,
    )
    async with opened(name, opening, on_event) as builder:
        yield builder
