"""The builders that there are: the one list of them.

A builder is a file of its own, with its :class:`~dagger_aml.backends.base.Capabilities` in it, and a line here. The
first is the one that is taken where none is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

from ..errors import UsageError
from ..events import OnEvent, ignore
from ..oci.reference import Reference
from ..policy import DEFAULT as USUAL
from ..policy import Policy
from .base import Builder, Format, Kind, Layers, Opening

_KINDS: Mapping[str, str] = {
    "dagger": "dagger.kind",
    "docker": "local.docker",
    "podman": "local.podman",
    "buildah": "local.buildah",
    "buildx": "local.buildx",
}
"""The module below this package whose ``KIND`` each is, imported when it is asked for."""

BUILDERS = tuple(_KINDS)

DEFAULT = BUILDERS[0]


def kind_of(name: str) -> Kind:
    """A builder's kind.

    :raises UsageError: there is none of that name.
    """
    if name not in _KINDS:
        raise unknown(name)
    kind: Kind = import_module(f".{_KINDS[name]}", __package__).KIND
    return kind


@asynccontextmanager
async def opened(name: str, opening: Opening, on_event: OnEvent) -> AsyncIterator[Builder]:
    """A builder for a block; where its layers are ``direct``, one that opens it only when something must run.

    :raises UsageError: there is none of that name.
    :raises DaggerAmlError: it is not there, or does not answer.
    """
    kind = kind_of(name)
    if opening.layers == "direct":
        from .direct.builder import direct

        async with direct(kind, opening, on_event, kind_of) as ours:
            yield ours
        return
    async with kind.opened(opening, on_event) as builder:
        yield builder


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
        cache_from=repository(cache_from, "cache_from"),
        cache_to=repository(cache_to, "cache_to"),
        max_age_days=max_age_days,
        instance=instance,
        provenance=provenance,
        sbom=sbom,
    )
    async with opened(name, opening, on_event) as builder:
        yield builder


def repository(text: str | None, location: str) -> str | None:
    """The name of a repository, as it was given.

    :param location: what gave it.
    :raises UsageError: it is none, or has a tag or a digest.
    """
    if text:
        found = Reference.parse(text, location)
        if found.tag or found.digest:
            raise UsageError(
                f"{text} has a tag or a digest", location=location, hint=f"Name a repository: {found.name}"
            )
    return text


def cache_places(
    layers: str, cache_from: str | None, cache_to: str | None = None, cache_repo: str | None = None
) -> tuple[str | None, str | None]:
    """Where what ran is looked for, and where it goes; nowhere unless the layers are ``direct``.

    :raises UsageError: one names no repository.
    """
    if layers != "direct":
        return None, None
    for name, place in (("--cache-from", cache_from), ("--cache-to", cache_to), ("--cache-repo", cache_repo)):
        repository(place, name)
    return cache_from or cache_repo, cache_to or cache_repo


def kinds() -> tuple[Kind, ...]:
    """All of them."""
    return tuple(kind_of(name) for name in BUILDERS)


def unknown(name: str) -> UsageError:
    """The error for a name that no builder has."""
    others = [each for each in BUILDERS if each != DEFAULT]
    return UsageError(f"no such builder: {name}", location="--with", hint=f"Use {', '.join(others)} or {DEFAULT}.")
