"""The builders that there are: the one list of them.

A builder is a file of its own, with its :class:`~dagger_aml.backends.base.Capabilities` in it, and a line here. The
first is the one that is taken where none is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..text import named

if TYPE_CHECKING:
    from ..events import OnEvent
    from .base import Builder, Kind, Opening

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


def repository(text: str | None, location: str) -> str | None:
    """The name of a repository, as it was given.

    :param location: what gave it.
    :raises UsageError: it is none, or has a tag or a digest.
    """
    if text:
        from ..oci.reference import Reference

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
    for name, place in (("cache_from", cache_from), ("cache_to", cache_to), ("cache_repo", cache_repo)):
        repository(place, named(name))
    return cache_from or cache_repo, cache_to or cache_repo


def kinds() -> tuple[Kind, ...]:
    """All of them."""
    return tuple(kind_of(name) for name in BUILDERS)


def unknown(name: str) -> UsageError:
    """The error for a name that no builder has."""
    others = [each for each in BUILDERS if each != DEFAULT]
    return UsageError(
        f"no such builder: {name}", location=named("builder"), hint=f"Use {', '.join(others)} or {DEFAULT}."
    )
