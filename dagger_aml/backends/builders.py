"""The builders that there are: the one list of them.

A builder is a file of its own, with its :class:`~dagger_aml.backends.base.Capabilities` in it, and a line here. The
first is the one that is taken where none is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

from ..errors import UsageError
from ..events import OnEvent
from .base import Builder, Kind, Opening

_KINDS: Mapping[str, str] = {
    "dagger": "dagger.kind",
    "docker": "local.docker",
    "podman": "local.podman",
    "buildah": "local.buildah",
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

        async with direct(kind, opening, on_event) as ours:
            yield ours
        return
    async with kind.opened(opening, on_event) as builder:
        yield builder


def kinds() -> tuple[Kind, ...]:
    """All of them."""
    return tuple(kind_of(name) for name in BUILDERS)


def unknown(name: str) -> UsageError:
    """The error for a name that no builder has."""
    others = [each for each in BUILDERS if each != DEFAULT]
    return UsageError(f"no such builder: {name}", location="--with", hint=f"Use {', '.join(others)} or {DEFAULT}.")
