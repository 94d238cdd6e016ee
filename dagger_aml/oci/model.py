"""A layer as it travels, and what is raised of an image that is none."""

from __future__ import annotations

from attrs import field

from ..data import frozen
from ..errors import UsageError


class ImageError(UsageError):
    """What should be an image cannot be read as one."""


@frozen
class Layer:
    """One layer of an image as it travels.

    :param digest: of the blob, ``sha256:…``.
    :param size: bytes of the blob (compressed, if it is).
    :param op: name of the one of the plan that made it; empty for the base's layers, and where the
        builder does not tell. Not compared.
    """

    digest: str
    size: int
    op: str = field(default="", eq=False)
