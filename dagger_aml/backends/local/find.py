"""The builder behind ``--with docker``, ``podman`` or ``buildah``."""

from __future__ import annotations

from ...events import OnEvent, ignore
from ...policy import DEFAULT, Policy
from ..base import Format, Opening
from ..builders import kind_of, unknown
from .builder import LocalBuilder
from .kind import LocalKind


def local_kind(name: str) -> LocalKind:
    """A kind of builder that is a command line of this machine.

    :raises UsageError: there is none of that name.
    """
    kind = kind_of(name)
    if not isinstance(kind, LocalKind):
        raise unknown(name)
    return kind


def local_builder(
    name: str,
    *,
    format: Format | None = None,
    no_cache: bool = False,
    pull: bool = False,
    on_event: OnEvent = ignore,
    policy: Policy = DEFAULT,
) -> LocalBuilder:
    """The builder behind ``build --with docker``, ``podman`` or ``buildah``.

    :param format: of the Dockerfile. By default ``buildkit`` where the program takes it, which docker's client and
        daemon must both do; an event says which.
    :param no_cache: run every step again.
    :param pull: take a base only as its registry has it now, never as the store does.
    :param policy: how long everything is waited for.
    :raises UsageError: no such builder, or docker has no BuildKit and ``format`` asks for it.
    :raises DaggerAmlError: the program is not installed, or does not answer within 10 s.
    """
    opening = Opening(format=format, no_cache=no_cache, pull=pull, policy=policy)
    return local_kind(name).builder(opening, on_event)
